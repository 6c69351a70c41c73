//! A directory's names as getdents64(2) gives them, a buffer at a time: what readdir(3) asks of the kernel besides is spared,
//! which is half of the calls that an empty folder costs.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::libc;

/// What readdir(3) of glibc reads at once.
const BUFFER: usize = 32 << 10;
/// Where the parts of a record lie.
const RECORD_LENGTH: usize = 16;
const KIND: usize = 18;
const NAME: usize = 19;

/// A directory that is being read.
pub(super) struct Listing {
    folder: File,
    buffer: Vec<u8>,
    /// The part of the buffer that was not shown yet.
    from: usize,
    to: usize,
}

/// A name as the directory has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawName {
    pub name: OsString,
    pub(super) inode: u64,
    /// It is a directory, or the file system does not say what it is.
    pub may_be_folder: bool,
}

impl Listing {
    pub fn of(folder: File) -> Listing {
        Listing { folder, buffer: Vec::new(), from: 0, to: 0 }
    }

    pub fn folder(&self) -> &File {
        &self.folder
    }

    /// The next name but `.` and `..`.
    pub fn next(&mut self) -> Option<io::Result<RawName>> {
        self.next_with(|name, inode, may_be_folder| {
            let name = OsStr::from_bytes(name).to_owned();
            RawName { name, inode, may_be_folder }
        })
    }

    /// What `read` makes of the next name, its inode's number, and whether it may be a directory.
    pub fn next_with<T>(&mut self, read: impl FnOnce(&[u8], u64, bool) -> T) -> Option<io::Result<T>> {
        loop {
            if self.from >= self.to {
                match self.fill() {
                    Ok(0) => return None,
                    Ok(read) => (self.from, self.to) = (0, read),
                    Err(error) => return Some(Err(error)),
                }
            }
            let Some(record) = self.buffer.get(self.from..self.to).and_then(Record::first) else {
                self.from = self.to;
                return Some(Err(io::ErrorKind::InvalidData.into()));
            };
            self.from += record.length;
            if record.name != b"." && record.name != b".." {
                let may_be_folder = record.kind == libc::DT_DIR || record.kind == libc::DT_UNKNOWN;
                return Some(Ok(read(record.name, record.inode, may_be_folder)));
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.clear();
        self.buffer.reserve(BUFFER);
        let (fd, room) = (self.folder.as_raw_fd(), self.buffer.capacity());
        // SAFETY: the buffer is ours and has room for `room` bytes, of which the kernel writes as many as the call returns.
        let read = unsafe { libc::syscall(libc::SYS_getdents64, fd, self.buffer.as_mut_ptr(), room) };
        match Errno::result(read) {
            Ok(read) => {
                let read = usize::try_from(read).unwrap_or(0).min(room);
                // SAFETY: the kernel has written these bytes. Most folders are empty or small: the rest is never touched.
                unsafe { self.buffer.set_len(read) };
                Ok(read)
            }
            // It was removed, and so has no names.
            Err(Errno::ENOENT) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// A `struct linux_dirent64`.
struct Record<'b> {
    inode: u64,
    kind: u8,
    name: &'b [u8],
    length: usize,
}

impl Record<'_> {
    /// The first in `bytes`.
    fn first(bytes: &[u8]) -> Option<Record<'_>> {
        let inode = u64::from_ne_bytes(bytes.first_chunk().copied()?);
        let length = u16::from_ne_bytes(bytes.get(RECORD_LENGTH..)?.first_chunk().copied()?).into();
        let name = bytes.get(NAME..length)?.split(|&byte| byte == 0).next()?;
        Some(Record { inode, kind: *bytes.get(KIND)?, name, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_shown_once_however_many_there_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = |n: u32| format!("{n:0>200}");
        (0..1_000).for_each(|n| drop(File::create(folder.path().join(name(n))).expect("made")));
        std::fs::create_dir(folder.path().join("below")).expect("made");
        let mut listing = Listing::of(File::open(folder.path()).expect("opened"));
        let mut found: Vec<RawName> = std::iter::from_fn(|| listing.next()).map(|name| name.expect("read")).collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(found.len(), 1_001);
        assert!((0..1_000).zip(&found).all(|(n, raw)| raw.name == *name(n) && !raw.may_be_folder && raw.inode > 0));
        assert!(found[1_000].name == "below" && found[1_000].may_be_folder);
    }

    #[test]
    fn a_folder_that_was_removed_is_empty_and_a_record_that_is_cut_short_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut listing = Listing::of(File::open(folder.path()).expect("opened"));
        drop(folder);
        assert!(listing.next().is_none());
        for length in 0..30 {
            assert!(Record::first(&[0xff; 30][..length]).is_none());
        }
    }
}
