//! `drop/`: where users who may not write in the spool hand mail in, with no set-id bit anywhere.
//!
//! The folder has mode 3733 and belongs to the spool's owner: anybody may put a file there, only the spool's owner may
//! list them, and only he and its writer may remove one. A drop file is `<queue>.<unique>`, or `<queue>.<due>@<unique>`
//! where its user asked for a time, and looks like an entry; its writer makes it without a name, gives it mode 0640 (the
//! folder's group is the service's), links it and syncs.
//!
//! The queue's supervisor adopts it under the queue's lock (`intake::adopt`): **copied**, because its writer can go on
//! changing it or lock it, under an id that follows from the file and counts once, so that a kill between the copy and
//! the unlink queues nothing twice. Nothing in the file is believed but sender, recipients, message and the options that
//! `sendmail` has: the user is the file's owner, as the kernel says.
//!
//! Kept true by [`SpoolQueue::open_dropped`]: no link is followed, no FIFO is waited for, and a file with a second name
//! (which its owner may not have put there) is not taken.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::layout::{EntryName, Spool, SpoolQueue, io_at};
use super::publish::Content;
use super::{SpoolError, access, entry, request};
use crate::model::{EntryId, Envelope, Micros};
use crate::sys::durable::Unnamed;
use crate::sys::{clock, dir, durable, fault, process};

/// The folder's name in the spool.
pub(super) const DROP: &str = "drop";
/// Sticky, its group inherited, and open to all for everything but listing.
pub const MODE: u32 = 0o3733;
/// A spool with a drop folder lets others through, but not look.
pub(super) const ROOT_MODE: u32 = 0o711;
/// Whose run reports a name that begins with no queue's.
const REPORTER: &str = "outbound";
/// File times of the kernel are this coarse at most, in microseconds: a younger one may hide another change.
const TICK: u64 = 20_000;

/// The drop folder as one sees it who may only write there.
#[derive(Debug)]
pub struct DropFolder {
    root: PathBuf,
    pub(super) dir: File,
}

impl DropFolder {
    /// The way into the spool at `root` for a user who does not own it; `None` for its owner, who needs none, for root
    /// where there is no such folder, and where there is no spool. `is_hosts` says whose command makes a folder.
    ///
    /// Errors: others cannot hand mail in there yet, or its modes and owners keep them from it.
    pub fn open(root: &Path, is_hosts: bool) -> Result<Option<DropFolder>, SpoolError> {
        let failed = |error| io_at("open the spool", root.to_owned())(error);
        let dir = match dir::open_path(root) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let ours = dir.metadata().map_err(failed)?.uid() == process::effective_uid();
        if ours || (process::is_root() && !is_drop(&dir).map_err(failed)?) {
            return Ok(None);
        }
        if !process::is_root() {
            access::refuse(&dir, root, is_hosts)?;
        }
        Ok(Some(DropFolder { root: root.to_owned(), dir }))
    }

    /// Bytes that an unprivileged user may still write there.
    pub fn free_space(&self) -> Result<u64, SpoolError> {
        let path = self.root.join(DROP);
        fs2::available_space(&path).map_err(io_at("ask for the free space", path))
    }

    /// Starts a drop file for the queue `queue`, due at once or `at` a time. Nothing is visible until [`DropDraft::link`].
    pub fn draft(&self, queue: &str, at: Option<Micros>, envelope: &Envelope) -> Result<DropDraft<'_>, SpoolError> {
        let start = || -> io::Result<Content<Unnamed>> {
            fault::point("drop.create")?;
            let file = Unnamed::create(&self.dir, DROP, &format!(".{}", envelope.id))?;
            Content::new(file, envelope)
        };
        let content = start().map_err(self.failed("write a new entry"))?;
        // A name of its own: the id of a key is that of each file with this key.
        let unique = EntryId::new(clock::now());
        let name = match at {
            Some(due) => format!("{DROP}/{queue}.{}", EntryName { due, at: true, id: unique }),
            None => format!("{DROP}/{queue}.{unique}"),
        };
        Ok(DropDraft { folder: self, name, id: envelope.id.clone(), content })
    }

    /// A file without a name, for what does not become a drop file as it is.
    pub fn scratch(&self) -> Result<File, SpoolError> {
        let name = format!(".{}", EntryId::new(clock::now()));
        let make = || Unnamed::create(&self.dir, DROP, &name)?.nameless(&self.dir);
        make().map_err(self.failed("write a new entry"))
    }

    pub fn failed(&self, doing: &'static str) -> impl FnOnce(io::Error) -> SpoolError + use<> {
        io_at(doing, self.root.join(DROP))
    }

    pub(super) fn unlink(&self, name: &str) {
        // The supervisor may have adopted it already.
        let _ = dir::unlink(&self.dir, name);
    }
}

/// A drop file being written. Dropped without [`DropDraft::link`], nothing has happened.
#[derive(Debug)]
pub struct DropDraft<'d> {
    folder: &'d DropFolder,
    name: String,
    id: EntryId,
    content: Content<Unnamed>,
}

