//! One launch by cron: a supervisor for each queue, and main, which draws progress, counts signals and tells the end.
//!
//! ```text
//! cron → run → one supervisor for each free queue: takes the lock, proves the spool and the sink, forks workers
//!               └ worker: claim → send → settle → (again)
//! ```
//!
//! What holds: a process never has descriptors of two queues' locks (main opens none; each supervisor opens its own after
//! its fork); main and the supervisors have one thread; an overlapping launch ends at once, with status 0 and no output.
#![forbid(unsafe_code)]

mod adoption;
mod beat;
mod clerk;
mod doors;
mod lock;
mod online;
mod overdue;
mod progress;
mod sink;
mod summary;
mod supervise;
mod syncer;
pub mod way_out;
mod workforce;

pub use beat::{Beat, Hand, STALE, silence};
pub use lock::{Holder, QueueLock, is_free};
pub use summary::{QueueSummary, Summary};

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::config::{self, Config, OnCrash, Site};
use crate::intake::adopt;
use crate::model::Exit;
use crate::policy::{retry, units};
use crate::spool::{Spool, SpoolQueue};
use crate::sys::output::{self, Page, tell, warning};
use crate::sys::process::{self, Ended, Send};
use crate::sys::signals::Signals;
use crate::sys::{clock, fault};
use crate::worker::board::{Board, Phase};

/// What `bulkmailer run` is asked for.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Run this queue only; may be given several times
    #[arg(long = "queue", short = 'Q', value_name = "QUEUE")]
    pub queues: Vec<String>,
    /// How many infeeds a queue has, instead of what its configuration says (a number or "auto")
    #[arg(long, short = 'w', value_name = "N", value_parser = parse_workers)]
    pub workers: Option<Workers>,
    /// Finish the messages in hand and end after this time (for example 55m)
    #[arg(long, value_name = "DURATION", value_parser = units::parse_duration)]
    pub max_runtime: Option<Duration>,
    /// Print a summary as one JSON object at the end
    #[arg(long)]
    pub json: bool,
    /// Draw no progress bar
    #[arg(long, short = 'q')]
    pub quiet: bool,
    /// Say who holds a queue, and what was done
    #[arg(long, short = 'v')]
    pub verbose: bool,
}

/// A number of infeeds on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    Auto,
    Number(usize),
}

/// The most infeeds of one queue.
pub const WORKERS_MAX: usize = 256;

fn parse_workers(text: &str) -> Result<Workers, String> {
    match (text, text.parse::<usize>()) {
        ("auto", _) => Ok(Workers::Auto),
        (_, Ok(n)) if (1..=WORKERS_MAX).contains(&n) => Ok(Workers::Number(n)),
        (_, Ok(_) | Err(_)) => Err(format!("a number from 1 to {WORKERS_MAX}, or \"auto\"")),
    }
}

/// What "auto" stands for: twice the processors, at least 2, at most 16.
pub fn auto_workers(transport: &config::Transport) -> usize {
    match transport {
        // A session waits for its server most of the time, and MTAs like several.
        config::Transport::Smtp(_) => 8,
        config::Transport::Ourselves { .. } => 1,
        config::Transport::Pipe { .. } | config::Transport::Command { .. } | config::Transport::Maildir { .. } => {
            std::thread::available_parallelism().map_or(2, |n| n.get() * 2).clamp(2, 16)
        }
    }
}

/// One queue's part of a run, before it is forked.
pub(crate) struct Plan<'a> {
    pub name: String,
    pub policy: &'a config::Queue,
    pub transport: &'a config::Transport,
    /// Why nothing is handed over.
    pub no_way_out: Option<String>,
    pub pace: Option<&'a config::Pace>,
    pub notices: &'a config::Notices,
    pub bounces: &'a config::Bounces,
    /// The patterns of senders that VERP makes here, each once.
    pub verp: Vec<String>,
    pub online: Option<&'a config::Online>,
    pub limits: &'a config::Limits,
    pub drop: &'a config::DropBounds,
    pub syslog: bool,
    pub workers: usize,
    /// Counted from 0, so that the queues' first workers do not all stay on the same processor.
    pub number: usize,
    pub spool: PathBuf,
    pub board: Board,
    pub verbose: bool,
    /// The run has a time of its own: a sink that is down is waited for.
    pub patient: bool,
}

struct Running<'p, 'a> {
    plan: &'p Plan<'a>,
    pid: i32,
    ended: Option<Exit>,
}

/// `bulkmailer run`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let known = |queue: &str| site.config.queues.contains_key(queue);
    let Some(spool) = adopt::prepare(&site.spool, &known)? else {
        if args.verbose {
            warning!("{}: no spool yet, so nothing to do", site.spool.display());
        }
        return Ok(Exit::Ok);
    };
    doors::say(&spool, site.spool_is_hosts);
    let names = queue_names(&spool, &site.config, &args.queues)?;
    hear(&spool, &names)?;
    way_out::say(&spool, &site.config, &names, false)?;
    let summary = drain(site, &names, args)?;
    say_left(site, &summary)?;
    if args.json {
        tell(&Page::json(&summary)?);
    }
    Ok(summary.exit())
}

