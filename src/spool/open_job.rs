//! A job's folder, held open: what is in it is found wherever the job was moved to meanwhile.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, OnceLock};

use super::freshness::Freshness;
use super::job::newer::newer_in;
use super::merge::pacing::Pacing;
use crate::model::format::Newer;
use crate::sys::dir;

#[derive(Debug)]
pub(super) struct OpenJob {
    pub dir: File,
    /// Device and inode.
    identity: (u64, u64),
    /// Where it was opened, relative to the queue's folder.
    pub path: String,
    /// The last look whether it lies there.
    pub seen: Mutex<Freshness>,
    /// Why its entries are left alone, once that was asked. `job.json` never changes.
    newer: OnceLock<Option<Newer>>,
    /// A merge's window and rate, once they were asked for.
    pacing: OnceLock<Pacing>,
}

impl OpenJob {
    /// Opens the folder `path` of the folder `queue`, which is looked at now.
    pub fn open(queue: &File, path: String, freshness: Freshness) -> io::Result<OpenJob> {
        let dir = dir::open_at(queue, &path)?;
        let about = dir.metadata()?;
        Ok(OpenJob {
            dir,
            identity: (about.dev(), about.ino()),
            path,
            seen: Mutex::new(freshness),
            newer: OnceLock::new(),
            pacing: OnceLock::new(),
        })
    }

    /// `path`, which is relative to the queue's folder, as one that is relative to this; `None` if it lies elsewhere.
    pub fn inner<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.path.as_str()).and_then(|rest| rest.strip_prefix('/'))
    }

    /// Why the job is left as it is, if a newer program made it; `job.json` is read once.
    pub fn newer(&self) -> Option<&Newer> {
        self.newer.get_or_init(|| newer_in(&self.dir, "job.json")).as_ref()
    }

    /// When and how fast it is handed over, which is a merge; `job.json` is read once.
    pub fn pacing(&self) -> io::Result<&Pacing> {
        match self.pacing.get() {
            Some(pacing) => Ok(pacing),
            None => Pacing::of(&self.dir).map(|pacing| self.pacing.get_or_init(|| pacing)),
        }
    }

    /// Whether the folder `path` of the folder `queue` is this one.
    pub fn lies_at(&self, queue: &File, path: &str) -> bool {
        let named = dir::stat(queue, path).ok().flatten();
        named.is_some_and(|named| self.identity == (named.st_dev, named.st_ino))
    }
}
