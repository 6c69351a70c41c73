//! A job's folder, held open: what is in it is found wherever the job was moved to meanwhile.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;

use super::freshness::Freshness;
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
}

impl OpenJob {
    /// Opens the folder `path` of the folder `queue`, which is looked at now.
    pub fn open(queue: &File, path: String, freshness: Freshness) -> io::Result<OpenJob> {
        let dir = dir::open_at(queue, &path)?;
        let about = dir.metadata()?;
        Ok(OpenJob { dir, identity: (about.dev(), about.ino()), path, seen: Mutex::new(freshness) })
    }

    /// `path`, which is relative to the queue's folder, as one that is relative to this; `None` if it lies elsewhere.
    pub fn inner<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.path.as_str()).and_then(|rest| rest.strip_prefix('/'))
    }

    /// Whether the folder `path` of the folder `queue` is this one.
    pub fn lies_at(&self, queue: &File, path: &str) -> bool {
        let named = dir::stat(queue, path).ok().flatten();
        named.is_some_and(|named| self.identity == (named.st_dev, named.st_ino))
    }
}