/// Says what runs had to say that submit started.
fn hear(spool: &Spool, names: &[String]) -> anyhow::Result<()> {
    for name in names {
        if let Some(words) = spool.existing_queue(name)?.and_then(|queue| queue.hear()) {
            output::repeat(&words);
        }
    }
    Ok(())
}

/// The queues that are asked for, or all that exist, in the order of their names.
pub fn queue_names(spool: &Spool, config: &Config, asked: &[String]) -> anyhow::Result<Vec<String>> {
    let existing = spool.queues()?;
    if asked.is_empty() {
        for name in existing.iter().filter(|name| !config.queues.contains_key(*name)) {
            let queue = spool.existing_queue(name)?;
            let Some(queue) = queue else { continue };
            if queue.survey(clock::now(), 1)?.oldest.is_none() {
                continue;
            }
            warning!("{name}: mail lies in this queue and the configuration does not know it; add [queue.{name}]");
        }
        return Ok(existing.into_iter().filter(|name| config.queues.contains_key(name)).collect());
    }
    if let Some(unknown) = asked.iter().find(|name| !config.queues.contains_key(*name)) {
        let known: Vec<&str> = config.queues.keys().map(String::as_str).collect();
        return Err(config::ConfigError::unknown_queue(unknown, &known).into());
    }
    let mut names: Vec<String> = asked.iter().filter(|name| existing.contains(name)).cloned().collect();
    names.dedup();
    Ok(names)
}

/// Runs the queues `names` until each has nothing due, or another run has it.
pub fn drain(site: &Site, names: &[String], args: &Args) -> anyhow::Result<Summary> {
    let started = Instant::now();
    let plans = plans(site, names, args)?;
    let signals = Signals::install(true)?;
    let mut running = Vec::with_capacity(plans.len());
    for plan in &plans {
        let pid = process::fork(|| supervise::supervise(plan).code())?;
        fault::instant("main.forked");
        running.push(Running { plan, pid, ended: None });
    }
    let show = !args.quiet && !args.json && progress::is_terminal();
    let mut bar = show.then(|| progress::Progress::new(&plans));
    let mut watch = Watch { signals: &signals, told: 0, until: args.max_runtime.map(|limit| started + limit) };
    while running.iter().any(|queue| queue.ended.is_none()) {
        let slice = if bar.is_some() { Duration::from_millis(100) } else { Duration::from_secs(3_600) };
        signals.wait(None, watch.slice(slice))?;
        while let Some((pid, ended)) = process::reap()? {
            note_end(&mut running, pid, ended);
        }
        watch.pass_on(&running);
        if let Some(bar) = &mut bar {
            bar.draw();
        }
    }
    if let Some(bar) = bar {
        bar.finish();
    }
    let took = started.elapsed();
    let queues = running.iter().map(|queue| QueueSummary::of(queue.plan, queue.ended.unwrap_or(Exit::Software)));
    Ok(Summary::new(queues.collect(), took))
}

/// Says what stays in `drop/` for the queues that this run had. For the end of a command, which says it once.
pub fn say_left(site: &Site, summary: &Summary) -> anyhow::Result<()> {
    let Some(spool) = Spool::open(&site.spool)? else { return Ok(()) };
    let ours = summary.queues.iter().filter(|queue| !queue.busy).map(|queue| &queue.queue);
    let queues = ours.map(|name| spool.existing_queue(name)).collect::<Result<Vec<_>, _>>()?;
    adopt::say(&site.spool.join("drop"), &queues.into_iter().flatten().collect::<Vec<_>>());
    Ok(())
}

fn plans<'a>(site: &'a Site, names: &[String], args: &Args) -> anyhow::Result<Vec<Plan<'a>>> {
    let mut plans = Vec::new();
    let wanted = |policy: &config::Queue| {
        let auto = || site.config.transports.get(&policy.transport).map_or(1, auto_workers);
        match args.workers {
            Some(Workers::Number(n)) => n,
            Some(Workers::Auto) => auto(),
            None => policy.workers.unwrap_or_else(auto),
        }
    };
    let shares = match site.config.limits.workers {
        Some(most) => shares(most, names, &|name| {
            let policy = site.config.queues.get(name)?;
            Some((policy.priority, wanted(policy)))
        }),
        None => HashMap::new(),
    };
    for name in names {
        let Some(policy) = site.config.queues.get(name) else { continue };
        let Some(transport) = site.config.transports.get(&policy.transport) else { continue };
        let workers = wanted(policy);
        let pace = site.config.paces.get(&policy.transport);
        // Who keeps a session shares it with nobody of its own queue.
        let sessions = pace.filter(|_| matches!(transport, config::Transport::Smtp(_))).and_then(|pace| pace.sessions);
        let workers = sessions.map_or(workers, |most| workers.min(most));
        let workers = shares.get(name).map_or(workers, |&share| workers.min(share));
        plans.push(Plan {
            name: name.clone(),
            policy,
            transport,
            no_way_out: site.config.no_way_out(name),
            pace,
            notices: &site.config.notices,
            bounces: &site.config.bounces,
            verp: site.config.verp_patterns(),
            online: site.config.online.as_ref().filter(|_| !matches!(transport, config::Transport::Maildir { .. })),
            limits: &site.config.limits,
            drop: &site.config.drop,
            syslog: site.config.events.syslog,
            workers,
            number: plans.len(),
            spool: site.spool.clone(),
            board: Board::new(workers)?,
            verbose: args.verbose,
            patient: args.max_runtime.is_some(),
        });
    }
    Ok(plans)
}

