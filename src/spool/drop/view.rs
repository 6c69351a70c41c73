//! `drop/` as the spool's owner sees it who looks and adopts nothing, be it a spool already or only its folder.
//!
//! What holds: nothing is opened but by [`DropView::open_file`], no link is followed, a name that vanishes meanwhile is
//! passed over, no queue is made, and memory does not grow with the number of names.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::adopter::{Dropped, Unfit};
use super::names::queue_of;
use super::{access, request};
use crate::model::reserved::DROP;
use crate::model::{EntryId, Format, Micros};
use crate::queue::QueueError;
use crate::spool::error::io_at;
use crate::spool::folders::UNKNOWN;
use crate::spool::names::EntryName;
use crate::spool::orphans::ORPHAN_AGE;
use crate::spool::queue::SpoolQueue;
use crate::spool::upgrade::Formatted;
use crate::sys::{clock, dir};

/// The drop folder of a spool.
#[derive(Debug)]
pub struct DropView {
    /// A queue in the place of `drop/` itself, which opens drop files as any other does. Nothing is written through it.
    eye: SpoolQueue,
}

/// A name in the drop folder, and what is known of it without opening it.
#[derive(Clone, Debug)]
pub struct DropFile {
    pub name: OsString,
    /// Its name begins so; `None` where that can be no queue's.
    pub queue: Option<String>,
    /// It is a regular file with no other name, as all that can be adopted.
    pub regular: bool,
    pub bytes: u64,
    /// When it last changed, by a clock that its owner cannot set.
    pub since: Micros,
    /// Its owner.
    pub uid: u32,
}

/// How much waits to be adopted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub files: u64,
    pub bytes: u64,
    /// Since when the oldest does.
    pub oldest: Option<Micros>,
}

impl Waiting {
    pub fn add(&mut self, file: &DropFile) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(file.bytes);
        self.oldest = Some(self.oldest.map_or(file.since, |oldest| oldest.min(file.since)));
    }
}

impl DropFile {
    /// Whether its name is one that `submit` gives: a queue, a dot, and an id or a time with one.
    pub fn is_well_formed(&self) -> bool {
        let unique = self.name.to_str().and_then(|name| name.split_once('.')).map(|(_, unique)| unique);
        unique.is_some_and(|unique| EntryName::parse(unique).is_some() || unique.parse::<EntryId>().is_ok())
    }

    /// Whether it asks for mail to be taken back, and is none.
    pub fn is_request(&self) -> bool {
        self.name.to_str().is_some_and(request::is_request)
    }
}

impl DropView {
    /// Opens the drop folder of the spool at `root`; `None` where there is none.
    ///
    /// Errors: somebody else's, which he alone may list.
    pub fn open(root: &Path) -> Result<Option<DropView>, QueueError> {
        let path = root.join(DROP);
        let failed = |error| io_at("open", path.clone())(error);
        let spool = match dir::open_path(root) {
            Ok(spool) => spool,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        match dir::stat(&spool, DROP).map_err(failed)? {
            Some(stat) if stat.st_mode & 0o170_000 == 0o040_000 => {}
            Some(_) | None => return Ok(None),
        }
        let folder = dir::open_at(&spool, DROP).map_err(|error| access::unlisted(&spool, root, error))?;
        let eye = SpoolQueue::unmade(path.clone(), folder).map_err(failed)?;
        Ok(Some(DropView { eye }))
    }

    /// Where a file of this name lies, for messages.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.eye.path("").join(name)
    }

    /// When a name came or went last.
    pub fn stamp(&self) -> Result<dir::Stamp, QueueError> {
        self.names()?.stamp().map_err(io_at("look at", self.path("")))
    }

    fn names(&self) -> Result<dir::Names, QueueError> {
        dir::Names::open(&self.eye.dir, ".").map_err(io_at("list", self.path("")))
    }

    /// What lies there, a buffer of names at a time.
    pub fn files(&self) -> Result<impl Iterator<Item = Result<DropFile, QueueError>>, QueueError> {
        let now = clock::now();
        Ok(self.names()?.raw().filter_map(move |name| match name {
            Ok(name) => self.look(name.name, now).transpose(),
            Err(error) => Some(Err(io_at("list", self.path(""))(error))),
        }))
    }

    /// Looks at a name; `None` if it is gone, or being written.
    fn look(&self, name: OsString, now: Micros) -> Result<Option<DropFile>, QueueError> {
        let stat = match dir::stat_raw(&self.eye.dir, Path::new(&name)) {
            Ok(Some(stat)) => stat,
            Ok(None) => return Ok(None),
            // A user may mount a file system of his own there.
            Err(_) => {
                let queue = name.to_str().and_then(|_| queue_of(&name)).map(str::to_owned);
                return Ok(Some(DropFile { queue, regular: false, bytes: 0, uid: UNKNOWN, since: now, name }));
            }
        };
        let micros = stat.st_ctime.saturating_mul(1_000_000).saturating_add(stat.st_ctime_nsec / 1_000);
        let since = Micros(u64::try_from(micros).unwrap_or(0));
        // Where the file system has no files without a name, one that is being written begins with a dot.
        if name.as_bytes().starts_with(b".") && now.since(since) < ORPHAN_AGE {
            return Ok(None);
        }
        Ok(Some(DropFile {
            queue: name.to_str().and_then(|_| queue_of(&name)).map(str::to_owned),
            regular: stat.st_mode & 0o170_000 == 0o100_000 && stat.st_nlink == 1,
            bytes: u64::try_from(stat.st_size).unwrap_or(0),
            uid: stat.st_uid,
            since,
            name,
        }))
    }

    /// Opens a file as its adopter would, see [`SpoolQueue::open_dropped`].
    pub fn open_file(&self, name: &OsStr, recipients: usize) -> Result<Option<Dropped>, Unfit> {
        self.eye.open_dropped(name, recipients)
    }

    /// Why a request cannot be done, if so.
    pub fn check_request(&self, name: &OsStr) -> Result<(), Unfit> {
        self.eye.open_request(name).map(|_| ())
    }
}

impl SpoolQueue {
    /// A queue at `path` that was never made, to look at what lies beside it.
    fn unmade(path: PathBuf, dir: File) -> io::Result<SpoolQueue> {
        let wake = dir.try_clone()?;
        Ok(SpoolQueue::of(DROP, path, dir, wake, Formatted::new(Format::Spool.number())))
    }
}
