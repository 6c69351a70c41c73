//! Where there is no journal at all: most entries that wait were never tried, and one look at a folder then replaces one for
//! each of them.
//!
//! Kept true: a folder is looked into once, and that after the names were read whose journals are asked for. An entry whose
//! first journal is made later is in hand by then; it is shown as its name was read. `check` asks from a folder's first name on, and leaves out the
//! journals that are made until it has the last. Nothing depends on this but listings and `check`.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use super::names::{BUCKETS, journal_path};
use super::queue::SpoolQueue;
use crate::model::EntryId;
use crate::sys::dir;
use crate::sys::mutex::locked;

const UNKNOWN: u8 = 0;
const SOME: u8 = 1;
const NONE: u8 = 2;

/// The journals of a queue, as far as it is known that there are none.
pub struct Journals<'q> {
    queue: &'q SpoolQueue,
    singles: Vec<AtomicU8>,
    /// Whether a job has any.
    jobs: Mutex<HashMap<String, bool>>,
}

impl<'q> Journals<'q> {
    /// Nothing is known yet.
    pub fn of(queue: &'q SpoolQueue) -> Journals<'q> {
        let singles = (0..BUCKETS).map(|_| AtomicU8::new(UNKNOWN)).collect();
        Journals { queue, singles, jobs: Mutex::default() }
    }

    /// Whether the entry `id` may have a journal, or a log.
    pub fn may_have(&self, id: &EntryId) -> bool {
        let Some((job, _)) = id.job() else {
            let Some(known) = self.singles.get(usize::from(id.bucket())) else { return true };
            if known.load(Relaxed) == UNKNOWN {
                known.store(if self.is_empty(id) { NONE } else { SOME }, Relaxed);
            }
            return known.load(Relaxed) != NONE;
        };
        let mut jobs = locked(&self.jobs);
        match jobs.get(job) {
            Some(some) => *some,
            None => {
                let is_merge = dir::stat(&self.queue.dir, &format!("jobs/{job}/log")).is_ok_and(|stat| stat.is_some());
                let some = is_merge || !self.is_empty(id);
                jobs.insert(job.to_owned(), some);
                some
            }
        }
    }

    /// Whether the folder of this journal has nothing in it. One that cannot be read has.
    fn is_empty(&self, id: &EntryId) -> bool {
        let (folder, _) = journal_path(id);
        self.queue.names(&folder).is_ok_and(|mut names| names.next().is_none())
    }
}
