//! Locks on files that have a name: a lock counts only while the name leads to what was locked.
//!
//! An entry's lock is the claim on it. It is taken in this order: open without following a link → lock without waiting →
//! **the name still leads to this inode**; otherwise the entry was settled between our open and our lock, and what we hold
//! is a file that has no name any more.
//!
//! The lock of another small file is held for as long as a publish takes, and is waited for.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;

use super::queue::SpoolQueue;
use crate::queue::QueueError;
use crate::sys::{dir, fault, lock};

/// What came of locking an entry's file.
#[derive(Debug)]
pub(super) enum Locked {
    /// The file and its size.
    Ours(File, u64),
    Contended,
    /// It is none that could be an entry.
    NoFile,
}

impl SpoolQueue {
    /// Opens and locks the file at `path`; `None` if it is not there or its name left it while we locked.
    pub(super) fn lock_entry(&self, path: &str) -> Result<Option<Locked>, QueueError> {
        self.lock_at(&self.dir, path, path)
    }

    /// The same for the file `inner` in `dir_fd`, which lies at `path`.
    pub(super) fn lock_at(&self, dir_fd: &File, inner: &str, path: &str) -> Result<Option<Locked>, QueueError> {
        let file = match dir::open_file(dir_fd, inner, dir::Open::ReadWrite) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // A link, a folder, a socket.
            Err(error)
                if matches!(
                    Errno::from_raw(error.raw_os_error().unwrap_or(0)),
                    Errno::ELOOP | Errno::EISDIR | Errno::ENXIO
                ) =>
            {
                return Ok(Some(Locked::NoFile));
            }
            Err(error) => return Err(self.failed("open", path)(error)),
        };
        fault::point("claim.opened").map_err(self.failed("lock", path))?;
        if !lock::try_exclusive(&file).map_err(self.failed("lock", path))? {
            return Ok(Some(Locked::Contended));
        }
        let ours = file.metadata().map_err(self.failed("look at", path))?;
        let named = dir::stat(dir_fd, inner).map_err(self.failed("look at", path))?;
        let same = named.is_some_and(|named| named.st_ino == ours.ino() && named.st_dev == ours.dev());
        Ok(if same && ours.nlink() > 0 { Some(Locked::Ours(file, ours.size())) } else { None })
    }

    /// Opens the file at `path` and locks it under this name; makes it and its folders where they are missing.
    pub(super) fn lock_named(&self, path: &str, how: dir::Open) -> io::Result<File> {
        loop {
            let file = self.open_made(path, how)?;
            lock::exclusive(&file)?;
            if self.is_named(&file, path)? {
                return Ok(file);
            }
        }
    }

    /// Whether `path` leads to this very file.
    pub(super) fn is_named(&self, file: &File, path: &str) -> io::Result<bool> {
        let (ours, named) = (file.metadata()?, dir::stat(&self.dir, path)?);
        Ok(named.is_some_and(|named| named.st_ino == ours.ino() && named.st_dev == ours.dev()))
    }
}