impl Write for DropDraft<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.content.push(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'d> DropDraft<'d> {
    /// Writes what is pending. Nobody sees the file before [`DropDraft::link`].
    pub fn finish(&mut self) -> Result<(), SpoolError> {
        let readable = |content: &mut Content<Unnamed>| -> io::Result<()> {
            content.complete()?;
            fault::point("drop.written")?;
            content.file.file().set_permissions(PermissionsExt::from_mode(0o640))
        };
        readable(&mut self.content).map_err(self.folder.failed("write a new entry"))
    }

    /// Gives the finished file its name: from here on it may be adopted, and is accepted once [`Handed::sync`] has returned.
    pub fn link(self) -> Result<Handed<'d>, SpoolError> {
        let folder = self.folder;
        let file = self.content.file.link(&folder.dir, &self.name).map_err(folder.failed("link a new entry"))?;
        fault::instant("drop.linked");
        let meta = file.metadata().map_err(folder.failed("look at a new entry"))?;
        let own_name = self.name.strip_prefix("drop/").unwrap_or(&self.name);
        Ok(Handed { folder, id: adopted_id(&meta, own_name, &self.id), names: vec![self.name], file })
    }

    /// Throws the file away.
    pub fn discard(self) {
        self.content.file.discard(&self.folder.dir);
    }
}

/// One or more drop files that have their names.
#[derive(Debug)]
pub struct Handed<'d> {
    folder: &'d DropFolder,
    names: Vec<String>,
    /// The first of them.
    file: File,
    /// What the first one's entry will be called.
    pub id: EntryId,
}

impl Handed<'_> {
    /// Takes a later one along.
    pub fn add(&mut self, later: Handed<'_>) {
        self.names.extend(later.names);
    }

    /// Waits until all of them would survive a power cut.
    ///
    /// Errors: they may not, and the names were taken back, but for files that were adopted already.
    pub fn sync(self) -> Result<EntryId, SpoolError> {
        let synced = fault::point("drop.sync").and_then(|()| durable::sync_file_system(&self.file));
        if let Err(error) = synced {
            let failed = self.folder.failed("sync")(error);
            self.take_back();
            return Err(failed);
        }
        Ok(self.id)
    }

    /// Removes them again, but for files that were adopted already.
    pub fn take_back(self) {
        self.names.iter().for_each(|name| self.folder.unlink(name));
    }
}

/// What the entry of the drop file `name` is called: it follows from the file, or from the key that its user gave it. A key
/// is its user's own: nobody can use up another's. The name is part of it, for a file that is removed may leave its inode
/// to the next one within the same tick of the kernel's clock.
fn adopted_id(meta: &Metadata, name: &str, claimed: &EntryId) -> EntryId {
    if claimed.counts_once() {
        return EntryId::of_key(&["drop key", &meta.uid().to_string(), claimed.as_str()]);
    }
    file_id(meta.dev(), meta.ino(), (meta.ctime(), meta.ctime_nsec()), name)
}

fn file_id(device: u64, inode: u64, changed: (i64, i64), name: &str) -> EntryId {
    let parts = [device, inode, changed.0 as u64, changed.1 as u64].map(|part| part.to_string());
    EntryId::of_dropped(&[&parts[0], &parts[1], &parts[2], &parts[3], name])
}

fn is_drop(root: &File) -> io::Result<bool> {
    Ok(dir::stat(root, DROP)?.is_some_and(|stat| stat.st_mode & 0o170_000 == 0o040_000))
}

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

impl Spool {
    /// The names in the drop folder, read a buffer at a time; none where there is no such folder.
    pub fn drop_names(&self) -> Result<impl Iterator<Item = io::Result<OsString>> + use<>, SpoolError> {
        names(&self.dir, DROP).map_err(|error| access::unlisted(&self.dir, self.root(), error))
    }
}

