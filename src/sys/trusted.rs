//! Files that root takes orders from: nobody but root may be able to change one, or to put another in its place.
//!
//! What holds: the path is walked step by step, by descriptor, and each folder on the way is checked once it is open, also
//! those on the way to a symbolic link and inside its target. A folder must be root's, and writable by root alone or sticky;
//! a symbolic link and the file itself must be root's, and the file writable by root alone. What was checked is what is
//! opened: no name on the way is looked up twice. That of the file itself is, so that no device is opened; but what counts is
//! the second check, of what is open by then. Like [`named::open`] this never waits, and brings a regular file, or
//! `/dev/null` for an empty one.
//!
//! POSIX ACLs are not read: where a file has one, the group's bits of its mode are the ACL's mask, the most that anybody
//! named in it may do.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, SFlag, fstatat};

use super::{dir, named, nss};

/// More symbolic links than this lead in a circle (path_resolution(7)).
const LINKS_MAX: usize = 40;
const STICKY: u32 = 0o1000;
/// Write permission of the group and of others.
const OTHERS_WRITE: u32 = 0o022;

/// Why a file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// As of [`named::open`].
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Somebody could change what is read.
    #[error("{0}")]
    Untrusted(Untrusted),
}

/// The very folder, link or file that is in the hands of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted {
    pub path: PathBuf,
    pub fault: Fault,
}

/// What is wrong with it. An owner is a user's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    FolderOf(u32),
    FolderWritable,
    LinkOf(u32),
    FileOf(u32),
    FileWritable,
}

impl std::fmt::Display for Untrusted {
    /// What is wrong, and what root can type.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.path.display();
        match self.fault {
            Fault::FolderOf(uid) if self.path == Path::new("/") => write!(
                f,
                "/ belongs to {}, who could put another file in its place: 'chown root /'; in a container, have its owner \
                 mapped to root",
                nss::user_name(uid)
            ),
            Fault::FolderOf(uid) => write!(
                f,
                "{at} belongs to {}, who could put another file in its place: keep root's configuration in folders of \
                 root's, as /etc/bulkmailer.toml",
                nss::user_name(uid)
            ),
            Fault::FolderWritable => {
                write!(
                    f,
                    "others than root may write in {at} and could put another file in its place: 'chmod go-w {at}'"
                )
            }
            Fault::LinkOf(uid) => write!(
                f,
                "{at} is a symbolic link of {}, who could lead it elsewhere: name the file that it leads to",
                nss::user_name(uid)
            ),
            Fault::FileOf(uid) => {
                write!(f, "{at} belongs to {}, who could change it: 'chown root {at}'", nss::user_name(uid))
            }
            Fault::FileWritable => write!(f, "others than root may write {at}: 'chmod go-w {at}'"),
        }
    }
}

/// Opens the regular file at `path`, or `/dev/null`, if nobody but root and the user `uid` could have another one read. For
/// root's files, `uid` is 0.
///
/// Errors: those of open(2); it is something else; it, or what leads to it, is in the hands of others.
pub fn open(path: &Path, uid: u32) -> Result<File, OpenError> {
    // The device is empty in whoever's folder it lies.
    if named::is_null(path)
        && let Ok(file) = named::open(path)
        && file.metadata()?.file_type().is_char_device()
    {
        return Ok(file);
    }
    let mut walk = Walk::begin(path, uid)?;
    loop {
        if let Some(file) = walk.step()? {
            return Ok(file);
        }
    }
}

/// A walk along a path: the folder that it has come to, which was checked, and the names that are left.
struct Walk {
    uid: u32,
    folder: File,
    /// The folder's path, without a symbolic link.
    at: PathBuf,
    /// The last is the next.
    left: Vec<OsString>,
    links: usize,
}

impl Walk {
    fn begin(path: &Path, uid: u32) -> Result<Walk, OpenError> {
        let at = PathBuf::from("/");
        let mut walk = Walk { uid, folder: dir::open_path(&at)?, at, left: Vec::new(), links: 0 };
        walk.check_folder(&walk.folder, &walk.at)?;
        walk.add_names(&std::path::absolute(path)?);
        Ok(walk)
    }

