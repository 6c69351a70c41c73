//! The supervisor of one queue: holds the queue's lock, forks the workers, waits for more mail while any of them lives,
//! and lets the lock go when nothing is due any more.
//!
//! No mail is overlooked: `wake` is noted *before* each look at the names, and after the lock was let go it is compared
//! once more. Who published before that is seen by us; who published later finds the lock free, or a run whose first look
//! is later than his publish.

use std::io;
use std::time::{Duration, Instant};

use super::adoption::Adoption;
use super::beat::{self, Beat};
use super::clerk::Clerk;
use super::lock::{self, QueueLock};
use super::plan::Plan;
use super::syncer::Syncer;
use super::workforce::{CRASHES_MAX, Workforce};
use super::{online, overdue, sink};
use crate::model::{Exit, Micros};
use crate::queue::QueueError;
use crate::spool::{Spool, SpoolQueue};
use crate::sys::dir::Stamp;
use crate::sys::output::warning;
use crate::sys::process::{self, Ended, Send};
use crate::sys::signals::Signals;
use crate::sys::{clock, fault, process::host_name};
use crate::transport;
use crate::worker::FAULTS_MAX;
use crate::worker::board::{Counter, List, Phase};
use crate::worker::evidence::Since;
use crate::worker::judge::Judgement;
use crate::worker::notices;
use crate::worker::pace::Pace;

/// How often a supervisor looks at `wake` while a worker lives, and while it lingers.
const TICK: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
/// How often what was left behind is swept up.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// A run that is told to end leaves that to the next one, but for so long: where all end so, nothing else would be swept.
const SWEEP_AT_LEAST_EVERY: Duration = Duration::from_secs(86_400);

/// A sink that is down is tried again, by a run that waits for it, after so many times `probe_every`.
const RESTS: u32 = 30;

/// Supervises one queue to the end of the run; this is a process of its own.
pub(super) fn supervise(plan: &Plan<'_>) -> Exit {
    let exit = match shifts(plan) {
        Ok(exit) => exit,
        Err(error) => {
            warning!("{}: {error}", plan.name);
            error.exit()
        }
    };
    if plan.board.phase() == Phase::Working {
        plan.board.set_phase(Phase::Done);
    }
    exit
}

/// Works while the queue is free and somebody has woken us.
fn shifts(plan: &Plan<'_>) -> Result<Exit, QueueError> {
    let os = |source| QueueError::Io { doing: "take over signals", path: plan.spool.clone(), source };
    let signals = Signals::install(true).map_err(os)?;
    let Some((spool, queue)) = plan.open()? else { return Ok(Exit::Ok) };
    let mut exit = Exit::Ok;
    loop {
        if queue.stopped()?.is_some() {
            say_stopped(plan);
            return Ok(exit);
        }
        let Some(lock) = QueueLock::take(&queue)? else {
            if plan.board.phase() == Phase::Starting {
                plan.board.set_phase(Phase::Busy);
                say_who(plan, &queue);
                return beat::watch(&queue, &signals).map_err(os);
            }
            return Ok(exit);
        };
        plan.board.set_phase(Phase::Working);
        queue.clear_ended();
        let mut shift = Shift::new(plan, &spool, &queue, &signals);
        exit = exit.worst(shift.work()?);
        let (noted, adopted, told) = (shift.noted, shift.adoption.seen, shift.told());
        drop(lock);
        let unseen = queue.woken() != noted || adopted != Some(queue.dropped().0);
        if exit != Exit::Ok || told || (!unseen && !queue.may_be_stopped()) {
            return Ok(exit);
        }
    }
}

fn say_who(plan: &Plan<'_>, queue: &SpoolQueue) {
    if plan.verbose {
        let who = lock::last_holder(queue).map_or("another run".to_owned(), |holder| {
            format!("process {} on {}, since {}", holder.pid, holder.host, holder.started.local())
        });
        warning!("{}: this queue is being worked on by {who}", plan.name);
    }
}

fn say_stopped(plan: &Plan<'_>) {
    if plan.board.phase() == Phase::Starting {
        plan.board.set_phase(Phase::Stopped);
    }
    if plan.verbose {
        warning!("{0}: this queue is stopped; 'bulkmailer start -Q {0}' lets it go on", plan.name);
    }
}

