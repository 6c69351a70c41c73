//! Directories by descriptor: opening, making, listing names, renaming and removing inside them.
//!
//! All paths are relative to an open directory and all opens refuse a symbolic link as their last part.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags};
use nix::sys::stat::{FileStat, Mode, UtimensatFlags, utimensat};
use nix::sys::statfs::{
    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, PROC_SUPER_MAGIC, SECURITYFS_MAGIC, SYSFS_MAGIC,
    TRACEFS_MAGIC, fstatfs,
};
use nix::sys::time::TimeSpec;
use nix::unistd::UnlinkatFlags;

use super::listing::Listing;
pub use super::listing::RawName;

/// Opens the directory at `path`.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(File::from(nix::fcntl::open(path, flags, Mode::empty())?))
}

/// Opens the directory at `path` only to reach what is in it, for which the right to search it is enough.
pub fn open_path(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(File::from(nix::fcntl::open(path, flags, Mode::empty())?))
}

/// Opens the directory `path` in `dir`.
pub fn open_at(dir: impl AsFd, path: &(impl AsRef<Path> + ?Sized)) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    Ok(File::from(nix::fcntl::openat(dir, path.as_ref(), flags, Mode::empty())?))
}

/// Opens the directory above `dir`, only to reach what is in it; of the root it is the root.
pub fn parent(dir: &File) -> io::Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(File::from(nix::fcntl::openat(dir, "..", flags, Mode::empty())?))
}

/// What tells a file or directory from all others: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u64, u64);

/// The identity of an open file or directory.
pub fn identity(file: &File) -> io::Result<Identity> {
    let stat = nix::sys::stat::fstat(file)?;
    Ok(Identity(stat.st_dev, stat.st_ino))
}

/// Whether `file` lies in a file system whose files the kernel makes up when they are read, as /proc and /sys.
pub fn is_made_up(file: &File) -> io::Result<bool> {
    const MADE_UP: [nix::sys::statfs::FsType; 7] = [
        PROC_SUPER_MAGIC,
        SYSFS_MAGIC,
        CGROUP_SUPER_MAGIC,
        CGROUP2_SUPER_MAGIC,
        DEBUGFS_MAGIC,
        SECURITYFS_MAGIC,
        TRACEFS_MAGIC,
    ];
    Ok(MADE_UP.contains(&fstatfs(file)?.filesystem_type()))
}

