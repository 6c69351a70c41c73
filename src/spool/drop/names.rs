//! The names in the drop folder: whose queue's a file is, and what its entry will be called.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use super::access;
use crate::model::EntryId;
use crate::model::reserved::DROP;
use crate::queue::QueueError;
use crate::spool::root::Spool;
use crate::sys::dir;

/// Whose run reports a name that begins with no queue's.
const REPORTER: &str = "outbound";

impl Spool {
    /// The names in the drop folder, read a buffer at a time; none where there is no such folder.
    pub fn drop_names(&self) -> Result<impl Iterator<Item = io::Result<OsString>> + use<>, QueueError> {
        names(&self.dir, DROP).map_err(|error| access::unlisted(&self.dir, self.root(), error))
    }
}

/// The names in `path`, as they are; none where it does not exist.
pub(super) fn names(at: &File, path: &str) -> io::Result<Box<dyn Iterator<Item = io::Result<OsString>>>> {
    match dir::Names::open(at, path) {
        Ok(names) => Ok(Box::new(names.raw().map(|name| name.map(|name| name.name)))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Box::new(std::iter::empty())),
        Err(error) => Err(error),
    }
}

/// Which queue a drop file's name is meant for. One that is not UTF-8 is meant for none, but somebody has to report it: the
/// queue that it begins with, or else the queue `outbound`.
pub fn queue_of(name: &OsStr) -> Option<&str> {
    let end = name.as_bytes().iter().position(|&b| b == b'.');
    let queue = end.and_then(|end| OsStr::from_bytes(&name.as_bytes()[..end]).to_str());
    match name.to_str() {
        Some(_) => queue.filter(|queue| !queue.is_empty()),
        None => queue.filter(|queue| !queue.is_empty()).or(Some(REPORTER)),
    }
}

/// What the entry of the drop file `name` is called: it follows from the file, or from the key that its user gave it. A key
/// is its user's own: nobody can use up another's. The name is part of it, for a file that is removed may leave its inode
/// to the next one within the same tick of the kernel's clock.
pub(super) fn adopted_id(meta: &Metadata, name: &str, claimed: &EntryId) -> EntryId {
    if claimed.counts_once() {
        return EntryId::of_key(&["drop key", &meta.uid().to_string(), claimed.as_str()]);
    }
    file_id(meta.dev(), meta.ino(), (meta.ctime(), meta.ctime_nsec()), name)
}

pub(super) fn file_id(device: u64, inode: u64, changed: (i64, i64), name: &str) -> EntryId {
    let parts = [device, inode, changed.0 as u64, changed.1 as u64].map(|part| part.to_string());
    EntryId::of_dropped(&[&parts[0], &parts[1], &parts[2], &parts[3], name])
}