/// One holding of the lock.
struct Shift<'p, 'a> {
    plan: &'p Plan<'a>,
    spool: &'p Spool,
    queue: &'p SpoolQueue,
    signals: &'p Signals,
    workers: Workforce<'p, 'a>,
    started: Micros,
    /// `wake` as it was before the last look.
    noted: Stamp,
    looked: Option<Look>,
    adoption: Adoption,
    clerk: Clerk,
    /// The spool and the sink were proved, before anything was handed over.
    proved: bool,
    /// Since when nothing is due and no worker lives.
    idle_since: Option<Instant>,
    last_beat: Instant,
    beaten: bool,
    syncer: Syncer<'p, 'a>,
    /// The child that finds out whether this host is online.
    asking: Option<i32>,
    /// What it answered last.
    online: bool,
    /// The doubt that it was asked about last; the greatest number for a sink that is down.
    asked_about: Option<u64>,
    /// The sink was down, as far as was known last.
    outage: bool,
    /// When a run that waits for a sink tries it again.
    again_at: Option<Instant>,
}

/// The last look at the names.
struct Look {
    at: Instant,
    took: Duration,
    next: Option<Micros>,
    /// How many claims there had been.
    claims: u64,
    /// The workers that lived when something was due: one that had just ended its last pass has not seen it.
    alive: Vec<i32>,
    /// A worker ended since who had claimed something: what it deferred may be the next to be due, and one that died leaves
    /// what it had in hand. One that claimed nothing found what is due in other hands, and so would the next.
    stale: bool,
}

impl Look {
    /// How long no other look is taken: looks cost at most a tenth of the time.
    fn rest(&self) -> Duration {
        (self.took * 10).max(Duration::from_millis(5)).saturating_sub(self.at.elapsed())
    }
}

impl<'p, 'a> Shift<'p, 'a> {
    fn new(plan: &'p Plan<'a>, spool: &'p Spool, queue: &'p SpoolQueue, signals: &'p Signals) -> Shift<'p, 'a> {
        let mut workers = Workforce::new(plan, spool, queue);
        let outage = workers.take_note();
        Shift {
            plan,
            spool,
            queue,
            signals,
            workers,
            started: clock::now(),
            noted: Stamp::default(),
            looked: None,
            adoption: Adoption::default(),
            clerk: Clerk::new(),
            proved: false,
            idle_since: None,
            last_beat: Instant::now(),
            beaten: false,
            syncer: Syncer::new(plan, queue),
            asking: None,
            online: true,
            asked_about: plan.board.doubts().since(),
            outage,
            again_at: None,
        }
    }

    fn told(&self) -> bool {
        self.signals.terms() > 0 || self.signals.quit()
    }

    /// We were told to end, the queue is stopped, the sink is down, or the spool refuses: nothing more is begun.
    fn halted(&self) -> bool {
        self.plan.board.sink_is_down() || self.must_end()
    }

    /// The same, where no waiting for the sink would help.
    fn must_end(&self) -> bool {
        self.told()
            || self.plan.no_way_out.is_some()
            || self.queue.may_be_stopped()
            || self.workers.is_hopeless()
            || self.plan.board.count(Counter::Faults) >= FAULTS_MAX
    }

    fn work(&mut self) -> Result<Exit, QueueError> {
        let worked = self.drain();
        if worked.is_err() {
            // The workers finish what they have in hand, and nobody reports before them.
            self.workers.tell(Send::Term);
            self.adoption.end();
            while self.workers.alive() > 0 || self.syncer.is_at_work() || self.adoption.is_at_work() {
                self.signals.wait(None, TICK).map_err(self.os("wait"))?;
                self.reap()?;
                self.workers.end_hung();
            }
        }
        let closed = self.close();
        worked.and(closed)
    }

