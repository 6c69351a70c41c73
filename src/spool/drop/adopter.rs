//! The drop folder as its adopter sees it, under the queue's lock: names, files and requests, and their removal.
//!
//! Nothing is believed of a file but what it may say, and what was opened counts, not what the name led to before.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::names::{self, TICK, keyed_id, names, queue_of};
use super::request;
use crate::model::reserved::DROP;
use crate::model::{EntryId, Envelope, Micros};
use crate::queue::QueueError;
use crate::spool::entry;
use crate::spool::error::io_at;
use crate::spool::folders::{BESIDE, UNKNOWN};
use crate::spool::queue::SpoolQueue;
use crate::sys::{clock, dir, durable, fault, process};

/// When a drop folder that is not there last changed.
pub const NO_DROP: (i64, i64) = (0, 0);
/// When one that cannot be looked at last changed.
const UNKNOWN_DROP: (i64, i64) = (i64::MIN, 0);

/// A drop file as its adopter holds it: regular, with one name, and its owner known.
#[derive(Debug)]
pub struct Dropped {
    /// Its name in the drop folder.
    pub name: String,
    pub file: File,
    /// Its owner, who is the entry's user.
    pub uid: u32,
    /// When it last changed, by a clock that its owner cannot set.
    pub changed: (i64, i64),
    /// What it says. Only addresses, options and message are to be believed.
    pub envelope: Envelope,
    /// What its entry is called.
    pub id: EntryId,
    /// What a program before this would have called it, if it was named otherwise.
    pub id_before: Option<EntryId>,
    /// When it was handed in.
    pub since: Micros,
    /// The time that was asked for.
    pub at: Option<Micros>,
    /// Bytes of its message, which the file is positioned at.
    pub len: u64,
    /// Bytes of the file.
    pub size: u64,
}

/// A name in the drop folder that is meant for a queue, and what is known of it without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropName {
    pub name: OsString,
    /// The file's owner.
    pub uid: u32,
    pub device: u64,
    pub inode: u64,
    /// When it last changed, by a clock that its owner cannot set.
    pub changed: (i64, i64),
}

/// Why a drop file was not taken up, and when it last changed where that is known.
#[derive(Debug)]
pub struct Unfit {
    pub why: String,
    pub changed: (i64, i64),
    pub uid: Option<u32>,
}

fn unfit_of(meta: &Metadata, why: String) -> Unfit {
    Unfit { why, changed: (meta.ctime(), meta.ctime_nsec()), uid: Some(meta.uid()) }
}

/// Whether a part of the file's first `size` bytes was never written. Its position is lost.
fn has_holes(file: &File, size: u64) -> io::Result<bool> {
    use nix::unistd::{Whence, lseek};
    let first = match lseek(file, 0, Whence::SeekHole) {
        Ok(at) => u64::try_from(at).unwrap_or(0),
        // Nothing is there at all.
        Err(nix::errno::Errno::ENXIO) => 0,
        // A file system that knows no holes.
        Err(nix::errno::Errno::EINVAL) => size,
        Err(errno) => return Err(errno.into()),
    };
    Ok(first < size)
}

