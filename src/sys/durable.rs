//! What must survive a power cut: files without a name until they are whole, syncs, and the time stamp that wakes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::stat::{Mode, UtimensatFlags};
use nix::sys::time::TimeSpec;

use super::dir;

/// A file being written that has no name yet; what is never linked vanishes with its last descriptor.
#[derive(Debug)]
pub struct Unnamed {
    file: File,
    /// Its name under the directory where the file system has no O_TMPFILE; that one must be unlinked.
    fallback: Option<String>,
}

impl Unnamed {
    /// A new file, mode 0600, on the file system of `parent` (a directory in `dir`). `spare` is the name that it bears
    /// in there where nameless files do not exist.
    pub fn create(dir_fd: impl AsFd, parent: &str, spare: &str) -> io::Result<Unnamed> {
        let dir_fd = dir_fd.as_fd();
        let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        match nix::fcntl::openat(dir_fd, parent, flags, Mode::from_bits_truncate(0o600)) {
            Ok(fd) => Ok(Unnamed { file: File::from(fd), fallback: None }),
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => {
                let name = format!("{parent}/{spare}");
                let file = dir::open_file(dir_fd, &name, dir::Open::CreateNew)?;
                Ok(Unnamed { file, fallback: Some(name) })
            }
            Err(errno) => Err(errno.into()),
        }
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name, never over another (EEXIST), and hands it back still open.
    pub fn link(self, dir_fd: impl AsFd, name: &str) -> io::Result<File> {
        let dir_fd = dir_fd.as_fd();
        match &self.fallback {
            // A kernel before 6.10 asks for a privilege, and says ENOENT; a filter of system calls may say anything. The way
            // through /proc is open to all, and longer.
            None => {
                let linked = nix::unistd::linkat(&self.file, "", dir_fd, name, AtFlags::AT_EMPTY_PATH);
                match linked {
                    Ok(()) | Err(Errno::EEXIST | Errno::ENOSPC | Errno::EDQUOT | Errno::EROFS | Errno::EIO) => linked?,
                    Err(_) => {
                        let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                        nix::unistd::linkat(AT_FDCWD, own.as_str(), dir_fd, name, AtFlags::AT_SYMLINK_FOLLOW)?;
                    }
                }
            }
            Some(spare) => dir::rename_new(dir_fd, spare, name)?,
        }
        Ok(self.file)
    }

    /// Lets the file stay without a name: it vanishes with its last descriptor, also where it had one so far.
    pub fn nameless(self, dir_fd: impl AsFd) -> io::Result<File> {
        if let Some(name) = &self.fallback {
            dir::unlink(dir_fd, name)?;
        }
        Ok(self.file)
    }

    /// Throws the file away.
    pub fn discard(self, dir_fd: impl AsFd) {
        if let Some(name) = &self.fallback {
            // It stays in tmp/ if this fails, and the sweep takes it.
            let _ = dir::unlink(dir_fd, name);
        }
    }
}

/// Waits until the directory's names are on disk.
pub fn sync_dir(dir_fd: impl AsFd, path: &str) -> io::Result<()> {
    dir::open_at(dir_fd, path)?.sync_all()
}

/// Waits until everything on the file system of `file` is on disk, and reports a write-back error since it was opened.
pub fn sync_file_system(file: impl AsFd) -> io::Result<()> {
    Ok(nix::unistd::syncfs(file)?)
}

/// Sets a file's modification time to this very nanosecond; the kernel's own file times are too coarse to compare.
pub fn touch_at(dir_fd: impl AsFd, path: &str) -> io::Result<()> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let stamp = TimeSpec::from_duration(now);
    Ok(nix::sys::stat::utimensat(dir_fd, path, &stamp, &stamp, UtimensatFlags::NoFollowSymlink)?)
}