    fn drain(&mut self) -> Result<(), QueueError> {
        loop {
            if !self.told() {
                self.adoption.look(self.plan, self.spool, self.queue, self.signals);
                self.clerk.look(self.plan, self.queue, self.signals, self.adoption.is_at_work());
            }
            if !self.halted() && self.look_is_due() {
                self.look()?;
            }
            self.end_doubt();
            self.look_for_the_net()?;
            // The children that sync and adopt have the lock, too, and their answers count.
            let alone = self.workers.alive() == 0 && !self.syncer.is_at_work() && !self.adoption.is_at_work();
            let over = alone && (self.halted() || self.is_over());
            if over && !self.outlasts() {
                return Ok(());
            }
            self.signals.wait(None, self.pause()).map_err(self.os("wait"))?;
            self.reap()?;
            if self.signals.quit() {
                self.workers.tell(Send::Quit);
                self.adoption.end();
            } else if self.told() && !self.workers.was_told() {
                self.workers.tell(Send::Term);
                self.adoption.end();
            }
            self.workers.end_hung();
            self.syncer.keep_safe();
            self.beat(false);
        }
    }

    /// Where every worker waits for evidence there will be no more.
    fn end_doubt(&self) {
        let doubts = self.plan.board.doubts();
        let nothing_else = |since: &Since| self.workers.all_wait(*since) && self.queue.woken() == self.noted;
        let Some(since) = doubts.since().filter(nothing_else).filter(|_| !self.halted()) else { return };
        let now = clock::steady();
        match doubts.judge(since, true) {
            Judgement::Theirs => doubts.acquit_sink(since, now),
            Judgement::Down | Judgement::Open => self.plan.board.sink_down(&doubts.why()),
        }
    }

    /// Where the sink may be to blame, it may as well be the net.
    fn look_for_the_net(&mut self) -> Result<(), QueueError> {
        let board = &self.plan.board;
        // A refusal for good came over the net.
        let doubt = || board.doubts().since().filter(|_| board.doubts().are_paced());
        let about = if board.sink_is_down() { Some(u64::MAX) } else { doubt() };
        if about.is_none() || about == self.asked_about || board.is_offline() {
            return Ok(());
        }
        self.asked_about = about;
        if !self.is_online()? {
            self.plan.board.go_offline();
        }
        Ok(())
    }

    /// Whether this host is online, as far as it is known how to find out. Whoever works is looked after meanwhile.
    fn is_online(&mut self) -> Result<bool, QueueError> {
        let Some(how) = self.plan.online else { return Ok(true) };
        let name = &self.plan.name;
        let pid = process::fork(|| online::ask(name, how).code()).map_err(self.os("fork a process"))?;
        self.asking = Some(pid);
        let until = Instant::now() + online::LIMIT;
        while self.asking.is_some() {
            if self.told() || Instant::now() >= until {
                process::send(pid, Send::Kill);
            }
            self.signals.wait(None, TICK).map_err(self.os("wait"))?;
            self.reap()?;
            self.workers.end_hung();
            self.syncer.keep_safe();
            self.beat(false);
        }
        Ok(self.online)
    }

    /// A run that has a time of its own waits for a sink that is down, and tries it now and then.
    fn outlasts(&mut self) -> bool {
        let board = &self.plan.board;
        if !self.plan.patient || self.must_end() || !board.sink_is_down() {
            return false;
        }
        match self.again_at {
            None => {
                self.note_outage();
                self.again_at = Some(Instant::now() + (self.plan.policy.probe_every * RESTS).max(TICK));
            }
            Some(at) if Instant::now() >= at => {
                board.sink_may_be_up();
                self.outage = self.workers.take_note();
                (self.again_at, self.proved, self.looked) = (None, false, None);
                self.asked_about = board.doubts().since();
            }
            Some(_) => {}
        }
        true
    }

    /// Notes that the sink is down, and says so if it is time to; being offline is none of its faults.
    fn note_outage(&self) {
        let (board, expire) = (&self.plan.board, self.plan.policy.retry.expire);
        if !board.is_offline() {
            sink::is_down(self.queue, &board.sink_why(), board.doubts().ids(), expire, clock::now());
        }
    }

    fn os(&self, doing: &'static str) -> impl FnOnce(io::Error) -> QueueError + use<> {
        let path = self.queue.path("");
        move |source| QueueError::Io { doing, path, source }
    }

