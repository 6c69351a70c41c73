//! A batch: up to [`MAX`] entries, each with its message, that were submitted together and appear together, as a
//! [job](super).
//!
//! Kept true: the entries are due in the order in which they were added, and so are those of the batches of one submission
//! ([`Batch::next_batch`]). Where the clock was ahead and is set back meanwhile, what comes later does not wait for the time
//! that it had.

use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use super::FOLDER_MAX;
use super::draft::JobDraft;
use super::file::{JobFile, JobKind};
use crate::model::{EntryId, Envelope, Micros};
use crate::queue::QueueError;
use crate::spool::names::EntryName;
use crate::spool::publish::Content;
use crate::spool::queue::SpoolQueue;
use crate::sys::{clock, dir, fault};

/// The most entries of one batch.
pub const MAX: u32 = FOLDER_MAX;

/// Entries being gathered. Dropped without [`Batch::commit`], nothing has happened.
#[derive(Debug)]
pub struct Batch<'q> {
    draft: JobDraft<'q>,
    ready: File,
    count: u32,
    /// When the last entry is due.
    last: Micros,
}

/// One entry of a batch being written; it belongs to the batch once [`BatchDraft::finish`] returned.
#[derive(Debug)]
pub struct BatchDraft<'b> {
    count: &'b mut u32,
    failed: Failed<'b>,
    ready: &'b File,
    name: String,
    content: Option<Content<OwnedFile>>,
}

#[derive(Debug)]
struct Failed<'q>(&'q SpoolQueue, String);

impl Failed<'_> {
    fn at(&self, error: io::Error) -> QueueError {
        self.0.failed("write a batch", &self.1)(error)
    }
}

#[derive(Debug)]
struct OwnedFile(File);

impl AsRef<File> for OwnedFile {
    fn as_ref(&self) -> &File {
        &self.0
    }
}

impl SpoolQueue {
    /// Starts a batch of at most [`MAX`] entries, with the id that the batch before it gave, or a new one.
    pub fn batch(&self, id: Option<EntryId>) -> Result<Batch<'_>, QueueError> {
        let id = id.unwrap_or_else(|| EntryId::new(clock::now()));
        let last = id.born().unwrap_or_default();
        let draft = JobDraft::new(self, id)?;
        let ready = draft.folder(0)?;
        Ok(Batch { draft, ready, count: 0, last })
    }
}

impl Batch<'_> {
    pub fn id(&self) -> &EntryId {
        &self.draft.id
    }

    /// The id that the next entry's envelope must have.
    pub fn next_id(&self) -> EntryId {
        self.draft.id.of_job(0, self.count)
    }

    /// The id of the batch that comes after this one in the same submission.
    pub fn next_batch(&self) -> EntryId {
        let now = clock::now();
        let next = self.last.plus(Duration::from_micros(1));
        self.draft.id.after(if self.last > now { now } else { now.max(next) })
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn is_full(&self) -> bool {
        self.count >= MAX
    }

    /// Starts its next entry, due at `due` or, if that is not to come, with the entry before it. The envelope's id must be [`Batch::next_id`].
    pub fn draft(&mut self, envelope: &Envelope, due: Micros) -> Result<BatchDraft<'_>, QueueError> {
        if self.is_full() {
            return Err(QueueError::BatchFull(MAX as usize));
        }
        self.draft.queue.may_have(envelope)?;
        self.last = if self.last > clock::now() { due } else { self.last.max(due) };
        let name = EntryName::new(self.last, envelope.id.clone()).to_string();
        let failed = Failed(self.draft.queue, self.draft.tmp.clone());
        let start = || -> io::Result<Content<OwnedFile>> {
            fault::point("batch.entry")?;
            let file = dir::open_file(&self.ready, &name, dir::Open::CreateNew)?;
            Content::new(OwnedFile(file), envelope)
        };
        let content = Some(start().map_err(|error| failed.at(error))?);
        Ok(BatchDraft { count: &mut self.count, failed, ready: &self.ready, name, content })
    }

    /// Publishes the batch. An empty one vanishes.
    pub fn commit(self) -> Result<EntryId, QueueError> {
        let entries = u64::from(self.count);
        self.draft.commit(&JobFile::new(JobKind::Batch, entries, clock::now()))
    }
}

impl Write for BatchDraft<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(content) = &mut self.content {
            content.push(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BatchDraft<'_> {
    /// Makes the entry part of the batch.
    pub fn finish(mut self) -> Result<(), QueueError> {
        if let Some(mut content) = self.content.take() {
            if let Err(error) = content.complete() {
                let _ = dir::unlink(self.ready, &self.name);
                return Err(self.failed.at(error));
            }
            *self.count += 1;
        }
        Ok(())
    }
}

impl Drop for BatchDraft<'_> {
    fn drop(&mut self) {
        if self.content.is_some() {
            let _ = dir::unlink(self.ready, &self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Fields;
    use crate::model::envelope::Origin;
    use crate::spool::Spool;

    #[test]
    fn due_times_ascend_and_none_is_taken_over_from_a_clock_that_was_ahead() {
        let temp = tempfile::tempdir().expect("a folder");
        let queue = Spool::create(temp.path()).and_then(|spool| spool.queue("q")).expect("a queue");
        let mut batch = queue.batch(Some(EntryId::new(Micros(1)))).expect("a batch");
        let ahead = clock::now().plus(Duration::from_secs(3_600));
        let mut dues = Vec::new();
        for due in [Micros(7), Micros(5), Micros(9), ahead, Micros(8), Micros(6), Micros(9)] {
            let (submitted, verp) = (Micros(1), None);
            let origin = Origin { submitted, uid: 0, body: None, notify: None, ret: None, envid: None, verp };
            let recipients = vec!["r@x.org".parse().expect("an address")];
            let envelope =
                Envelope { id: batch.next_id(), sender: None, recipients, fields: Fields::default(), origin };
            let mut draft = batch.draft(&envelope, due).expect("a draft");
            draft.write_all(b"Subject: x\n\n").expect("written");
            draft.finish().expect("added");
            dues.push(batch.last);
        }
        assert_eq!(dues, [Micros(7), Micros(7), Micros(9), ahead, Micros(8), Micros(8), Micros(9)]);
        assert!(batch.next_batch().born().is_some_and(|born| born <= clock::now()));
        batch.last = ahead;
        assert!(batch.next_batch().born().is_some_and(|born| born <= clock::now()));
    }
}