/// Whether there is a drop folder in `root`, be it a spool already or not.
pub fn is_there(root: &Path) -> bool {
    dir::open_path(root).and_then(|dir| is_drop(&dir)).unwrap_or(false)
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

/// The names in `path`, as they are; none where it does not exist.
fn names(at: &File, path: &str) -> io::Result<Box<dyn Iterator<Item = io::Result<OsString>>>> {
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

impl SpoolQueue {
    /// Where the drop folder lies, for messages.
    pub fn drop_path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path("").parent().unwrap_or(Path::new("/")).join(DROP).join(name)
    }

    /// When the drop folder last changed, as something to compare with ≠, and whether that is so long ago that the next
    /// change will differ from it.
    pub fn dropped(&self) -> ((i64, i64), bool) {
        match dir::stat(&self.dir, "../drop") {
            Ok(Some(stat)) => {
                let at = stat.st_mtime.saturating_mul(1_000_000).saturating_add(stat.st_mtime_nsec / 1_000);
                let now = i64::try_from(clock::now().0).unwrap_or(i64::MAX);
                ((stat.st_mtime, stat.st_mtime_nsec), !(0..TICK as i64).contains(&now.saturating_sub(at)))
            }
            Ok(None) | Err(_) => ((0, 0), true),
        }
    }

    /// The names in the drop folder that are meant for this queue, read a buffer at a time.
    pub fn drop_names(&self) -> Result<impl Iterator<Item = io::Result<OsString>> + use<>, SpoolError> {
        let own = self.name().to_owned();
        let names = names(&self.dir, "../drop").map_err(io_at("list", self.drop_path("")))?;
        Ok(names.filter(move |name| name.as_ref().is_ok_and(|name| queue_of(name) == Some(&own)) || name.is_err()))
    }

    /// Opens a file of the drop folder: a regular one, with no name elsewhere. No link is followed, and nobody waited for.
    fn open_plain(&self, name: &OsStr) -> Result<Option<(File, Metadata)>, Unfit> {
        let path = Path::new("..").join(DROP).join(name);
        let unknown = |error: io::Error| Unfit { why: error.to_string(), changed: (0, 0), uid: None };
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
        let (envelope, extent) = entry::read(io::Read::take(&file, entry::longest_head(recipients))).map_err(unfit)?;
        let size = extent.start.saturating_add(extent.len);
        if size != meta.len() {
            return Err(unfit(format!("it has {} bytes, and its envelope says {size}", meta.len())));
        }
        if has_holes(&file, size).map_err(|error| unfit(error.to_string()))? {
            return Err(unfit("it has holes, so a copy would need space that its owner does not pay for".to_owned()));
        }
        io::Seek::seek(&mut &file, io::SeekFrom::Start(extent.start)).map_err(|error| unfit(error.to_string()))?;
        let unique = name.split_once('.').and_then(|(_, unique)| EntryName::parse(unique));
        let at = unique.filter(|name| name.at).map(|name| name.due);
        let id = adopted_id(&meta, name, &envelope.id);
        let changed = (meta.ctime(), meta.ctime_nsec());
        let (name, uid, len) = (name.to_owned(), meta.uid(), extent.len);
        Ok(Some(Dropped { name, uid, changed, envelope, id, at, len, size, file }))
    }

    /// Shows `each` what the drop folder holds for this queue. A name that vanishes meanwhile is passed over.
    pub fn each_dropped(&self, each: &mut dyn FnMut(DropName)) -> Result<(), SpoolError> {
        for name in self.drop_names()? {
            let name = name.map_err(io_at("list", self.drop_path("")))?;
            let path = Path::new("..").join(DROP).join(&name);
            if let Some(stat) = dir::stat_raw(&self.dir, &path).map_err(io_at("look at", self.drop_path(&name)))? {
                let changed = (stat.st_ctime, stat.st_ctime_nsec);
                each(DropName { name, uid: stat.st_uid, device: stat.st_dev, inode: stat.st_ino, changed });
            }
        }
        Ok(())
    }

    /// Whether what was adopted can be removed from the drop folder by this process: else it would be adopted for ever.
    pub fn may_undrop(&self) -> Result<(), SpoolError> {
        let failed = |error| io_at("remove what was adopted from", self.drop_path(""))(error);
        let owner = dir::stat(&self.dir, "../drop").map_err(failed)?.map(|stat| stat.st_uid);
        let may = process::is_root() || owner.is_none_or(|owner| owner == process::effective_uid());
        if may { Ok(()) } else { Err(failed(io::ErrorKind::PermissionDenied.into())) }
    }

    /// The user's files that would become the entry `id`, with at most `recipients` of them.
    pub fn dropped_as(&self, uid: u32, id: &EntryId, recipients: usize) -> Result<Vec<DropName>, SpoolError> {
        let mut found = Vec::new();
        self.each_dropped(&mut |file| {
            if file.uid == uid && self.becomes(&file, id, recipients) {
                found.push(file);
            }
        })?;
        Ok(found)
    }

    /// Whether a file would become the entry `id`. One whose user gave it a key has to be opened for that.
    fn becomes(&self, file: &DropName, id: &EntryId, recipients: usize) -> bool {
        if id.is_adopted() {
            let name = file.name.to_str();
            return name.is_some_and(|name| file_id(file.device, file.inode, file.changed, name) == *id);
        }
        id.counts_once() && matches!(self.open_dropped(&file.name, recipients), Ok(Some(dropped)) if dropped.id == *id)
    }

    /// Waits until the files that were removed from the drop folder would stay away after a power cut; then the keys of
    /// `adopted`, which were among them, are of no more use and are removed.
    pub fn forget_dropped(&self, adopted: &mut Vec<EntryId>) -> Result<(), SpoolError> {
        if !adopted.is_empty() {
            durable::sync_dir(&self.dir, "../drop").map_err(io_at("sync", self.drop_path("")))?;
            fault::instant("adopt.synced");
            adopted.drain(..).for_each(|id| self.drop_key_of(&id));
        }
        Ok(())
    }

    /// Removes a drop file that was adopted.
    pub fn undrop(&self, name: &OsStr) -> Result<(), SpoolError> {
        match dir::unlink_raw(&self.dir, &Path::new("..").join(DROP).join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_at("remove", self.drop_path(name))(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
