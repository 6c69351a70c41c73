//! How long a look at the disk stays fresh: what was seen holds until the queue is woken, and for a moment at most.
//!
//! Kept true: whatever concerns workers ends with a call of [`SpoolQueue::wake`](super::SpoolQueue::wake), so a look that
//! holds has missed nothing that a command has done.

use std::time::{Duration, Instant};

use crate::sys::dir::Stamp;

/// How long a look holds at most: what a person does is seen by then, also where his command died before it woke the queue,
/// or he did it by hand.
const HOLDS: Duration = Duration::from_millis(500);

/// When something was looked at that changes with a call of [`SpoolQueue::wake`](super::SpoolQueue::wake).
#[derive(Clone, Copy, Debug)]
pub(super) struct Freshness {
    woken: Stamp,
    at: Instant,
}

impl Freshness {
    /// Taken now, after the queue was `woken`.
    pub fn new(woken: Stamp) -> Freshness {
        Freshness { woken, at: Instant::now() }
    }

    /// Whether what was seen still holds, as the queue was last `woken`. Where a file system keeps whole seconds alone, two
    /// calls may look like one, so there nothing does.
    pub fn holds(&self, woken: Stamp) -> bool {
        self.woken == woken && woken.is_fine() && self.at.elapsed() < HOLDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_holds_until_the_queue_is_woken() {
        let at = Stamp::new;
        // From a time that has not come, so that none passes.
        let freshness = Freshness { woken: at(5, 7), at: Instant::now() + Duration::from_secs(3_600) };
        assert!(freshness.holds(at(5, 7)));
        assert!(!freshness.holds(at(5, 8)) && !freshness.holds(at(6, 7)), "woken since");
        assert!(!Freshness { woken: at(5, 0), ..freshness }.holds(at(5, 0)), "a file system of whole seconds");
        let old = Freshness { at: Instant::now().checked_sub(HOLDS).expect("this host is up for longer"), ..freshness };
        assert!(!old.holds(at(5, 7)), "some time ago");
    }
}