/// How many workers each queue gets where all of them together have `most`: those with the highest priority what they
/// want, but every queue one at least. `facts` has a queue's priority and what it wants.
fn shares<'n>(
    most: usize,
    names: &'n [String],
    facts: &dyn Fn(&str) -> Option<(usize, usize)>,
) -> HashMap<&'n String, usize> {
    let mut queues: Vec<(&String, usize, usize)> =
        names.iter().filter_map(|name| facts(name).map(|(priority, wanted)| (name, priority, wanted))).collect();
    queues.sort_by_key(|(_, priority, _)| std::cmp::Reverse(*priority));
    let mut left = most.saturating_sub(queues.len());
    let share = |(name, _, wanted): (&'n String, usize, usize)| {
        let more = wanted.saturating_sub(1).min(left);
        left -= more;
        (name, 1 + more)
    };
    queues.into_iter().map(share).collect()
}

impl Plan<'_> {
    /// Opens the plan's queue; done after the fork, so that no descriptor is shared.
    pub fn open(&self) -> Result<Option<(Spool, SpoolQueue)>, crate::queue::QueueError> {
        let Some(spool) = Spool::open(&self.spool)? else { return Ok(None) };
        let queue = spool.existing_queue(&self.name)?;
        let announces = self.policy.on_crash == OnCrash::Hold;
        let set = |queue: SpoolQueue| queue.with_horizon(retry::horizon(self.policy.retry.max)).announcing(announces);
        Ok(queue.map(|queue| (spool, set(queue))))
    }
}

fn note_end(running: &mut [Running<'_, '_>], pid: i32, ended: Ended) {
    let Some(queue) = running.iter_mut().find(|queue| queue.pid == pid) else { return };
    queue.ended = Some(match ended {
        Ended::Exited(code) => Exit::of_code(code),
        Ended::Signalled(signal) => {
            warning!("{}: its supervisor died by signal {signal}; the next run goes on", queue.plan.name);
            Exit::Software
        }
    });
}

/// Main's signals: the first TERM or INT, or the end of the time, means finish what is in hand; the second, stop now.
struct Watch<'s> {
    signals: &'s Signals,
    /// How many steps the supervisors were told.
    told: u32,
    until: Option<Instant>,
}

impl Watch<'_> {
    /// How long to wait for the next event.
    fn slice(&self, at_most: Duration) -> Duration {
        match self.until {
            Some(until) if self.told == 0 => at_most.min(until.saturating_duration_since(Instant::now())),
            Some(_) | None => at_most,
        }
    }

    fn pass_on(&mut self, running: &[Running<'_, '_>]) {
        let over = self.until.is_some_and(|until| Instant::now() >= until);
        let wanted = if self.signals.quit() { 2 } else { self.signals.terms().max(u32::from(over)).min(2) };
        while self.told < wanted {
            self.told += 1;
            let what = if self.told == 1 { Send::Term } else { Send::Quit };
            for queue in running.iter().filter(|queue| queue.ended.is_none()) {
                process::send(queue.pid, what);
            }
        }
    }
}

/// Whether another run had the queue.
pub(crate) fn was_busy(board: &Board) -> bool {
    board.phase() == Phase::Busy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_workers_are_few_the_first_queues_get_theirs_and_everybody_one() {
        let names = ["bounce", "inbound", "outbound"].map(str::to_owned);
        let facts = |name: &str| match name {
            "inbound" => Some((20, 4)),
            "bounce" => Some((10, 4)),
            _ => Some((0, 8)),
        };
        let given = |most: usize| {
            let shares = shares(most, &names, &facts);
            names.each_ref().map(|name| shares[name])
        };
        assert_eq!(given(16), [4, 4, 8]);
        assert_eq!(given(100), [4, 4, 8]);
        assert_eq!(given(8), [3, 4, 1]);
        assert_eq!(given(5), [1, 3, 1]);
        assert_eq!(given(1), [1, 1, 1]);
    }
}