impl SpoolQueue {
    /// Where the drop folder lies, for messages.
    pub fn drop_path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path("").parent().unwrap_or(Path::new("/")).join(DROP).join(name)
    }

    /// When the drop folder last changed, as something to compare with ≠, and whether that is so long ago that the next
    /// change will differ from it.
    pub fn dropped(&self) -> ((i64, i64), bool) {
        match dir::stat(&self.dir, BESIDE) {
            Ok(Some(stat)) => {
                let at = stat.st_mtime.saturating_mul(1_000_000).saturating_add(stat.st_mtime_nsec / 1_000);
                let now = i64::try_from(clock::now().0).unwrap_or(i64::MAX);
                // A younger time may hide another change.
                let young = (0..TICK.as_micros() as i64).contains(&now.saturating_sub(at));
                ((stat.st_mtime, stat.st_mtime_nsec), !young)
            }
            Ok(None) => (NO_DROP, true),
            Err(_) => (UNKNOWN_DROP, true),
        }
    }

    /// The names in the drop folder that are meant for this queue, read a buffer at a time.
    pub fn drop_names(&self) -> Result<impl Iterator<Item = io::Result<OsString>> + use<>, QueueError> {
        let own = self.name().to_owned();
        let names = names(&self.dir, BESIDE).map_err(io_at("list", self.drop_path("")))?;
        Ok(names.filter(move |name| name.as_ref().is_ok_and(|name| queue_of(name) == Some(&own)) || name.is_err()))
    }

    /// Opens a file of the drop folder: a regular one, with no name elsewhere. No link is followed, and nobody waited for.
    fn open_plain(&self, name: &OsStr) -> Result<Option<(File, Metadata)>, Unfit> {
        let path = Path::new(BESIDE).join(name);
        let unknown = |error: io::Error| {
            let why = format!("it cannot be looked at: {error}; if something is mounted there, 'umount' it");
            Unfit { why, changed: (0, 0), uid: None }
        };
        let Some(stat) = dir::stat_raw(&self.dir, &path).map_err(unknown)? else { return Ok(None) };
        let changed = (stat.st_ctime, stat.st_ctime_nsec);
        let unfit = |why: &str| Unfit { why: why.to_owned(), changed, uid: Some(stat.st_uid) };
        let Some(path) = path.to_str() else { return Err(unfit("its name is not UTF-8, so it is no queue's")) };
        match stat.st_mode & 0o170_000 {
            0o100_000 => {}
            0o120_000 => return Err(unfit("it is a link")),
            _ => return Err(unfit("it is no regular file")),
        }
        let file = match dir::open_file(&self.dir, path, dir::Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unfit(&format!("it cannot be opened: {error}"))),
        };
        // What was opened counts, not what the name led to before.
        let meta = file.metadata().map_err(unknown)?;
        if !meta.is_file() {
            return Err(unfit_of(&meta, "it is no regular file".to_owned()));
        }
        if meta.nlink() != 1 {
            let why = format!("it has {} names, so another than its owner may have put it here", meta.nlink());
            return Err(unfit_of(&meta, why));
        }
        Ok(Some((file, meta)))
    }

    /// Reads a request: whose it is, and which entries he takes back.
    pub fn open_request(&self, name: &OsStr) -> Result<Option<(u32, Vec<EntryId>)>, Unfit> {
        let Some((file, meta)) = self.open_plain(name)? else { return Ok(None) };
        let ids = request::read(&file).map_err(|why| unfit_of(&meta, why))?;
        Ok(Some((meta.uid(), ids)))
    }

    /// Opens a drop file. Its head is read and its size is what the head says, with at most `recipients` of them.
    pub fn open_dropped(&self, name: &OsStr, recipients: usize) -> Result<Option<Dropped>, Unfit> {
        let Some((file, meta)) = self.open_plain(name)? else { return Ok(None) };
        let unfit = |why: String| unfit_of(&meta, why);
        let name = name.to_str().ok_or_else(|| unfit("its name is not UTF-8".to_owned()))?;
        let (envelope, extent) = entry::read_plain(io::Read::take(&file, entry::longest_head(recipients)))
            .map_err(|fault| unfit(fault.to_string()))?;
        let size = extent.start.saturating_add(extent.len);
        if size != meta.len() {
            return Err(unfit(format!("it has {} bytes, and its envelope says {size}", meta.len())));
        }
        if has_holes(&file, size).map_err(|error| unfit(error.to_string()))? {
            return Err(unfit("it has holes, so a copy would need space that its owner does not pay for".to_owned()));
        }
        io::Seek::seek(&mut &file, io::SeekFrom::Start(extent.start)).map_err(|error| unfit(error.to_string()))?;
        let linked = names::File::of(&meta, name);
        let (id, id_before) = match keyed_id(meta.uid(), &envelope.id) {
            Some(id) => (id, None),
            None => (linked.id(), Some(linked.id_before())),
        };
        let (at, since, changed) = (linked.at(), linked.handed_in(), linked.changed);
        let (name, uid, len) = (name.to_owned(), meta.uid(), extent.len);
        Ok(Some(Dropped { name, uid, changed, envelope, id, id_before, since, at, len, size, file }))
    }

    /// Shows `each` what the drop folder holds for this queue. A name that vanishes meanwhile is passed over.
    pub fn each_dropped(&self, each: &mut dyn FnMut(DropName)) -> Result<(), QueueError> {
        for name in self.drop_names()? {
            let name = name.map_err(io_at("list", self.drop_path("")))?;
            let path = Path::new(BESIDE).join(&name);
            match dir::stat_raw(&self.dir, &path) {
                Ok(Some(stat)) => {
                    let changed = (stat.st_ctime, stat.st_ctime_nsec);
                    each(DropName { name, uid: stat.st_uid, device: stat.st_dev, inode: stat.st_ino, changed });
                }
                Ok(None) => {}
                // A user may mount a file system of his own there: that keeps nobody else from anything.
                Err(_) => each(DropName { name, uid: UNKNOWN, device: 0, inode: 0, changed: (0, 0) }),
            }
        }
        Ok(())
    }

    /// Whether what was adopted can be removed from the drop folder by this process: else it would be adopted for ever.
    pub fn may_undrop(&self) -> Result<(), QueueError> {
        let failed = |error| io_at("remove what was adopted from", self.drop_path(""))(error);
        let owner = dir::stat(&self.dir, BESIDE).map_err(failed)?.map(|stat| stat.st_uid);
        let may = process::is_root() || owner.is_none_or(|owner| owner == process::effective_uid());
        if may { Ok(()) } else { Err(failed(io::ErrorKind::PermissionDenied.into())) }
    }

    /// The user's files that would become one of these entries, and which. Those whose user gave them a key have to be
    /// opened for that, with at most `recipients` of them.
    pub fn dropped_as(
        &self,
        uid: u32,
        ids: &HashSet<EntryId>,
        recipients: usize,
    ) -> Result<Vec<(DropName, EntryId)>, QueueError> {
        let keyed = ids.iter().any(|id| id.counts_once() && !id.is_adopted());
        let mut found = Vec::new();
        self.each_dropped(&mut |file| {
            let Some(name) = file.name.to_str().filter(|_| file.uid == uid) else { return };
            let linked = names::File { device: file.device, inode: file.inode, changed: file.changed, name };
            let mut id = [linked.id(), linked.id_before()].into_iter().find(|id| ids.contains(id));
            if id.is_none() && keyed {
                id = self.open_dropped(&file.name, recipients).ok().flatten().map(|dropped| dropped.id);
            }
            found.extend(id.filter(|id| ids.contains(id)).map(|id| (file, id)));
        })?;
        Ok(found)
    }

    /// Waits until the files that were removed from the drop folder would stay away after a power cut; then the keys of
    /// `adopted`, which were among them, are of no more use and are removed.
    pub fn forget_dropped(&self, adopted: &mut Vec<EntryId>) -> Result<(), QueueError> {
        if !adopted.is_empty() {
            durable::sync_dir(&self.dir, BESIDE).map_err(io_at("sync", self.drop_path("")))?;
            fault::instant("adopt.synced");
            adopted.drain(..).for_each(|id| self.drop_key_of(&id));
        }
        Ok(())
    }

    /// Removes a drop file that was adopted; `false` if its owner has put something else in its place, which stays.
    pub fn undrop(&self, name: &OsStr) -> Result<bool, QueueError> {
        match dir::unlink_raw(&self.dir, &Path::new(BESIDE).join(name)) {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => Ok(true),
                io::ErrorKind::IsADirectory | io::ErrorKind::ResourceBusy => Ok(false),
                _ => Err(io_at("remove", self.drop_path(name))(error)),
            },
        }
    }
}
