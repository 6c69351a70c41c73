//! The names in directories, read by getdents64(2) into one buffer: no copy of each name, and none of the calls by which libc
//! prepares a stream of them. An empty directory costs four system calls.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::{NixPath, libc};

/// Some hundred names of ours.
const BUFFER: usize = 64 << 10;
/// Where the parts of a `struct linux_dirent64` begin.
const LENGTH_AT: usize = 16;
const KIND_AT: usize = 18;
const NAME_AT: usize = 19;

/// Reads directories, one after another.
#[derive(Debug)]
pub struct NameReader {
    buffer: Vec<u8>,
}

impl Default for NameReader {
    fn default() -> NameReader {
        NameReader { buffer: vec![0; BUFFER] }
    }
}

/// A name in a directory, whatever its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'b> {
    pub bytes: &'b [u8],
    kind: u8,
}

impl Name<'_> {
    /// It is a directory, or the file system does not say what it is.
    pub fn may_be_folder(&self) -> bool {
        matches!(self.kind, libc::DT_DIR | libc::DT_UNKNOWN)
    }
}

impl NameReader {
    /// Shows `each` name in the directory `path` of `dir`, but `.` and `..`, until it returns `false`. Returns whether all
    /// were shown.
    pub fn read<P: NixPath + ?Sized>(
        &mut self,
        dir: impl AsFd,
        path: &P,
        each: &mut dyn FnMut(Name<'_>) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let folder = File::from(nix::fcntl::openat(dir, path, flags, Mode::empty())?);
        loop {
            let read = next_block(&folder, &mut self.buffer)?;
            if read == 0 {
                return Ok(true);
            }
            let mut block = &self.buffer[..read];
            while let Some((name, rest)) = first_name(block) {
                block = rest;
                if name.bytes != b"." && name.bytes != b".." && !each(name)? {
                    return Ok(false);
                }
            }
        }
    }
}

/// The next records of an open directory; how many bytes they are, 0 at its end.
fn next_block(folder: &File, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes into the buffer, which is borrowed for the call.
    let read = unsafe { libc::syscall(libc::SYS_getdents64, folder.as_raw_fd(), buffer.as_mut_ptr(), buffer.len()) };
    let read = Errno::result(read)?;
    Ok(usize::try_from(read).unwrap_or(0).min(buffer.len()))
}

/// The first record of a block, and what follows it.
fn first_name(block: &[u8]) -> Option<(Name<'_>, &[u8])> {
    let length = block.get(LENGTH_AT..KIND_AT)?;
    let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
    let record = block.get(..length)?;
    let (kind, name) = (*record.get(KIND_AT)?, record.get(NAME_AT..)?);
    let end = memchr::memchr(0, name)?;
    Some((Name { bytes: &name[..end], kind }, &block[length..]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sys::dir;

    #[test]
    fn a_directory_of_many_blocks_is_read_to_its_end() {
        let temp = tempfile::tempdir().expect("a folder");
        let top = dir::open(temp.path()).expect("opened");
        std::fs::create_dir(temp.path().join("in")).expect("made");
        let mut all = BTreeSet::new();
        for n in 0..3_000 {
            let name = format!("{n:0>200}");
            std::fs::write(temp.path().join("in").join(&name), "").expect("written");
            all.insert(name.into_bytes());
        }
        let mut reader = NameReader::default();
        let mut seen = BTreeSet::new();
        let whole = reader.read(&top, "in", &mut |name| {
            assert!(!name.may_be_folder());
            Ok(seen.insert(name.bytes.to_vec()))
        });
        assert!(whole.expect("read"));
        assert_eq!(seen, all);
        let mut some = 0;
        let whole = reader.read(&top, "in", &mut |_| {
            some += 1;
            Ok(some < 5)
        });
        assert_eq!((whole.expect("read"), some), (false, 5));
        assert!(reader.read(&top, ".", &mut |name| Ok(name.may_be_folder())).expect("read"));
        let missing = reader.read(&top, "out", &mut |_| Ok(true));
        assert_eq!(missing.expect_err("nothing").kind(), io::ErrorKind::NotFound);
    }
}
