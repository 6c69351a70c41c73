//! Where an entry's files are reached from: its queue's folder, or its job's, which is held open.
//!
//! Kept true: what a claim's holder does goes through the folder that he opened, so it finds its files wherever the job
//! was moved to meanwhile. A held folder does not tell that it was moved: [`Home::job_was_moved`] does.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::freshness::Freshness;
use super::lock::Locked;
use super::open_job::OpenJob;
use super::queue::{SpoolQueue, make_folder};
use crate::model::EntryId;
use crate::queue::QueueError;
use crate::sys::mutex::locked;

#[derive(Debug)]
pub(super) struct Home<'q> {
    pub queue: &'q SpoolQueue,
    job: Option<Arc<OpenJob>>,
}

impl<'q> Home<'q> {
    /// The queue's own folder.
    pub fn top(queue: &'q SpoolQueue) -> Home<'q> {
        Home { queue, job: None }
    }

    /// The home of entry `id`. A job's folder stays open for the entry after it, until [`Home::job_was_moved`] returns true.
    ///
    /// Errors: `NotFound` if its job is not among the jobs at work.
    pub fn of(queue: &'q SpoolQueue, id: &EntryId) -> io::Result<Home<'q>> {
        let Some((job, _)) = id.job() else { return Ok(Home::top(queue)) };
        let mut last = locked(&queue.last_job);
        let same = |last: &&Arc<OpenJob>| last.path.strip_prefix("jobs/") == Some(job);
        if let Some(last) = last.as_ref().filter(same) {
            return Ok(Home { queue, job: Some(Arc::clone(last)) });
        }
        let freshness = Freshness::new(queue.woken());
        let job = Arc::new(OpenJob::open(&queue.dir, format!("jobs/{job}"), freshness)?);
        *last = Some(Arc::clone(&job));
        Ok(Home { queue, job: Some(job) })
    }

    /// The refusal of its entries, if a newer program made the job. `job.json` is read once, as long as the job stays open.
    pub fn newer_job(&self) -> Option<QueueError> {
        let job = self.job.as_ref()?;
        let path = self.queue.path(&format!("{}/job.json", job.path));
        job.newer().map(|newer| QueueError::Newer { path, newer: newer.clone() })
    }

    /// The job's folder, if it is that of one.
    pub fn job(&self) -> Option<Arc<OpenJob>> {
        self.job.clone()
    }

    pub fn job_here(&self) -> Option<&OpenJob> {
        self.job.as_deref()
    }

    pub fn dir(&self) -> &File {
        self.job.as_ref().map_or(&self.queue.dir, |job| &job.dir)
    }

    /// `path`, which is relative to the queue's folder, as one that is relative to this.
    pub fn inner<'p>(&self, path: &'p str) -> &'p str {
        self.job.as_ref().and_then(|job| job.inner(path)).unwrap_or(path)
    }

    /// Whether the job was paused or cancelled since this was opened: looked at again when the queue was woken since.
    pub fn job_was_moved(&self) -> bool {
        let Some(job) = &self.job else { return false };
        let woken = self.queue.woken();
        let mut seen = locked(&job.seen);
        if seen.holds(woken) {
            return false;
        }
        if self.is_in_place() {
            *seen = Freshness::new(woken);
            return false;
        }
        *locked(&self.queue.last_job) = None;
        true
    }

    /// Whether the job lies where it was opened, this very moment; an ended one does not.
    pub fn is_in_place(&self) -> bool {
        self.job.as_ref().is_none_or(|job| self.lies_at(&job.path))
    }

    /// Whether the folder `path` of the queue is the job's.
    pub fn lies_at(&self, path: &str) -> bool {
        self.job.as_ref().is_some_and(|job| job.lies_at(&self.queue.dir, path))
    }

    /// Makes a folder that is made on demand, durably.
    pub fn ensure_folder(&self, folder: &str) -> io::Result<()> {
        make_folder(self.dir(), self.inner(folder))
    }

    /// Opens and locks the file at `path`; `None` if it is not there or its name left it while we locked.
    pub fn lock_entry(&self, path: &str) -> Result<Option<Locked>, QueueError> {
        self.queue.lock_at(self.dir(), self.inner(path), path)
    }
}
