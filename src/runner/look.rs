//! A supervisor's looks at the names of its queue: what the last one saw, and when the next is due.
//!
//! What holds: `wake` is noted before each look, so whoever publishes after that is seen as one who woke us. While a worker
//! lives, looks cost at most a tenth of the time. The look after the last worker's end waits for nothing: it would wait
//! longest on a busy machine, whose looks take long.

use std::time::{Duration, Instant};

use crate::model::Micros;
use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::sys::clock;
use crate::sys::dir::Stamp;
use crate::worker::board::newer::NewerMade;

/// The looks of one holding of the lock.
pub(super) struct Looks<'q> {
    queue: &'q SpoolQueue,
    /// `wake` as it was before the last look.
    noted: Stamp,
    last: Option<Look>,
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
    /// How long no other look is taken, where `alone` is whether no worker lives.
    fn rest(&self, alone: bool) -> Duration {
        if alone && self.stale {
            return Duration::ZERO;
        }
        (self.took * 10).max(Duration::from_millis(5)).saturating_sub(self.at.elapsed())
    }

    /// Whether another look would find something, as far as this one can tell.
    fn has_more(&self) -> bool {
        self.stale || self.next.is_some_and(|next| next <= clock::now())
    }
}

impl<'q> Looks<'q> {
    pub fn new(queue: &'q SpoolQueue) -> Looks<'q> {
        Looks { queue, noted: Stamp::default(), last: None }
    }

    /// Somebody woke us since the last look.
    pub fn is_woken(&self) -> bool {
        self.queue.woken() != self.noted
    }

    /// Somebody woke us, an entry's time has come, or a worker ended; `alone` is whether no worker lives.
    pub fn is_due(&self, alone: bool) -> bool {
        let Some(look) = &self.last else { return true };
        look.rest(alone).is_zero() && (look.has_more() || self.is_woken())
    }

    /// Whether entries may be due, by the last look alone.
    pub fn has_more(&self) -> bool {
        self.last.as_ref().is_none_or(Look::has_more)
    }

    /// Counts what is due, up to `most`, but for what is `newer`; `claims` is how many claims there were, and `alive` names
    /// the workers that live.
    pub fn look(
        &mut self,
        most: usize,
        newer: NewerMade<'_>,
        claims: u64,
        alive: impl Iterator<Item = i32>,
    ) -> Result<usize, QueueError> {
        self.noted = self.queue.woken();
        let at = Instant::now();
        let glance = self.queue.glance(clock::now(), most as u64, &|id| newer.has(id))?;
        let due = usize::try_from(glance.due).unwrap_or(usize::MAX);
        let alive = if due > 0 { alive.collect() } else { Vec::new() };
        self.last = Some(Look { at, took: at.elapsed(), next: glance.next, claims, alive, stale: false });
        Ok(due)
    }

    /// Takes note of a worker's end, when there were so many `claims`.
    pub fn worker_ended(&mut self, pid: i32, died: bool, claims: u64) {
        if let Some(look) = &mut self.last {
            look.stale |= died || look.alive.contains(&pid) || claims != look.claims;
        }
    }

    /// The next look is due at once.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// How long until another look may be due; `None` before the first. `alone` is whether no worker lives.
    pub fn pause(&self, alone: bool) -> Option<Duration> {
        let look = self.last.as_ref()?;
        let next = if look.stale { clock::now() } else { look.next.unwrap_or(Micros::MAX) };
        Some(next.since(clock::now()).max(look.rest(alone)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_took_long_keeps_nobody_from_the_one_after_the_last_worker() {
        let look = |stale| Look {
            at: Instant::now(),
            took: Duration::from_secs(60),
            next: None,
            claims: 0,
            alive: Vec::new(),
            stale,
        };
        assert!(look(true).rest(true).is_zero());
        assert!(!look(true).rest(false).is_zero(), "a worker lives, and looks cost at most a tenth of the time");
        assert!(!look(false).rest(true).is_zero(), "no worker ended, so it would find the same again and again");
    }
}