/// Makes the directory `path` in `dir`, mode 0700; `false` if it is there already.
pub fn make(dir: impl AsFd, path: &(impl AsRef<Path> + ?Sized)) -> io::Result<bool> {
    match nix::sys::stat::mkdirat(dir, path.as_ref(), Mode::from_bits_truncate(0o700)) {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Open {
    Read,
    ReadWrite,
    /// Read and write; made if it is missing, mode 0600.
    Create,
    /// Read; made if it is missing, mode 0600.
    ReadOrCreate,
    /// Read and write; it must not exist, mode 0600.
    CreateNew,
    /// Read, and write at the end, each write in one piece; made if it is missing, mode 0600.
    Append,
}

/// Opens a file in `dir`; never through a symbolic link, never waiting for a FIFO's other end.
pub fn open_file(dir: impl AsFd, path: &str, how: Open) -> io::Result<File> {
    let access = match how {
        Open::Read => OFlag::O_RDONLY,
        Open::ReadWrite => OFlag::O_RDWR,
        Open::Create => OFlag::O_RDWR | OFlag::O_CREAT,
        Open::ReadOrCreate => OFlag::O_RDONLY | OFlag::O_CREAT,
        Open::CreateNew => OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL,
        Open::Append => OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_APPEND,
    };
    let flags = access | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    Ok(File::from(nix::fcntl::openat(dir, path, flags, Mode::from_bits_truncate(0o600))?))
}

/// Opens a file for reading that lies beneath `dir`, at whatever depth; no symbolic link on the way is followed.
///
/// `look` sees the folder in which it lies before it is opened.
///
/// Errors: those of [`open_file`] and of `look`; EXDEV for a path that leads out of `dir`, and ELOOP for a link, as openat2(2)
/// has them.
pub fn open_beneath(dir: &File, path: &str, look: impl FnOnce(&File) -> io::Result<()>) -> io::Result<File> {
    let is_inside = |part: &str| !matches!(part, "" | "." | "..");
    if !path.split('/').all(is_inside) {
        return Err(Errno::EXDEV.into());
    }
    let (mut folder, mut rest): (Option<File>, &str) = (None, path);
    while let Some((name, behind)) = rest.split_once('/') {
        let above = folder.as_ref().unwrap_or(dir);
        let opened = open_at(above, name).map_err(|error| match stat(above, name) {
            // Of a link where a folder is asked for, open(2) says ENOTDIR.
            Ok(Some(stat)) if stat.st_mode & nix::libc::S_IFMT == nix::libc::S_IFLNK => Errno::ELOOP.into(),
            Ok(_) | Err(_) => error,
        })?;
        (folder, rest) = (Some(opened), behind);
    }
    let folder = folder.as_ref().unwrap_or(dir);
    look(folder)?;
    open_file(folder, rest, Open::Read)
}

/// The names in a directory, read a buffer at a time, so that a directory of any size costs the same memory.
pub struct Names(Listing);

/// When a file or directory was changed last, by the kernel's clock for files, which ticks some hundred times a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp(i64, i64);

impl Stamp {
    #[cfg(test)]
    pub fn new(seconds: i64, nanoseconds: i64) -> Stamp {
        Stamp(seconds, nanoseconds)
    }

    /// As two words of shared memory, and back.
    pub fn words(self) -> (u64, u64) {
        (self.0.cast_unsigned(), self.1.cast_unsigned())
    }

    pub fn of_words(seconds: u64, nanoseconds: u64) -> Stamp {
        Stamp(seconds.cast_signed(), nanoseconds.cast_signed())
    }

    pub fn of(stat: &FileStat) -> Stamp {
        Stamp(stat.st_mtime, stat.st_mtime_nsec)
    }

    /// Whether this file system keeps parts of a second: one that does not cannot tell what came within the same.
    pub fn is_fine(self) -> bool {
        self.1 != 0
    }

    /// In microseconds since 1970; what was before is 0.
    pub fn micros(self) -> u64 {
        let micros = self.0.saturating_mul(1_000_000).saturating_add(self.1 / 1_000);
        u64::try_from(micros).unwrap_or(0)
    }
}

/// What tells one state of a directory from all others: each name that comes, goes or is renamed in it changes its times,
/// and nobody but the kernel sets the second of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Print {
    pub device: u64,
    pub inode: u64,
    /// st_mtime and st_ctime, in nanoseconds since 1970.
    pub modified: i64,
    pub changed: i64,
}

impl Print {
    pub fn of(stat: &FileStat) -> Print {
        let nanos = |seconds: i64, nanos: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos);
        Print {
            device: stat.st_dev,
            inode: stat.st_ino,
            modified: nanos(stat.st_mtime, stat.st_mtime_nsec),
            changed: nanos(stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// The time of modification alone.
    pub fn stamp(self) -> Stamp {
        Stamp(self.modified.div_euclid(1_000_000_000), self.modified.rem_euclid(1_000_000_000))
    }
}

impl Names {
    /// The names in the directory `path` in `dir`.
    pub fn open(dir: impl AsFd, path: &str) -> io::Result<Names> {
        Names::open_raw(dir, path.as_ref())
    }

    /// [`Names::open`] of a path that may not be UTF-8.
    pub fn open_raw(dir: impl AsFd, path: &Path) -> io::Result<Names> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let folder = File::from(nix::fcntl::openat(dir, path, flags, Mode::empty())?);
        Ok(Names(Listing::of(folder)))
    }

    /// When the directory was changed last.
    pub fn stamp(&self) -> io::Result<Stamp> {
        Ok(self.print()?.stamp())
    }

    /// The directory's state now.
    pub fn print(&self) -> io::Result<Print> {
        Ok(Print::of(&nix::sys::stat::fstat(self.0.folder())?))
    }

    /// The next name but `.` and `..`, with its inode's number. Names that are not UTF-8 are none of ours and are passed
    /// over; [`Names::raw`] has them.
    pub fn next_numbered(&mut self) -> Option<io::Result<(u64, String)>> {
        loop {
            match self.0.next()? {
                Ok(RawName { name, inode, .. }) => {
                    if let Ok(name) = name.into_string() {
                        return Some(Ok((inode, name)));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// What `read` makes of the next name but `.` and `..`.
    pub fn next_with<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> Option<io::Result<T>> {
        self.0.next_with(|name, _, _| read(name))
    }

    /// All names but `.` and `..` as they are, also those that are not UTF-8.
    pub fn raw(mut self) -> impl Iterator<Item = io::Result<RawName>> {
        std::iter::from_fn(move || self.0.next())
    }
}

impl Iterator for Names {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<io::Result<String>> {
        Some(self.next_numbered()?.map(|(_, name)| name))
    }
}

/// What `path` in `dir` is, a symbolic link not followed; `None` if there is nothing.
pub fn stat(dir: impl AsFd, path: &str) -> io::Result<Option<FileStat>> {
    stat_raw(dir, path.as_ref())
}

/// [`stat`] of a path that may not be UTF-8.
pub fn stat_raw(dir: impl AsFd, path: &Path) -> io::Result<Option<FileStat>> {
    match nix::sys::stat::fstatat(dir, path, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// The state of the directory `path` in `dir`, a symbolic link not followed; `None` if that cannot be looked at. A path of
/// this kind is passed on as it is: for a caller that looks at hundreds.
pub fn print(dir: impl AsFd, path: &CStr) -> Option<Print> {
    let stat = nix::sys::stat::fstatat(dir, path, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
    Some(Print::of(&stat))
}

/// Sets when `path` in `dir`, a symbolic link not followed, was modified last, in seconds and nanoseconds since 1970.
pub fn set_modified(dir: impl AsFd, path: &str, seconds: i64, nanoseconds: u32) -> io::Result<()> {
    let (keep, to) = (TimeSpec::UTIME_OMIT, TimeSpec::new(seconds, nanoseconds.into()));
    Ok(utimensat(dir, path, &keep, &to, UtimensatFlags::NoFollowSymlink)?)
}

/// Renames within `dir`, never over another name (EEXIST).
pub fn rename_new(dir: impl AsFd, from: &str, to: &str) -> io::Result<()> {
    let dir = dir.as_fd();
    match nix::fcntl::renameat2(dir, from, dir, to, RenameFlags::RENAME_NOREPLACE) {
        // A file system without NOREPLACE: names are unique by their ids, so look, then rename.
        Err(Errno::EINVAL) => match stat(dir, to)? {
            Some(_) => Err(Errno::EEXIST.into()),
            None => Ok(nix::fcntl::renameat(dir, from, dir, to)?),
        },
        other => Ok(other?),
    }
}

/// Renames within `dir`, in one step over what may bear the name.
pub fn rename_over(dir: impl AsFd, from: &str, to: &str) -> io::Result<()> {
    let dir = dir.as_fd();
    Ok(nix::fcntl::renameat(dir, from, dir, to)?)
}

/// Removes a file's name.
pub fn unlink(dir: impl AsFd, path: &str) -> io::Result<()> {
    unlink_raw(dir, path.as_ref())
}

/// [`unlink`] of a path that may not be UTF-8.
pub fn unlink_raw(dir: impl AsFd, path: &Path) -> io::Result<()> {
    Ok(nix::unistd::unlinkat(dir, path, UnlinkatFlags::NoRemoveDir)?)
}

/// Removes an empty directory; `false` if something is in it. A directory that is gone already counts as removed.
pub fn remove(dir: impl AsFd, path: &str) -> io::Result<bool> {
    match nix::unistd::unlinkat(dir, path, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(true),
        Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes a folder and what is in it, as far as that goes. A symbolic link is removed, never followed.
pub fn remove_tree(dir_fd: impl AsFd, path: &str) {
    let dir_fd = dir_fd.as_fd();
    if let Ok(names) = Names::open(dir_fd, path) {
        for name in names.flatten() {
            let inner = format!("{path}/{name}");
            if unlink(dir_fd, &inner).is_err() {
                remove_tree(dir_fd, &inner);
            }
        }
    }
    let _ = remove(dir_fd, path);
}