    /// Somebody woke us, an entry's time has come, or a worker ended.
    fn look_is_due(&self) -> bool {
        let Some(look) = &self.looked else { return true };
        look.rest().is_zero()
            && (look.stale || self.queue.woken() != self.noted || look.next.is_some_and(|next| next <= clock::now()))
    }

    /// Looks at the names, and forks workers for what is due.
    fn look(&mut self) -> Result<(), QueueError> {
        self.noted = self.queue.woken();
        let (at, claims) = (Instant::now(), self.plan.board.count(Counter::Claims));
        // What is in hand is still due by its name, and so is what cannot be settled.
        let busy = self.workers.busy() + self.plan.board.listed(List::Stuck);
        let most = self.plan.workers.saturating_add(busy);
        let glance = self.queue.glance(clock::now(), most as u64)?;
        let due = usize::try_from(glance.due).unwrap_or(usize::MAX);
        let alive = if due > 0 { self.workers.pids().collect() } else { Vec::new() };
        self.looked = Some(Look { at, took: at.elapsed(), next: glance.next, claims, alive, stale: false });
        if due <= busy {
            return Ok(());
        }
        if self.workers.alive() == 0 && !self.is_online()? {
            self.plan.board.go_offline();
        } else if self.prove()? {
            self.workers.hire(due - busy).map_err(self.os("fork a worker"))?;
        }
        Ok(())
    }

    /// Shows once a shift, before anything is handed over, that the spool takes changes and the sink is there.
    fn prove(&mut self) -> Result<bool, QueueError> {
        if !self.proved {
            match self.queue.prove() {
                // Draining frees space.
                Err(error) if error.lacks_room() => {}
                other => other?,
            }
            let (name, policy, way) = (&self.plan.name, self.plan.policy, self.plan.pace);
            self.workers.pace = Pace::open(name, policy, way, || self.spool.pace())?;
            if let Err(why) = transport::open(self.plan.transport, 0).probe() {
                self.plan.board.sink_down(&why);
                return Ok(false);
            }
            self.proved = true;
        }
        Ok(true)
    }

    /// Nobody works, nothing is due, nobody woke us, and we have waited for more as long as was asked.
    fn is_over(&mut self) -> bool {
        let more =
            self.looked.as_ref().is_none_or(|look| look.stale || look.next.is_some_and(|next| next <= clock::now()));
        if more || self.queue.woken() != self.noted || self.adoption.seen != Some(self.queue.dropped().0) {
            self.idle_since = None;
            return false;
        }
        self.idle_since.get_or_insert_with(Instant::now).elapsed() >= self.plan.policy.linger
    }

    /// How long to wait for the next event.
    fn pause(&self) -> Duration {
        match &self.looked {
            Some(look) if !self.halted() => {
                let next = if look.stale { clock::now() } else { look.next.unwrap_or(Micros::MAX) };
                let next = next.since(clock::now());
                next.max(look.rest()).clamp(Duration::from_millis(1), TICK)
            }
            Some(_) | None => TICK,
        }
    }

    fn reap(&mut self) -> Result<(), QueueError> {
        while let Some((pid, how)) = process::reap().map_err(self.os("wait for a worker"))? {
            if self.asking == Some(pid) {
                self.asking = None;
                // Who cannot ask has said so, and the sink will tell.
                self.online =
                    how == Ended::Exited(Exit::Ok.code().into()) || how == Ended::Exited(Exit::Config.code().into());
                continue;
            }
            let name = &self.plan.name;
            if self.syncer.ended(pid, how) || self.adoption.ended(name, pid, how) || self.clerk.ended(name, pid, how) {
                continue;
            }
            let died = self.workers.ended(pid, how);
            if let Some(look) = &mut self.looked {
                look.stale |=
                    died || look.alive.contains(&pid) || self.plan.board.count(Counter::Claims) != look.claims;
            }
        }
        Ok(())
    }

