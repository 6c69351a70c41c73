//! What a killed process left in `tmp/`: a file or folder that can be locked and is old. Whoever writes there holds its
//! lock. It was never accepted, and is never adopted.

use std::fs::File;
use std::time::{Duration, SystemTime};

use super::queue::SpoolQueue;
use crate::queue::QueueError;
use crate::sys::{dir, lock};

/// How old something in `tmp/` must be before it counts as left behind.
pub const ORPHAN_AGE: Duration = Duration::from_secs(3_600);

/// Something in `tmp/` that nobody writes any more, locked by us.
pub(super) struct Orphan {
    pub path: String,
    pub is_dir: bool,
    /// Held until it is removed.
    _lock: File,
}

impl SpoolQueue {
    /// What lies in `tmp/` and belongs to nobody.
    pub(super) fn orphans(&self, older_than: Duration) -> Result<Vec<Orphan>, QueueError> {
        let failed = || self.failed("list", "tmp");
        let mut found = Vec::new();
        for name in self.names("tmp").map_err(failed())?.take(10_000) {
            let path = format!("tmp/{}", name.map_err(failed())?);
            if let Some(orphan) = self.orphan(path, older_than) {
                found.push(orphan);
            }
        }
        Ok(found)
    }

    fn orphan(&self, path: String, older_than: Duration) -> Option<Orphan> {
        let file = dir::open_file(&self.dir, &path, dir::Open::Read).ok()?;
        let meta = file.metadata().ok()?;
        let age = SystemTime::now().duration_since(meta.modified().ok()?).unwrap_or_default();
        let free = age >= older_than && lock::try_exclusive(&file).ok()?;
        free.then_some(Orphan { path, is_dir: meta.is_dir(), _lock: file })
    }

    pub(super) fn remove_orphan(&self, orphan: &Orphan) {
        if orphan.is_dir {
            dir::remove_tree(&self.dir, &orphan.path);
        } else {
            let _ = dir::unlink(&self.dir, &orphan.path);
        }
    }
}
