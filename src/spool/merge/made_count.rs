//! How many mails of a merge were made, and how many could not be: the word `JOB/rendered`, which all workers of all runs share.
//!
//! What holds: with ten failures and more than one in a hundred exactly one worker is told, and the count begins anew; so
//! each resumption of the job begins anew, too. The word is no truth about a row. Where it cannot be kept, as on a full disk
//! or after a power cut, the count begins at 0.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::shared::{self, Word};

/// In the job's folder.
const NAME: &str = "rendered";
/// The failures stand above this many bits of the word, the total below.
const TOTAL_BITS: u32 = 40;

/// A job's count.
#[derive(Debug)]
pub enum MadeCount {
    Shared(Word),
    /// There is no file.
    Alone(AtomicU64),
}

impl MadeCount {
    /// That of the job in the folder `job`.
    pub fn open(job: &File) -> MadeCount {
        shared::in_file(job, NAME).map_or_else(|_| MadeCount::Alone(AtomicU64::default()), MadeCount::Shared)
    }

    fn word(&self) -> &AtomicU64 {
        match self {
            MadeCount::Shared(word) => word,
            MadeCount::Alone(word) => word,
        }
    }

    /// Counts a mail that was made.
    pub fn made(&self) {
        self.word().fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one that could not be. Returns the failures and the total once the template or the data must be at fault.
    pub fn failed(&self) -> Option<(u64, u64)> {
        let mut seen = self.word().load(Ordering::Relaxed);
        loop {
            let (failed, total) = ((seen >> TOTAL_BITS) + 1, (seen & ((1 << TOTAL_BITS) - 1)) + 1);
            let is_too_much = failed >= 10 && failed * 100 > total;
            let next = if is_too_much { 0 } else { (failed << TOTAL_BITS) | total };
            match self.word().compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return is_too_much.then_some((failed, total)),
                Err(now) => seen = now,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::dir;

    #[test]
    fn ten_and_more_than_one_in_a_hundred_are_too_much() {
        let temp = tempfile::tempdir().expect("a folder");
        let job = || dir::open(temp.path()).expect("a folder");
        // As two workers have it.
        let (one, other) = (MadeCount::open(&job()), MadeCount::open(&job()));
        for _ in 0..2 {
            for n in 0..9 {
                assert_eq!([&one, &other][n % 2].failed(), None);
            }
            assert_eq!(other.failed(), Some((10, 10)), "and the count begins anew");
        }
        (0..990).for_each(|_| one.made());
        (0..10).for_each(|n| assert_eq!(one.failed(), None, "{n}: one in a hundred"));
        assert_eq!(other.failed(), Some((11, 1_001)));
    }

    #[test]
    fn one_of_many_is_told() {
        let temp = tempfile::tempdir().expect("a folder");
        let job = dir::open(temp.path()).expect("a folder");
        let told: usize = std::thread::scope(|scope| {
            let count = || (0..5_000).filter(|_| MadeCount::open(&job).failed().is_some()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().expect("it counts")).sum()
        });
        assert_eq!(told, 2_000);
    }

    #[test]
    fn without_its_file_a_worker_counts_alone() {
        let temp = tempfile::tempdir().expect("a folder");
        let job = dir::open(temp.path()).expect("a folder");
        drop(temp);
        let count = MadeCount::open(&job);
        assert!((0..9).all(|_| count.failed().is_none()) && count.failed().is_some());
    }
}
