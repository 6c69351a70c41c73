//! What entries that are gone leave behind: their journals, and heads of merges. Journals stay until the unlinks of those are durable: an entry that came back after a
//! power cut without its journal would be sent again.

use super::names::journal_path;
use super::queue::SpoolQueue;
use crate::model::EntryId;
use crate::queue::QueueError;
use crate::sys::mutex::locked;
use crate::sys::{dir, fault};

/// How many journals may wait for a sync before a worker makes one.
const UNTIDY_MAX: usize = 1_000;

impl SpoolQueue {
    /// Notes that entry `id` is gone, and has a journal.
    pub(super) fn leave_journal(&self, id: &EntryId) {
        locked(&self.untidy).push(journal_path(id).1);
    }

    /// Removes what settled entries leave behind, after making their removal durable.
    pub fn tidy(&self) -> Result<(), QueueError> {
        self.remove_waiting()?;
        let paths = std::mem::take(&mut *locked(&self.untidy));
        if paths.is_empty() {
            return Ok(());
        }
        // The unlinks must be durable first.
        fault::instant("tidy.begin");
        self.sync()?;
        fault::instant("tidy.synced");
        for path in paths {
            // What stays behind is closed, and the sweep takes it.
            let _ = dir::unlink(&self.dir, &path);
            fault::instant("tidy.unlinked");
        }
        Ok(())
    }

    /// The same, when many wait for it: memory does not grow with the number of entries.
    pub(super) fn tidy_if_many(&self) {
        if locked(&self.untidy).len() >= UNTIDY_MAX {
            // A failed sync leaves the journals for the sweep.
            let _ = self.tidy();
        }
    }
}
