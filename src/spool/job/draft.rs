//! Publishing many entries that appear together: a folder is built and becomes visible by one rename. What is in it is a
//! [`batch`](super::batch)'s, a [`post`](super::post)'s or a [merge](crate::spool::merge::draft)'s.
//!
//! The order of steps, in `JobDraft::commit`:
//! 1. a folder in `tmp/`, locked, has `ready/<n>/` with the entry files, and gets `job.json`; each part is marked with
//!    their number (`untouched`);
//! 2. one `syncfs` for all of them; if that fails the folder is thrown away;
//! 3. `renameat2(NOREPLACE)` to `jobs/<job>`;
//! 4. `jobs/` is synced: **this is the commit**. If it fails the folder is renamed back and thrown away; workers pass a
//!    locked job over, so none has taken anything of it;
//! 5. the lock is let go and `wake` is touched.
//!
//! A job whose id follows from a key is published under the key's lock, and only if it was not before: see
//! [`keys`](crate::spool::keys).
//!
//! So all of a job is visible or none of it, whatever is killed at whatever instant.

use std::fs::File;
use std::io::{self, Write};

use super::file::JobFile;
use super::untouched::mark;
use crate::model::EntryId;
use crate::queue::QueueError;
use crate::spool::keys::Key;
use crate::spool::publish::Published;
use crate::spool::queue::SpoolQueue;
use crate::sys::{clock, dir, durable, fault, lock};

/// A job's folder in `tmp/`, locked. Dropped without `JobDraft::commit`, nothing has happened.
#[derive(Debug)]
pub(in crate::spool) struct JobDraft<'q> {
    pub queue: &'q SpoolQueue,
    pub id: EntryId,
    /// Its folder's name, which is nobody else's, whereas an id may follow from a key.
    pub tmp: String,
    /// Its top folder; `None` when it is none of ours to clean up any more.
    top: Option<File>,
}

impl<'q> JobDraft<'q> {
    pub fn new(queue: &'q SpoolQueue, id: EntryId) -> Result<JobDraft<'q>, QueueError> {
        let tmp = format!("tmp/{}", EntryId::new(clock::now()));
        let start = || -> io::Result<File> {
            fault::point("batch.create")?;
            dir::make(&queue.dir, &tmp)?;
            let top = dir::open_at(&queue.dir, &tmp)?;
            if !lock::try_exclusive(&top)? {
                return Err(io::Error::other("somebody else has locked a new folder"));
            }
            for folder in ["ready", "journal", "failed"] {
                dir::make(&top, folder)?;
            }
            Ok(top)
        };
        let top = start().map_err(queue.failed("make a job", &tmp))?;
        Ok(JobDraft { queue, id, tmp, top: Some(top) })
    }

    /// Its top folder, opened anew.
    pub fn top(&self) -> Result<File, QueueError> {
        dir::open_at(&self.queue.dir, &self.tmp).map_err(self.queue.failed("open", &self.tmp))
    }

    /// Makes the `n`-th folder of its entries.
    pub fn folder(&self, n: u32) -> Result<File, QueueError> {
        let path = format!("{}/ready/{n}", self.tmp);
        let made = dir::make(&self.queue.dir, &path).and_then(|_| dir::open_at(&self.queue.dir, &path));
        made.map_err(self.queue.failed("make", &path))
    }

    /// Makes a file in its top folder.
    pub fn file(&self, name: &str) -> Result<File, QueueError> {
        let path = format!("{}/{name}", self.tmp);
        dir::open_file(&self.queue.dir, &path, dir::Open::CreateNew).map_err(self.queue.failed("make", &path))
    }

    /// Publishes the job; see the module's head for the steps. One without entries vanishes.
    pub fn commit(mut self, about: &JobFile) -> Result<EntryId, QueueError> {
        let (queue, id) = (self.queue, self.id.clone());
        let (tmp, job) = (self.tmp.clone(), format!("jobs/{id}"));
        // With `top` gone the drop below does nothing: from here each path cleans up by itself.
        let Some(top) = self.top.take() else { return Ok(id) };
        if about.entries == 0 {
            dir::remove_tree(&queue.dir, &tmp);
            return Ok(id);
        }
        let build = || -> io::Result<()> {
            mark(&top, about.entries);
            let file = dir::open_file(&top, "job.json", dir::Open::CreateNew)?;
            (&file).write_all(format!("{}\n", serde_json::to_string(about)?).as_bytes())?;
            fault::point("batch.written")?;
            durable::sync_file_system(&top)?;
            fault::point("batch.synced")?;
            dir::rename_new(&queue.dir, &tmp, &job)
        };
        if let Err(error) = build() {
            dir::remove_tree(&queue.dir, &tmp);
            return Err(queue.failed("publish a job", &tmp)(error));
        }
        let commit = || {
            fault::point("batch.renamed")?;
            durable::sync_dir(&queue.dir, "jobs")?;
            fault::point("batch.committed")
        };
        if let Err(error) = commit() {
            if dir::rename_new(&queue.dir, &job, &tmp).is_ok() {
                dir::remove_tree(&queue.dir, &tmp);
            }
            return Err(queue.failed("sync", "jobs")(error));
        }
        drop(top);
        fault::instant("batch.closed");
        let _ = queue.wake();
        Ok(id)
    }
}

impl JobDraft<'_> {
    /// The same; a job whose id counts once vanishes if it was accepted before.
    pub fn commit_once(self, about: &JobFile) -> Result<Published, QueueError> {
        let (queue, id) = (self.queue, self.id.clone());
        if about.entries == 0 || !id.counts_once() {
            self.commit(about)?;
            return Ok(Published::New);
        }
        match queue.key(&id)? {
            Key::Marked => Ok(Published::Before),
            Key::Open(key) => {
                fault::point("key.locked").map_err(queue.failed("write a job", &self.tmp))?;
                self.commit(about)?;
                fault::instant("key.published");
                // The job is there, and tells as much; whoever removes it sets the mark first.
                let _ = key.mark();
                Ok(Published::New)
            }
        }
    }
}

impl Drop for JobDraft<'_> {
    fn drop(&mut self) {
        if self.top.is_some() {
            dir::remove_tree(&self.queue.dir, &self.tmp);
        }
    }
}
