//! Memory that processes share: plain 64-bit words, all atomic; those of a process and the children it forks, and one in a
//! file, which whoever opens the file shares.

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use super::{dir, lock};

const WORD: usize = size_of::<AtomicU64>();

/// Zeroed words, the same memory in every process forked from this one, until the last of them ends.
pub fn words(count: usize) -> io::Result<&'static [AtomicU64]> {
    let bytes = NonZeroUsize::new(count.saturating_mul(size_of::<AtomicU64>())).ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no existing memory.
    let start =
        unsafe { mmap_anonymous(None, bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED)? };
    // SAFETY: the mapping is page-aligned, zeroed (a valid AtomicU64), of `bytes` bytes, and never unmapped.
    Ok(unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>().as_ptr(), count) })
}

/// A word in a file, mapped as long as this is here.
#[derive(Debug)]
pub struct Word(NonNull<AtomicU64>);

// SAFETY: the mapping belongs to no thread, and an atomic word may be used from any.
unsafe impl Send for Word {}
// SAFETY: as above.
unsafe impl Sync for Word {}

impl Deref for Word {
    type Target = AtomicU64;

    fn deref(&self) -> &AtomicU64 {
        // SAFETY: the mapping is page-aligned, of `WORD` bytes that the file has (any bytes are a valid AtomicU64), and
        // stays until this is dropped.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Word {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `in_file` made, of this length, and nobody has borrowed it any more.
        let _ = unsafe { munmap(self.0.cast(), WORD) };
    }
}

/// The word in the file `name` in the directory `folder`, which is kept on disk as any file is; 0 where it is made anew,
/// because it is missing or no file that is whole.
///
/// A word lies within one page and its file is only ever this long, so it takes whoever may write in the folder to cut it
/// short under our hands.
pub fn in_file(folder: &File, name: &str) -> io::Result<Word> {
    // A description of our own, and so a lock of our own: two who make a file anew at once would not share it.
    let folder = dir::open_at(folder, ".")?;
    lock::exclusive(&folder)?;
    let there = dir::open_file(&folder, name, dir::Open::ReadWrite).and_then(|file| Ok((is_whole(&file)?, file)));
    let file = match there {
        Ok((true, file)) => file,
        Ok((false, _)) | Err(_) => make_anew(&folder, name)?,
    };
    // A page whose block is missing could find no room when it is written to, which is a SIGBUS.
    match nix::fcntl::posix_fallocate(&file, 0, WORD as i64) {
        Ok(()) | Err(Errno::EOPNOTSUPP | Errno::EINVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    let bytes = NonZeroUsize::new(WORD).ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
    let start =
        unsafe { mmap(None, bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, &file, 0)? };
    Ok(Word(start.cast()))
}

/// A regular file of our own, with one name, for us alone, and as long as a word.
fn is_whole(file: &File) -> io::Result<bool> {
    let meta = file.metadata()?;
    let ours = meta.uid() == nix::unistd::geteuid().as_raw() && meta.nlink() == 1 && meta.mode() & 0o077 == 0;
    Ok(meta.is_file() && ours && meta.len() == WORD as u64)
}

fn make_anew(folder: &File, name: &str) -> io::Result<File> {
    match dir::unlink(folder, name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = dir::open_file(folder, name, dir::Open::CreateNew)?;
    file.write_all(&[0; WORD])?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    /// An empty folder.
    fn folder() -> (tempfile::TempDir, File) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let folder = dir::open(temp.path()).expect("opened");
        (temp, folder)
    }

    #[test]
    fn whoever_opens_the_file_has_the_same_word_and_it_lasts() {
        let (temp, folder) = folder();
        let (one, two) = (in_file(&folder, "w").expect("a word"), in_file(&folder, "w").expect("a word"));
        assert_eq!((one.load(Ordering::SeqCst), std::ptr::eq(&*one, &*two)), (0, false));
        one.store(7, Ordering::SeqCst);
        assert_eq!(two.load(Ordering::SeqCst), 7);
        assert_eq!(std::fs::read(temp.path().join("w")).expect("a file"), 7u64.to_ne_bytes());
        assert_eq!(in_file(&folder, "w").expect("a word").load(Ordering::SeqCst), 7);
    }

    #[test]
    fn what_is_no_word_is_made_anew_and_nothing_else_is_touched() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        type Spoil = fn(&std::path::Path);
        let spoils: [Spoil; 6] = [
            |path| std::fs::write(path, "abc").expect("written"),
            |path| std::fs::write(path, [1; 9]).expect("written"),
            |path| symlink("other", path).expect("a link"),
            |path| std::fs::hard_link(path.with_file_name("other"), path).expect("a link"),
            |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).expect("a FIFO"),
            |path| {
                std::fs::write(path, [1; 8]).expect("written");
                std::fs::set_permissions(path, PermissionsExt::from_mode(0o666)).expect("a mode");
            },
        ];
        for spoil in spoils {
            let (temp, folder) = folder();
            std::fs::write(temp.path().join("other"), [1; 8]).expect("written");
            std::fs::set_permissions(temp.path().join("other"), PermissionsExt::from_mode(0o600)).expect("a mode");
            spoil(&temp.path().join("w"));
            let word = in_file(&folder, "w").expect("a word");
            assert_eq!(word.swap(5, Ordering::SeqCst), 0);
            assert_eq!(std::fs::read(temp.path().join("other")).expect("a file"), [1; 8]);
            let meta = std::fs::symlink_metadata(temp.path().join("w")).expect("a file");
            assert_eq!((meta.len(), meta.mode() & 0o777), (8, 0o600));
        }
    }

    #[test]
    fn what_cannot_be_made_anew_is_an_error() {
        let (temp, folder) = folder();
        std::fs::create_dir(temp.path().join("w")).expect("made");
        assert!(in_file(&folder, "w").is_err());
    }
}