    /// Takes the next step; the file, if it was the last one.
    fn step(&mut self) -> Result<Option<File>, OpenError> {
        let Some(name) = self.left.pop() else { return Err(no_file().into()) };
        let name = Path::new(&name);
        let at =
            if name == Path::new("..") { self.at.parent().unwrap_or(&self.at).to_owned() } else { self.at.join(name) };
        if self.left.is_empty() {
            let found = fstatat(&self.folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(io::Error::from)?;
            if !matches!(kind_of(found.st_mode), SFlag::S_IFDIR | SFlag::S_IFLNK) {
                return self.open_file(name, (found.st_mode, found.st_uid), &at).map(Some);
            }
        }
        // Asked for a folder, the kernel mounts what is mounted on demand.
        match self.look(name, OFlag::O_PATH | OFlag::O_DIRECTORY) {
            Ok(folder) => return self.enter(folder, at).map(|()| None),
            Err(Errno::ENOTDIR) => {}
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
        let found = self.look(name, OFlag::O_PATH).map_err(io::Error::from)?;
        let meta = found.metadata()?;
        if meta.is_symlink() {
            return self.follow(&found, &meta, at).map(|()| None);
        }
        Err(io::Error::from(Errno::ENOTDIR).into())
    }

    /// Opens the file `name` in the folder, which had this mode and owner.
    fn open_file(&self, name: &Path, (mode, uid): (u32, u32), at: &Path) -> Result<File, OpenError> {
        // A device is not even opened.
        self.check_file(mode, uid, at)?;
        let file = self.look(name, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY).map_err(io::Error::from)?;
        let meta = file.metadata()?;
        self.check_file(meta.mode(), meta.uid(), at)?;
        Ok(file)
    }

    /// Opens a name in the folder, and never what a symbolic link leads to.
    fn look(&self, name: &Path, how: OFlag) -> Result<File, Errno> {
        let flags = how | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(File::from(nix::fcntl::openat(&self.folder, name, flags, Mode::empty())?))
    }

    /// Goes on with `path`, from the folder or from the root.
    fn take_up(&mut self, path: &Path) -> Result<(), OpenError> {
        if path.is_absolute() {
            let root = PathBuf::from("/");
            self.enter(dir::open_path(&root)?, root)?;
        }
        self.add_names(path);
        Ok(())
    }

    fn add_names(&mut self, path: &Path) {
        let names = path.components().rev().filter_map(|part| match part {
            Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        });
        self.left.extend(names);
    }

    fn enter(&mut self, folder: File, at: PathBuf) -> Result<(), OpenError> {
        self.check_folder(&folder, &at)?;
        (self.folder, self.at) = (folder, at);
        Ok(())
    }

    fn check_folder(&self, folder: &File, at: &Path) -> Result<(), OpenError> {
        let meta = folder.metadata()?;
        if !self.trusts(meta.uid()) {
            return Err(untrusted(at, Fault::FolderOf(meta.uid())));
        }
        // In a sticky folder nobody moves away what is another's.
        if meta.mode() & OTHERS_WRITE != 0 && meta.mode() & STICKY == 0 {
            return Err(untrusted(at, Fault::FolderWritable));
        }
        Ok(())
    }

    fn follow(&mut self, link: &File, meta: &Metadata, at: PathBuf) -> Result<(), OpenError> {
        if !self.trusts(meta.uid()) {
            return Err(untrusted(&at, Fault::LinkOf(meta.uid())));
        }
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(io::Error::from(Errno::ELOOP).into());
        }
        let target = nix::fcntl::readlinkat(link, "").map_err(io::Error::from)?;
        self.take_up(Path::new(&target))
    }

    fn check_file(&self, mode: u32, uid: u32, at: &Path) -> Result<(), OpenError> {
        if kind_of(mode) != SFlag::S_IFREG {
            return Err(no_file().into());
        }
        if !self.trusts(uid) {
            return Err(untrusted(at, Fault::FileOf(uid)));
        }
        if mode & OTHERS_WRITE != 0 {
            return Err(untrusted(at, Fault::FileWritable));
        }
        Ok(())
    }

    fn trusts(&self, uid: u32) -> bool {
        uid == 0 || uid == self.uid
    }
}

fn kind_of(mode: u32) -> SFlag {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT
}

fn untrusted(path: &Path, fault: Fault) -> OpenError {
    OpenError::Untrusted(Untrusted { path: path.to_owned(), fault })
}

fn no_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "this is no regular file")
}

#[cfg(test)]
mod tests;
