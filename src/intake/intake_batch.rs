//! Messages that are synced together: those of a batch are visible together or not at all, those in `drop/` one by one,
//! after all were written.

use std::io::BufRead;

use super::accept;
use super::refused::Failure;
use super::submission::Submission;
use crate::config::Limits;
use crate::model::EntryId;
use crate::queue::QueueError;
use crate::spool::drop::{DropDraft, DropFolder, LinkedFiles};
use crate::spool::job::batch;
use crate::spool::{Batch, SpoolQueue};
use crate::sys::process;

/// The most files for `drop/` open in one batch. Two batches are open at once, and the process needs a few files more.
const DROPPED_MAX: usize = 200;
const SPARE_FILES: usize = 40;

/// Messages on their way into one queue.
pub enum IntakeBatch<'w> {
    Batch(&'w SpoolQueue, Batch<'w>),
    Drop(&'w DropFolder, &'w str, Vec<DropDraft<'w>>),
}

impl IntakeBatch<'_> {
    pub fn len(&self) -> usize {
        match self {
            IntakeBatch::Batch(_, batch) => batch.len(),
            IntakeBatch::Drop(_, _, drafts) => drafts.len(),
        }
    }

    pub fn is_full(&self) -> bool {
        let most = match self {
            IntakeBatch::Batch(..) => batch::MAX as usize,
            IntakeBatch::Drop(..) => process::files_max().saturating_sub(SPARE_FILES).div_ceil(2).clamp(1, DROPPED_MAX),
        };
        self.len() >= most
    }

    /// Adds one message. It is queued when the batch is committed.
    pub fn add(&mut self, limits: &Limits, submission: Submission, input: &mut impl BufRead) -> Result<(), Failure> {
        match self {
            IntakeBatch::Batch(queue, batch) => {
                accept::to_batch(queue, batch, limits, submission, input)?;
            }
            IntakeBatch::Drop(folder, queue, drafts) => {
                let (draft, _) = accept::to_drop(folder, queue, limits, submission, input)?;
                drafts.push(draft);
            }
        }
        Ok(())
    }

    /// The id of the batch that comes after this one in the same submission.
    pub fn next_batch(&self) -> Option<EntryId> {
        match self {
            IntakeBatch::Batch(_, batch) => Some(batch.next_batch()),
            IntakeBatch::Drop(..) => None,
        }
    }

    /// Takes all of it back.
    pub fn abandon(self) {
        match self {
            IntakeBatch::Batch(_, batch) => drop(batch),
            IntakeBatch::Drop(_, _, drafts) => drafts.into_iter().for_each(DropDraft::discard),
        }
    }

    /// Makes it visible and safe. The id of a batch is returned.
    pub fn commit(self) -> Result<Option<EntryId>, QueueError> {
        match self {
            IntakeBatch::Batch(_, batch) => batch.commit().map(Some),
            IntakeBatch::Drop(_, _, drafts) => link_all(drafts).map(|()| None),
        }
    }
}

/// Links all of them, and waits until they are safe. Errors: none of them is, but for files that were adopted already.
fn link_all(drafts: Vec<DropDraft<'_>>) -> Result<(), QueueError> {
    let mut all: Option<LinkedFiles<'_>> = None;
    for draft in drafts {
        match (draft.link(), &mut all) {
            (Ok(handed), Some(before)) => before.add(handed),
            (Ok(handed), None) => all = Some(handed),
            (Err(error), _) => {
                all.into_iter().for_each(LinkedFiles::take_back);
                return Err(error);
            }
        }
    }
    all.map_or(Ok(()), |handed| handed.sync().map(|_| ()))
}
