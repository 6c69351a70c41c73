//! The outage of a queue's sink, as its supervisor sees it: whether there is one, when a run that waits tries the sink
//! again, and what is said and noted of it at the end.

use std::time::{Duration, Instant};

use super::plan::Plan;
use super::sink;
use crate::model::Exit;
use crate::spool::SpoolQueue;
use crate::sys::clock;
use crate::sys::output::warning;
use crate::worker::board::Counter;

/// A sink that is down is tried again, by a run that waits for it, after so many times `probe_every`.
const RESTS: u32 = 30;
/// But never sooner than this.
const REST_MIN: Duration = Duration::from_millis(100);

/// What is known of it in one holding of the lock.
pub(super) struct Outage<'p, 'a> {
    plan: &'p Plan<'a>,
    queue: &'p SpoolQueue,
    /// The sink was down, as far as was known last.
    pub was: bool,
    /// When a run that waits for a sink tries it again.
    again_at: Option<Instant>,
}

impl<'p, 'a> Outage<'p, 'a> {
    pub fn new(plan: &'p Plan<'a>, queue: &'p SpoolQueue, was: bool) -> Outage<'p, 'a> {
        Outage { plan, queue, was, again_at: None }
    }

    /// Waits for a sink that is down; `true` when it is time to try it again.
    pub fn has_rested(&mut self) -> bool {
        match self.again_at {
            None => {
                self.note();
                self.again_at = Some(Instant::now() + (self.plan.policy.probe_every * RESTS).max(REST_MIN));
                false
            }
            Some(at) if Instant::now() >= at => {
                self.again_at = None;
                true
            }
            Some(_) => false,
        }
    }

    /// Notes that the sink is down, and says so if it is time to; being offline is none of its faults.
    fn note(&self) {
        let (board, expire) = (&self.plan.board, self.plan.policy.retry.expire);
        if !board.is_offline() {
            sink::is_down(self.queue, &board.sink_why(), board.doubts().ids(), expire, clock::now());
        }
    }

    /// Says and notes how the sink is at the end, where the run ends before its time if `cut_short`.
    pub fn close(&self, cut_short: &dyn Fn() -> bool) -> Exit {
        let board = &self.plan.board;
        if self.was && !board.sink_is_down() {
            sink::forget_held(self.queue, self.plan.policy.retry.expire);
        }
        if board.sink_is_down() {
            if board.is_offline() && self.plan.verbose {
                warning!("{}: {}; mail waits", self.plan.name, board.sink_why());
            }
            self.note();
            return Exit::TempFail;
        }
        if self.was && board.doubts().since().is_some() && board.count(Counter::Claims) > 0 && cut_short() {
            // Told to end before anything was taken.
            return Exit::TempFail;
        }
        if board.count(Counter::Delivered) > 0 {
            sink::is_up(self.queue);
        }
        Exit::Ok
    }
}
