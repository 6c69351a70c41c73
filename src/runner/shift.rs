//! One holding of a queue's lock: decides how many workers are needed now, of as many as `headcount` allows; waits for more
//! mail while any of them lives; ends when nothing is due any more.
//!
//! What holds: nothing is handed over before the spool and the sink were proved.

use std::time::{Duration, Instant};

use super::look::Looks;
use super::newer;
use super::outage::Outage;
use super::overdue;
use super::plan::Plan;
use super::staff::{Staff, TICK};
use super::teller::tell_of_merges;
use super::workforce::CRASHES_MAX;
use crate::config;
use crate::model::Exit;
use crate::queue::QueueError;
use crate::spool::sweep::Keep;
use crate::spool::{Spool, SpoolQueue};
use crate::sys::output::warning;
use crate::sys::signals::Signals;
use crate::sys::{clock, fault};
use crate::transport;
use crate::worker::board::evidence::Since;
use crate::worker::board::judge::Judgement;
use crate::worker::board::{Counter, List};
use crate::worker::context::FAULTS_MAX;
use crate::worker::notifier;
use crate::worker::pace::Pace;

/// How often what was left behind is swept up.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// A run that is told to end leaves that to the next one, but for so long: where all end so, nothing else would be swept.
const SWEEP_AT_LEAST_EVERY: Duration = Duration::from_secs(86_400);

/// How long the first workers wait for the end of the adoption that began before them: mail in `drop/` may have been handed
/// in before other mail that is due. A flood there keeps nobody waiting for longer.
const ADOPTED_FIRST: Duration = Duration::from_secs(5);

/// How often the supervisor looks around while every worker that there may be lives: a worker's end interrupts the wait.
const LONG_TICK: Duration = Duration::from_millis(250);

/// One holding of the lock.
pub(super) struct Shift<'p, 'a> {
    plan: &'p Plan<'a>,
    spool: &'p Spool,
    queue: &'p SpoolQueue,
    signals: &'p Signals,
    looks: Looks<'p>,
    staff: Staff<'p, 'a>,
    began: Instant,
    /// The spool and the sink were proved, before anything was handed over.
    proved: bool,
    /// Since when nothing is due and no worker lives.
    idle_since: Option<Instant>,
    /// The doubt that the net was asked about last; the greatest number for a sink that is down.
    asked_about: Option<u64>,
    outage: Outage<'p, 'a>,
}

impl<'p, 'a> Shift<'p, 'a> {
    pub fn new(plan: &'p Plan<'a>, spool: &'p Spool, queue: &'p SpoolQueue, signals: &'p Signals) -> Shift<'p, 'a> {
        let mut staff = Staff::new(plan, spool, queue, signals);
        let was_down = staff.workers.take_note();
        Shift {
            plan,
            spool,
            queue,
            signals,
            looks: Looks::new(queue),
            staff,
            began: Instant::now(),
            proved: false,
            idle_since: None,
            asked_about: plan.board.doubts().since(),
            outage: Outage::new(plan, queue, was_down),
        }
    }

    pub fn told(&self) -> bool {
        self.signals.stop_requested()
    }

    /// Somebody woke us since the last look at the names, or put something into `drop/` since the last look there.
    pub fn has_unseen(&self) -> bool {
        self.looks.is_woken() || self.staff.adoption.has_unseen(self.queue)
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
            || self.staff.workers.is_hopeless()
            || self.plan.board.count(Counter::Faults) >= FAULTS_MAX
    }

    pub fn work(&mut self) -> Result<Exit, QueueError> {
        let worked = self.drain();
        if worked.is_err() {
            // Nobody reports before the workers.
            self.staff.end(&mut self.looks)?;
        }
        let closed = self.close();
        worked.and(closed)
    }

    fn drain(&mut self) -> Result<(), QueueError> {
        loop {
            if !self.told() {
                self.staff.serve_users();
                self.staff.tell_senders();
            }
            if !self.halted() && !self.is_full() && self.looks.is_due(self.is_alone()) && !self.waits_for_adoption() {
                self.look()?;
            }
            self.end_doubt();
            self.look_for_the_net()?;
            let over = !self.staff.is_at_work() && (self.halted() || self.is_over());
            if over && !self.outlasts() {
                return Ok(());
            }
            let pause = self.pause();
            self.staff.wait(&mut self.looks, pause)?;
            self.staff.pass_on();
            self.staff.look_after();
        }
    }

    /// Whether the first adoption goes on.
    fn waits_for_adoption(&self) -> bool {
        self.staff.adoption.is_at_work() && self.began.elapsed() < ADOPTED_FIRST
    }

    /// Where every worker waits for evidence there will be no more.
    fn end_doubt(&self) {
        let doubts = self.plan.board.doubts();
        let nothing_else = |since: &Since| self.staff.workers.all_wait(*since) && !self.looks.is_woken();
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
        if !self.staff.is_online(&mut self.looks)? {
            self.plan.board.go_offline();
        }
        Ok(())
    }

