//! The names in many directories, read one after another into one buffer.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use nix::NixPath;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::listing::Listing;

/// Reads directories, one after another.
#[derive(Debug, Default)]
pub struct NameReader {
    buffer: Vec<u8>,
}

/// A name in a directory, whatever its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'b> {
    pub bytes: &'b [u8],
    /// It is a directory, or the file system does not say what it is.
    pub may_be_folder: bool,
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
        let mut listing = Listing::within(folder, std::mem::take(&mut self.buffer));
        let mut going = Ok(true);
        while matches!(going, Ok(true))
            && let Some(name) = listing.next_with(|bytes, _, may_be_folder| each(Name { bytes, may_be_folder }))
        {
            going = name.and_then(|going| going);
        }
        self.buffer = listing.into_buffer();
        going
    }
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
            assert!(!name.may_be_folder);
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
        assert!(reader.read(&top, ".", &mut |name| Ok(name.may_be_folder)).expect("read"));
        let missing = reader.read(&top, "out", &mut |_| Ok(true));
        assert_eq!(missing.expect_err("nothing").kind(), io::ErrorKind::NotFound);
    }
}
