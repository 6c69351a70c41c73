//! A queue's workers as its supervisor sees them: forking, counting, telling, replacing, and ending one that hangs.
//!
//! Kept true: a worker works in the folders whose lock the run has, wherever they were moved, and shares no description of
//! them: it opens them anew by its supervisor's descriptors, after the fork. It keeps the run's lock as long as it lives.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

use super::plan::Plan;
use super::sink;
use crate::model::Exit;
use crate::queue::QueueError;
use crate::spool::{Spool, SpoolQueue};
use crate::sys::output::warning;
use crate::sys::process::{self, Ended, Send};
use crate::sys::signals::Signals;
use crate::sys::speed::one_cpu;
use crate::sys::{child, clock, fault};
use crate::transport;
use crate::worker::board::evidence::Since;
use crate::worker::board::{Counter, LISTED_MAX, List};
use crate::worker::context::{Context, EarlierRefusals};
use crate::worker::notifier::{self, Notifier};
use crate::worker::pace::Pace;
use crate::worker::work;
use crate::{config, events};

/// How long workers that were told to stop now may take before they are killed: what a sendmail gets, twice, and a bit.
const STOP_GRACE: Duration = Duration::from_secs(2 * child::GRACE.as_secs() + 5);

/// So many workers of one queue may die before its run ends; the board's lists have room for what they died of.
pub(super) const CRASHES_MAX: u64 = LISTED_MAX as u64;

/// How late a worker may notice that a sendmail is past its time. A signal interrupts its wait at once, but for one that comes
/// just before the wait begins.
const TICK: Duration = Duration::from_secs(1);

/// The workers of one queue. A worker's number is its slot on the board.
pub(super) struct Workforce<'p, 'a> {
    plan: &'p Plan<'a>,
    spool: &'p Spool,
    queue: &'p SpoolQueue,
    pids: Vec<Option<i32>>,
    /// What earlier runs were refused.
    noted: EarlierRefusals,
    /// How many workers died with an entry in hand.
    deaths: HashMap<String, u32>,
    told: Option<(Send, Instant)>,
    /// The worst status that a worker ended with.
    pub worst: Exit,
    /// What their hand-overs wait for.
    pub pace: Pace,
}

impl<'p, 'a> Workforce<'p, 'a> {
    pub fn new(plan: &'p Plan<'a>, spool: &'p Spool, queue: &'p SpoolQueue) -> Workforce<'p, 'a> {
        let pids = vec![None; plan.workers];
        let (noted, deaths, pace) = (EarlierRefusals::new(), HashMap::new(), Pace::default());
        Workforce { plan, spool, queue, pids, noted, deaths, told: None, worst: Exit::Ok, pace }
    }

    pub fn alive(&self) -> usize {
        self.pids.iter().flatten().count()
    }

    /// Reads what earlier runs noted of a sink that was down; if there is something, this one begins in doubt.
    pub fn take_note(&mut self) -> bool {
        let noted = sink::noted(self.queue, self.plan.policy.retry.expire);
        let outage = noted.is_some();
        self.noted = noted.unwrap_or_default();
        if outage {
            self.plan.board.doubts().begin_in_outage();
        }
        outage
    }

    /// How many entries they have in hand, or keep in doubt.
    pub fn busy(&self) -> usize {
        let slots = (0..self.pids.len()).map(|index| self.plan.board.slot(index));
        slots.map(|slot| slot.kept() + usize::from(slot.in_hand().is_some())).sum()
    }

    /// Those that live.
    pub fn pids(&self) -> impl Iterator<Item = i32> {
        self.pids.iter().copied().flatten()
    }

    /// Whether each that lives finds nothing more to probe with, and waits.
    pub fn all_wait(&self, doubt: Since) -> bool {
        let mut living = self.pids.iter().enumerate().filter(|(_, pid)| pid.is_some());
        self.alive() > 0 && living.all(|(index, _)| self.plan.board.slot(index).is_waiting(doubt))
    }

    /// Forks `count` more workers, as far as there are slots. Where the system has no room for another process, those that
    /// live must do; an error says that there are none.
    pub fn hire(&mut self, count: usize) -> Result<(), QueueError> {
        self.queue.share_order(self.pids.len())?;
        let free: Vec<usize> = (0..self.pids.len()).filter(|&i| self.pids[i].is_none()).take(count).collect();
        for index in free {
            self.plan.board.slot(index).clear();
            match process::fork(|| labour(self, index).code()) {
                Ok(pid) => self.pids[index] = Some(pid),
                Err(_) if self.alive() > 0 => return Ok(()),
                Err(source) => {
                    return Err(QueueError::Io { doing: "fork a worker", path: self.queue.path(""), source });
                }
            }
            fault::instant("supervisor.forked");
        }
        Ok(())
    }

