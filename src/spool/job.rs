//! Publishing many entries that appear together: a folder is built and becomes visible by one rename. What is in it is a
//! [`batch`](super::batch)'s or a [`post`](super::post)'s.
//!
//! The order of steps, in `JobDraft::commit`:
//! 1. a folder in `tmp/`, locked, has `ready/<n>/` with the entry files, and gets `job.json`;
//! 2. one `syncfs` for all of them; if that fails the folder is thrown away;
//! 3. `renameat2(NOREPLACE)` to `jobs/<job>`;
//! 4. `jobs/` is synced: **this is the commit**. If it fails the folder is renamed back and thrown away; workers pass a
//!    locked job over, so none has taken anything of it;
//! 5. the lock is let go and `wake` is touched.
//!
//! A job whose id follows from a key is published under the key's lock, and only if it was not before: see
//! [`keys`](super::keys).
//!
//! So all of a job is visible or none of it, whatever is killed at whatever instant.

use std::fs::File;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::queue::SpoolQueue;
use crate::model::{EntryId, Micros};
use crate::sys::{clock, dir, durable, fault, lock};

/// The most entries in one folder of a job.
pub const FOLDER_MAX: u32 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Entries with a message each, which were submitted together.
    Batch,
    /// One message to many recipients.
    Post,
}

/// `job.json`: what is known of a job since it was submitted. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFile {
    pub v: u32,
    pub kind: Kind,
    pub entries: u64,
    /// When it was submitted.
    pub at: Micros,
    /// What a post has besides.
    #[serde(flatten)]
    pub post: Option<PostFile>,
}

/// What `job.json` says of a post.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostFile {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// "" is the null sender.
    pub sender: String,
    /// The real user id of who submitted it.
    pub uid: u32,
    pub recipients: u64,
    /// So many recipients has each entry but the last, which may have fewer.
    pub per_entry: u64,
    /// Recipients that were named again.
    pub duplicates: u64,
    /// Recipients that the suppression list has.
    pub suppressed: u64,
    /// Bytes of the message.
    pub bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_before: Option<Micros>,
}

impl JobFile {
    /// How many recipients entry `id` of this job has; 1 of a batch, which does not note it.
    pub fn recipients_of(&self, id: &EntryId) -> u64 {
        let Some(post) = &self.post else { return 1 };
        let last = post.recipients.saturating_sub(self.entries.saturating_sub(1).saturating_mul(post.per_entry));
        match id.number_in_job() {
            Some((n, k)) if u64::from(n) * u64::from(FOLDER_MAX) + u64::from(k) + 1 >= self.entries => last,
            Some(_) | None => post.per_entry,
        }
    }
}

/// A job's folder in `tmp/`, locked. Dropped without `JobDraft::commit`, nothing has happened.
#[derive(Debug)]
pub(super) struct JobDraft<'q> {
    pub queue: &'q SpoolQueue,
    pub id: EntryId,
    /// Its folder's name, which is nobody else's, whereas an id may follow from a key.
    pub tmp: String,
    /// Its top folder; `None` when it is none of ours to clean up any more.
    top: Option<File>,
}

impl<'q> JobDraft<'q> {
    pub fn new(queue: &'q SpoolQueue, id: EntryId) -> Result<JobDraft<'q>, SpoolError> {
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

    /// Makes the `n`-th folder of its entries.
    pub fn folder(&self, n: u32) -> Result<File, SpoolError> {
        let path = format!("{}/ready/{n}", self.tmp);
        let made = dir::make(&self.queue.dir, &path).and_then(|_| dir::open_at(&self.queue.dir, &path));
        made.map_err(self.queue.failed("make", &path))
    }

    /// Makes a file in its top folder.
    pub fn file(&self, name: &str) -> Result<File, SpoolError> {
        let path = format!("{}/{name}", self.tmp);
        dir::open_file(&self.queue.dir, &path, dir::Open::CreateNew).map_err(self.queue.failed("make", &path))
    }

    /// Publishes the job; see the module's head for the steps. One without entries vanishes.
    pub fn commit(mut self, about: &JobFile) -> Result<EntryId, SpoolError> {
        let (queue, id) = (self.queue, self.id.clone());
        let (tmp, job) = (self.tmp.clone(), format!("jobs/{id}"));
        // With `top` gone the drop below does nothing: from here each path cleans up by itself.
        let Some(top) = self.top.take() else { return Ok(id) };
        if about.entries == 0 {
            dir::remove_tree(&queue.dir, &tmp);
            return Ok(id);
        }
        let build = || -> io::Result<()> {
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

impl Drop for JobDraft<'_> {
    fn drop(&mut self) {
        if self.top.is_some() {
            dir::remove_tree(&self.queue.dir, &self.tmp);
        }
    }
}