    /// A run that has a time of its own waits for a sink that is down, and tries it now and then.
    fn outlasts(&mut self) -> bool {
        let board = &self.plan.board;
        if !self.plan.patient || self.must_end() || !board.sink_is_down() {
            return false;
        }
        if self.outage.has_rested() {
            board.sink_may_be_up();
            self.outage.was = self.staff.workers.take_note();
            self.proved = false;
            self.looks.forget();
            self.asked_about = board.doubts().since();
        }
        true
    }

    /// Looks at the names, and forks workers for what is due.
    fn look(&mut self) -> Result<(), QueueError> {
        let claims = self.plan.board.count(Counter::Claims);
        // What is in hand is still due by its name, and so is what cannot be settled.
        let busy = self.staff.workers.busy() + self.plan.board.listed(List::Stuck);
        let (most, newer) = (self.plan.workers.saturating_add(busy), self.plan.board.newer());
        let due = self.looks.look(most, newer, claims, self.staff.workers.pids())?;
        if due <= busy {
            return Ok(());
        }
        if self.staff.workers.alive() == 0 && !self.staff.is_online(&mut self.looks)? {
            self.plan.board.go_offline();
        } else if self.prove()? {
            self.staff.hire(due - busy)?;
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
            self.staff.workers.pace = Pace::open(name, policy, way, || self.spool.pace())?;
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
        if self.looks.has_more() || self.has_unseen() {
            self.idle_since = None;
            return false;
        }
        self.idle_since.get_or_insert_with(Instant::now).elapsed() >= self.plan.policy.linger
    }

    fn is_alone(&self) -> bool {
        self.staff.workers.alive() == 0
    }

    /// Every worker that there may be lives, so a look would be in vain. In a doubt it is not: its end depends on what came.
    fn is_full(&self) -> bool {
        self.staff.workers.alive() >= self.plan.workers && self.plan.board.doubts().since().is_none()
    }

    /// How long to wait for the next event.
    fn pause(&self) -> Duration {
        match self.looks.pause(self.is_alone()) {
            Some(_) if self.is_full() && !self.told() => LONG_TICK,
            Some(pause) if !self.halted() && !self.waits_for_adoption() => pause.clamp(Duration::from_millis(1), TICK),
            Some(_) | None => TICK,
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
        let safe = self.staff.syncer.close();
        self.staff.beat(true);
        fault::instant("supervisor.synced");
        let board = &self.plan.board;
        let mut exit = self.staff.workers.worst.worst(self.staff.adoption.worst);
        if self.staff.workers.is_hopeless() {
            warning!("{}: {CRASHES_MAX} workers died, so this run ends; mail waits", self.plan.name);
        }
        if !safe {
            exit = exit.worst(Exit::IoErr);
        }
        if self.plan.no_way_out.is_some() {
            exit = exit.worst(Exit::Config);
        }
        exit = exit.worst(self.staff.teller.worst).worst(self.outage.close(&|| self.must_end()));
        if board.count(Counter::Faults) > 0 {
            exit = exit.worst(Exit::IoErr);
        }
        if self.queue.name() == notifier::QUEUE && !self.signals.quit() {
            notifier::sum_up(&self.queue)?;
        }
        if !self.signals.quit() {
            tell_of_merges(self.plan, self.spool, self.queue)?;
        }
        self.say_overdue()?;
        newer::say(self.queue, board.newer(), clock::now())?;
        self.queue.leave_hint();
        let every = if self.told() { SWEEP_AT_LEAST_EVERY } else { SWEEP_EVERY };
        if !self.signals.quit() && self.queue.sweep_is_due(every) {
            let config::Queue { failed_keep: failed, key_keep: keys, merge_keep: merges, .. } = self.plan.policy;
            self.queue.sweep(Keep { failed: *failed, keys: *keys, merges: *merges })?;
        }
        self.write_lists()?;
        exit = exit.worst(self.staff.clerk.worst);
        // A run that ended because it cannot be found out reports that.
        self.queue.stopped()?;
        Ok(exit)
    }

    /// Somebody has handed mail in, and the lists that are there are new enough for him to come first.
    fn is_wanted(&self) -> bool {
        self.has_unseen() && !self.must_end() && self.queue.has_fresh_lists()
    }

    /// The last lists of other users' mail, once everything else is done.
    fn write_lists(&mut self) -> Result<(), QueueError> {
        let mut until = None;
        let mut begun = false;
        while self.staff.clerk.is_at_work() || (!begun && !self.signals.quit()) {
            if !self.staff.clerk.is_at_work() {
                begun = true;
                until = self.staff.clerk.close(self.plan, self.queue, self.signals);
                continue;
            }
            if self.signals.quit() || until.is_some_and(|until| Instant::now() >= until) || self.is_wanted() {
                self.staff.clerk.end();
            }
            self.staff.wait(&mut self.looks, TICK)?;
            self.staff.beat(false);
        }
        self.staff.beat(true);
        Ok(())
    }
}