    /// Takes note of a worker's end; `true` if it died.
    pub fn ended(&mut self, pid: i32, how: Ended) -> bool {
        let Some(index) = self.pids.iter().position(|&known| known == Some(pid)) else { return false };
        self.pids[index] = None;
        let slot = self.plan.board.slot(index);
        let hand = slot.in_hand();
        slot.clear();
        self.queue.worker_ended(index, matches!(how, Ended::Signalled(_)));
        let exit = match how {
            Ended::Exited(code) => Exit::of_code(code),
            Ended::Signalled(_) => Exit::Software,
        };
        self.worst = self.worst.worst(exit);
        if exit != Exit::Software {
            return false;
        }
        self.plan.board.add(Counter::Crashes, 1);
        let with = hand.as_ref().map_or(String::new(), |hand| match hand.row {
            Some(row) => format!(" while it rendered row {row} of entry {}", hand.id),
            None => format!(" with entry {} in hand", hand.id),
        });
        warning!("{}: a worker died ({how}){with}; another takes its place", self.plan.name);
        let Some(hand) = hand else { return true };
        let deaths = self.deaths.entry(hand.id.clone()).or_default();
        *deaths += 1;
        match *deaths {
            2 => self.plan.board.put(List::Poisoned, &hand.id, hand.row),
            // Not even setting it aside is survived.
            3 => self.plan.board.put(List::Stuck, &hand.id, None),
            _ => {}
        }
        true
    }

    /// So many died that replacing them helps nobody: what kills them is no single entry.
    pub fn is_hopeless(&self) -> bool {
        self.plan.board.count(Counter::Crashes) >= CRASHES_MAX
    }

    /// Tells every worker; a telling that is no stronger than the last is not repeated.
    pub fn tell(&mut self, what: Send) {
        if self.told.is_some_and(|(told, _)| told == what || told == Send::Kill) {
            return;
        }
        self.told = Some((what, Instant::now()));
        for pid in self.pids.iter().flatten() {
            process::send(*pid, what);
        }
    }

    pub fn was_told(&self) -> bool {
        self.told.is_some()
    }

    /// Kills workers that are past their deadline, and all of them if they do not stop when told to stop now.
    pub fn end_hung(&mut self) {
        if let Some((Send::Quit, at)) = self.told
            && at.elapsed() > STOP_GRACE
        {
            self.tell(Send::Kill);
        }
        let now = clock::steady();
        for (index, pid) in self.pids.iter().enumerate() {
            let Some(pid) = pid else { continue };
            let overdue = self.plan.board.slot(index).in_hand().filter(|hand| now > hand.deadline);
            if let Some(hand) = overdue {
                warning!("{}: a worker hangs with entry {}; it is killed", self.plan.name, hand.id);
                process::send(*pid, Send::Kill);
            }
        }
    }
}

/// What a worker opens for itself.
struct Opened {
    queue: SpoolQueue,
    events: File,
    /// The queue that notices go to.
    outlet: SpoolQueue,
}

fn open(workforce: &Workforce<'_, '_>, index: usize) -> Result<Opened, QueueError> {
    let spool = workforce.spool.reopened()?;
    let queue = workforce.queue.reopened(index)?;
    Ok(Opened { queue, events: spool.events()?, outlet: spool.queue(notifier::QUEUE)? })
}

/// A worker's whole life, in its own process.
fn labour(workforce: &Workforce<'_, '_>, index: usize) -> Exit {
    let Workforce { plan, noted, pace, .. } = workforce;
    fault::instant("worker.forked");
    // For one who starts a command for each message it is faster so; without it nothing else changes.
    if matches!(plan.transport, config::Transport::Pipe { .. } | config::Transport::Command { .. }) {
        let _ = one_cpu::stay_on_one_cpu(index.wrapping_add(plan.number));
    }
    let tools = Signals::install(false).and_then(|signals| signals.tick(TICK).map(|()| signals));
    let tools = tools.map_err(|error| error.to_string());
    let tools = tools.and_then(|signals| Ok((signals, open(workforce, index).map_err(|error| error.to_string())?)));
    let (signals, Opened { queue, events, outlet }) = match tools {
        Ok(tools) => tools,
        Err(error) => {
            warning!("{}: {error}", plan.name);
            return Exit::IoErr;
        }
    };
    // The end of the process closes what the queue has open, without a call for each.
    let queue = ManuallyDrop::new(queue);
    let queue: &SpoolQueue = &queue;
    let context = Context {
        queue,
        queue_name: &plan.name,
        policy: plan.policy,
        spool: &plan.spool,
        bounces: plan.bounces,
        verp: &plan.verp,
        events: RefCell::new(events::Log::new(events, plan.syslog)),
        notifier: Notifier {
            queue: &plan.name,
            rules: plan.policy,
            outlet: &outlet,
            policy: plan.notices,
            host: process::host_name(),
        },
        board: &plan.board,
        slot: plan.board.slot(index),
        signals: &signals,
        pace,
        noted,
    };
    work(&context, &mut *transport::open(plan.transport, index))
}
