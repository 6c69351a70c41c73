//! The processes of one holding of a queue's lock: the workers, and the children that sync, adopt, write lists, notify senders
//! of merges and ask for the net. Each kind knows its own; this starts them together, waits for them and tells them to end.
//!
//! What holds: whoever waits for one of them takes note of each that ends, and of what it died of.

use std::io;
use std::time::Duration;

use super::adoption::Adoption;
use super::beat::Pulse;
use super::clerk::Clerk;
use super::look::Looks;
use super::online::Net;
use super::plan::Plan;
use super::syncer::Syncer;
use super::teller::Teller;
use super::workforce::Workforce;
use crate::queue::QueueError;
use crate::spool::{Spool, SpoolQueue};
use crate::sys::process::{self, Send};
use crate::sys::signals::Signals;
use crate::worker::board::Counter;

/// How often a supervisor looks at `wake` while a worker lives, and while it lingers.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Those who work under one lock.
pub(super) struct Staff<'p, 'a> {
    plan: &'p Plan<'a>,
    spool: &'p Spool,
    queue: &'p SpoolQueue,
    signals: &'p Signals,
    pub workers: Workforce<'p, 'a>,
    pub adoption: Adoption,
    pub clerk: Clerk,
    pub syncer: Syncer<'p, 'a>,
    pub teller: Teller,
    net: Net,
    pulse: Pulse,
}

impl<'p, 'a> Staff<'p, 'a> {
    /// Nobody works yet.
    pub fn new(plan: &'p Plan<'a>, spool: &'p Spool, queue: &'p SpoolQueue, signals: &'p Signals) -> Staff<'p, 'a> {
        Staff {
            plan,
            spool,
            queue,
            signals,
            workers: Workforce::new(plan, spool, queue),
            adoption: Adoption::default(),
            clerk: Clerk::new(),
            syncer: Syncer::new(plan, queue),
            teller: Teller::new(),
            net: Net::new(),
            pulse: Pulse::new(),
        }
    }

    /// Whether anybody works whose answer counts: the children that sync, adopt and notify have the lock, too.
    pub fn is_at_work(&self) -> bool {
        let helps = self.syncer.is_at_work() || self.adoption.is_at_work() || self.teller.is_at_work();
        self.workers.alive() > 0 || helps
    }

    /// Has adopted what other users handed in, and lists written for them, if it is time to.
    pub fn serve_users(&mut self) {
        self.adoption.look(self.plan, self.spool, self.queue, self.signals);
        self.clerk.look(self.plan, self.queue, self.signals, self.adoption.is_at_work());
    }

    /// Starts to notify the senders of merges, if it is time to.
    pub fn tell_senders(&mut self) {
        self.teller.look(self.plan, self.spool, self.queue);
    }

    /// Waits for the next event, `pause` at most, and takes note of those that ended.
    pub fn wait(&mut self, looks: &mut Looks<'_>, pause: Duration) -> Result<(), QueueError> {
        self.signals.wait(None, pause).map_err(self.os("wait"))?;
        while let Some((pid, how)) = process::reap().map_err(self.os("wait for a worker"))? {
            let name = &self.plan.name;
            if self.adoption.ended(name, pid, how) {
                // What was adopted may be due since before what waits in the rings.
                self.queue.look_again();
                continue;
            }
            let is_known = self.net.ended(pid, how) || self.syncer.ended(pid, how) || self.clerk.ended(name, pid, how);
            if !is_known && !self.teller.ended(name, pid, how) {
                let died = self.workers.ended(pid, how);
                looks.worker_ended(pid, died, self.plan.board.count(Counter::Claims));
            }
        }
        Ok(())
    }

    /// Passes on what we were told.
    pub fn pass_on(&mut self) {
        if self.signals.quit() {
            self.workers.tell(Send::Quit);
            self.adoption.end();
        } else if self.signals.terms() > 0 && !self.workers.was_told() {
            self.workers.tell(Send::Term);
            self.adoption.end();
        }
    }

    /// Ends who hangs, has synced what was settled, and writes the heartbeat.
    pub fn look_after(&mut self) {
        self.workers.end_hung();
        self.syncer.keep_safe();
        self.beat(false);
    }

    /// Writes the heartbeat, if it is time to or the last one.
    pub fn beat(&mut self, last: bool) {
        self.pulse.beat(self.queue, &self.plan.board, self.workers.alive(), last);
    }

    /// Whether this host is online, as far as it is known how to find out.
    pub fn is_online(&mut self, looks: &mut Looks<'_>) -> Result<bool, QueueError> {
        let Some(how) = self.plan.online else { return Ok(true) };
        self.net.ask(&self.plan.name, how).map_err(self.os("fork a process"))?;
        while self.net.is_asked() {
            if self.signals.stop_requested() || self.net.is_late() {
                self.net.give_up();
            }
            self.wait(looks, TICK)?;
            self.look_after();
        }
        Ok(self.net.is_there())
    }

    /// Forks `count` more workers.
    pub fn hire(&mut self, count: usize) -> Result<(), QueueError> {
        self.workers.hire(count)
    }

    /// Has everybody finish what is in hand, and waits for that.
    pub fn end(&mut self, looks: &mut Looks<'_>) -> Result<(), QueueError> {
        self.workers.tell(Send::Term);
        self.adoption.end();
        while self.is_at_work() {
            self.wait(looks, TICK)?;
            self.workers.end_hung();
        }
        Ok(())
    }

    fn os(&self, doing: &'static str) -> impl FnOnce(io::Error) -> QueueError + use<> {
        let path = self.queue.path("");
        move |source| QueueError::Io { doing, path, source }
    }
}
