//! The syncs that a queue's supervisor makes, as its workers see them: numbered, in memory that they share. What a worker has
//! written before a sync begins is on disk when that sync has succeeded.
//!
//! Kept true: a sync counts as done only after it succeeded, and only from its beginning on. A supervisor that dies leaves one
//! that is never done, and nobody waits for one alone. Any sync of the file system that fails is noted, by whomever it is
//! made, and so is one whose outcome nobody knows: the kernel reports a failure once.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::shared;

const BEGUN: usize = 0;
const DONE: usize = 1;
const FAILED: usize = 2;
const WORDS: usize = 3;

/// How far the syncs of a queue are, in every process that is forked from now on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Syncs(&'static [AtomicU64]);

/// One sync that has begun.
#[derive(Clone, Copy, Debug)]
pub struct BegunSync(u64);

impl Syncs {
    pub fn new() -> io::Result<Syncs> {
        Ok(Syncs(shared::words(WORDS)?))
    }

    /// Notes that a sync begins.
    pub fn begin(self) -> BegunSync {
        BegunSync(self.0[BEGUN].fetch_add(1, Ordering::AcqRel) + 1)
    }

    /// Notes what came of it.
    pub fn end(self, sync: BegunSync, succeeded: bool) {
        self.0[if succeeded { DONE } else { FAILED }].fetch_max(sync.0, Ordering::AcqRel);
    }

    /// How many have begun: what is written by now is on disk when a later one is [done](Syncs::has_come).
    pub fn begun(self) -> u64 {
        self.0[BEGUN].load(Ordering::Acquire)
    }

    /// Whether a sync has succeeded that began after `begun` others, and none of those has failed.
    pub fn has_come(self, begun: u64) -> bool {
        !self.has_failed(begun) && self.0[DONE].load(Ordering::Acquire) > begun
    }

    /// Whether a sync has failed that may have been about what was written when `begun` had begun: pages may be clean now and
    /// not on disk.
    pub fn has_failed(self, begun: u64) -> bool {
        self.0[FAILED].load(Ordering::Acquire) >= begun.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_counts_for_what_was_written_before_it_began() {
        let syncs = Syncs::new().expect("memory");
        let early = syncs.begin();
        let written = syncs.begun();
        syncs.end(early, true);
        assert!(!syncs.has_come(written), "it may have begun before");
        let later = syncs.begin();
        assert!(!syncs.has_come(written));
        syncs.end(later, true);
        assert!(syncs.has_come(written) && !syncs.has_failed(written));
        let written = syncs.begun();
        let (bad, good) = (syncs.begin(), syncs.begin());
        syncs.end(bad, false);
        syncs.end(good, true);
        assert!(!syncs.has_come(written) && syncs.has_failed(written), "the kernel tells of a failure once");
        let written = syncs.begun();
        let next = syncs.begin();
        syncs.end(next, true);
        assert!(!syncs.has_failed(written + 1));
    }
}