    /// Writes the heartbeat: when the first worker works, once a second, and at the end of a run that had one. A run that
    /// finds nothing to do writes nothing.
    fn beat(&mut self, last: bool) {
        let first = !self.beaten && self.workers.alive() > 0;
        if if last { !self.beaten } else { !first && self.last_beat.elapsed() < SECOND } {
            return;
        }
        self.last_beat = Instant::now();
        self.beaten = true;
        let beat = Beat::of(&self.plan.board, self.workers.alive(), self.started, clock::now(), &host_name(), last);
        if let Ok(text) = serde_json::to_string(&beat) {
            // Without it only `status` knows less.
            let _ = self.queue.write_note("run.json", &(text + "\n"));
        }
    }

    /// Mail that is due for too long is said, unless the outage that keeps it is.
    fn say_overdue(&self) -> Result<(), QueueError> {
        let board = &self.plan.board;
        if self.plan.no_way_out.is_some() {
            // That was said.
        } else if !self.halted() {
            overdue::clear(self.queue);
        } else if board.is_offline() {
            overdue::say(self.queue, self.plan.policy.warn_after, &board.sink_why(), clock::now())?;
        } else if !board.sink_is_down() {
            overdue::say(self.queue, self.plan.policy.warn_after, "a run ended before its turn", clock::now())?;
        }
        Ok(())
    }

    /// The end of the shift: what was settled is synced, the sink's state is said, leftovers are swept.
    fn close(&mut self) -> Result<Exit, QueueError> {
        fault::instant("supervisor.closing");
        let safe = self.syncer.close();
        self.beat(true);
        fault::instant("supervisor.synced");
        let board = &self.plan.board;
        let mut exit = self.workers.worst.worst(self.adoption.worst);
        if self.workers.is_hopeless() {
            warning!("{}: {CRASHES_MAX} workers died, so this run ends; mail waits", self.plan.name);
        }
        if !safe {
            exit = exit.worst(Exit::IoErr);
        }
        if self.plan.no_way_out.is_some() {
            exit = exit.worst(Exit::Config);
        }
        if self.outage && !board.sink_is_down() {
            sink::forget_held(self.queue, self.plan.policy.retry.expire);
        }
        if board.sink_is_down() {
            if board.is_offline() && self.plan.verbose {
                warning!("{}: {}; mail waits", self.plan.name, board.sink_why());
            }
            self.note_outage();
            exit = exit.worst(Exit::TempFail);
        } else if self.outage && board.doubts().since().is_some() && board.count(Counter::Claims) > 0 && self.must_end()
        {
            // Told to end before anything was taken.
            exit = exit.worst(Exit::TempFail);
        } else if board.count(Counter::Delivered) > 0 {
            sink::is_up(self.queue);
        }
        if board.count(Counter::Faults) > 0 {
            exit = exit.worst(Exit::IoErr);
        }
        if self.queue.name() == notices::QUEUE && !self.signals.quit() {
            notices::sum_up(&self.queue)?;
        }
        self.say_overdue()?;
        let every = if self.told() { SWEEP_AT_LEAST_EVERY } else { SWEEP_EVERY };
        if !self.signals.quit() && self.queue.sweep_is_due(every) {
            self.queue.sweep(self.plan.policy.failed_keep, self.plan.policy.key_keep)?;
        }
        self.write_lists()?;
        exit = exit.worst(self.clerk.worst);
        // A run that ended because it cannot be found out reports that.
        self.queue.stopped()?;
        Ok(exit)
    }

    /// Somebody has handed mail in, and the lists that are there are new enough for him to come first.
    fn is_wanted(&self) -> bool {
        let called = self.queue.woken() != self.noted || self.adoption.seen != Some(self.queue.dropped().0);
        called && !self.must_end() && self.queue.has_fresh_lists()
    }

    /// The last lists of other users' mail, once everything else is done.
    fn write_lists(&mut self) -> Result<(), QueueError> {
        let mut until = None;
        let mut begun = false;
        while self.clerk.is_at_work() || (!begun && !self.signals.quit()) {
            if !self.clerk.is_at_work() {
                begun = true;
                until = self.clerk.close(self.plan, self.queue, self.signals);
                continue;
            }
            if self.signals.quit() || until.is_some_and(|until| Instant::now() >= until) || self.is_wanted() {
                self.clerk.end();
            }
            self.signals.wait(None, TICK).map_err(self.os("wait"))?;
            self.reap()?;
            self.beat(false);
        }
        self.beat(true);
        Ok(())
    }
}
