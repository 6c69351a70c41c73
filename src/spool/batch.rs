//! Publishing many entries that appear together: a folder is built and becomes visible by one rename.
//!
//! The order of steps, in [`Batch::commit`]:
//! 1. `tmp/<job>/`, locked, gets `job.json` and `ready/0/` with the entry files;
//! 2. one `syncfs` for all of them; if that fails the folder is thrown away;
//! 3. `renameat2(NOREPLACE)` to `jobs/<job>`;
//! 4. `jobs/` is synced: **this is the commit**. If it fails the folder is renamed back and thrown away; workers pass a
//!    locked job over, so none has taken anything of it;
//! 5. the lock is let go and `wake` is touched.
//!
//! So all of a batch is visible or none of it, whatever is killed at whatever instant.

use std::fs::File;
use std::io::{self, Write};

use super::layout::{EntryName, SpoolQueue};
use super::publish::Content;
use super::{SpoolError, sweep};
use crate::model::{EntryId, Envelope, Micros};
use crate::sys::{clock, dir, durable, fault, lock};

/// The most entries of one batch.
pub const MAX: u32 = 1_000;

/// Entries being gathered. Dropped without [`Batch::commit`], nothing has happened.
#[derive(Debug)]
pub struct Batch<'q> {
    queue: &'q SpoolQueue,
    id: EntryId,
    /// The job's top folder in `tmp/`, locked.
    top: Option<File>,
    ready: File,
    count: u32,
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
    fn at(&self, error: io::Error) -> SpoolError {
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
    /// Starts a batch of at most [`MAX`] entries.
    pub fn batch(&self) -> Result<Batch<'_>, SpoolError> {
        let id = EntryId::new(clock::now());
        let tmp = format!("tmp/{id}");
        let start = || -> io::Result<(File, File)> {
            fault::point("batch.create")?;
            dir::make(&self.dir, &tmp)?;
            let top = dir::open_at(&self.dir, &tmp)?;
            if !lock::try_exclusive(&top)? {
                return Err(io::Error::other("somebody else has locked a new folder"));
            }
            dir::make(&top, "ready")?;
            dir::make(&top, "ready/0")?;
            dir::make(&top, "journal")?;
            dir::make(&top, "failed")?;
            let ready = dir::open_at(&top, "ready/0")?;
            Ok((top, ready))
        };
        let (top, ready) = start().map_err(self.failed("make a batch", &tmp))?;
        Ok(Batch { queue: self, id, top: Some(top), ready, count: 0 })
    }
}

impl Batch<'_> {
    pub fn id(&self) -> &EntryId {
        &self.id
    }

    /// The id that the next entry's envelope must have.
    pub fn next_id(&self) -> EntryId {
        self.id.of_job(0, self.count)
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

    /// Starts its next entry. The envelope's id must be [`Batch::next_id`].
    pub fn draft(&mut self, envelope: &Envelope, due: Micros) -> Result<BatchDraft<'_>, SpoolError> {
        if self.is_full() {
            return Err(SpoolError::BatchFull(MAX as usize));
        }
        let name = EntryName::new(due, envelope.id.clone()).to_string();
        let failed = Failed(self.queue, format!("tmp/{}", self.id));
        let start = || -> io::Result<Content<OwnedFile>> {
            fault::point("batch.entry")?;
            let file = dir::open_file(&self.ready, &name, dir::Open::CreateNew)?;
            Content::new(OwnedFile(file), envelope)
        };
        let content = Some(start().map_err(|error| failed.at(error))?);
        Ok(BatchDraft { count: &mut self.count, failed, ready: &self.ready, name, content })
    }

    /// Publishes the batch; see the module's head for the steps. An empty one vanishes.
    pub fn commit(mut self) -> Result<EntryId, SpoolError> {
        let (queue, id) = (self.queue, self.id.clone());
        let (tmp, job) = (format!("tmp/{id}"), format!("jobs/{id}"));
        // With `top` gone the drop below does nothing: from here each path cleans up by itself.
        let Some(top) = self.top.take() else { return Ok(id) };
        if self.count == 0 {
            sweep::remove_tree(&queue.dir, &tmp);
            return Ok(id);
        }
        let build = || -> io::Result<()> {
            let file = dir::open_file(&top, "job.json", dir::Open::CreateNew)?;
            let text = serde_json::json!({"v": 1, "kind": "batch", "entries": self.count, "at": clock::now()});
            (&file).write_all(format!("{text}\n").as_bytes())?;
            fault::point("batch.written")?;
            durable::sync_file_system(&top)?;
            fault::point("batch.synced")?;
            dir::rename_new(&queue.dir, &tmp, &job)
        };
        if let Err(error) = build() {
            sweep::remove_tree(&queue.dir, &tmp);
            return Err(queue.failed("publish a batch", &tmp)(error));
        }
        let commit = || {
            fault::point("batch.renamed")?;
            durable::sync_dir(&queue.dir, "jobs")?;
            fault::point("batch.committed")
        };
        if let Err(error) = commit() {
            if dir::rename_new(&queue.dir, &job, &tmp).is_ok() {
                sweep::remove_tree(&queue.dir, &tmp);
            }
            return Err(queue.failed("sync", "jobs")(error));
        }
        drop(top);
        fault::instant("batch.closed");
        let _ = queue.wake();
        Ok(id)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if self.top.is_some() {
            sweep::remove_tree(&self.queue.dir, &format!("tmp/{}", self.id));
        }
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
    pub fn finish(mut self) -> Result<(), SpoolError> {
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
