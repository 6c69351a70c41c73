//! Whether a file is the one that it was when it was opened: a file that is written meanwhile has rows of two states.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::{ReadError, SourceError};
use crate::model::Columns;

/// What a file was like.
#[derive(Debug)]
pub struct Witness {
    file: File,
    path: Option<PathBuf>,
    seen: State,
}

/// Inode, size, and the times at which its content and its inode were changed. Only the kernel sets the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl State {
    fn of(meta: &Metadata) -> State {
        State {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

impl Witness {
    /// Notes what `file` is like now; `path` is where it was opened, if it has a name.
    pub fn of(file: &File, path: Option<PathBuf>) -> io::Result<Witness> {
        Ok(Witness { file: file.try_clone()?, path, seen: State::of(&file.metadata()?) })
    }

    /// Whether it is the same still, and its path leads to it. Another user, whom root became, may not be allowed to look.
    fn is_unchanged(&self) -> io::Result<bool> {
        if State::of(&self.file.metadata()?) != self.seen {
            return Ok(false);
        }
        match self.path.as_ref().map(std::fs::metadata) {
            Some(Ok(meta)) => Ok(State::of(&meta) == self.seen),
            Some(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => Ok(true),
            Some(Err(_)) => Ok(false),
            None => Ok(true),
        }
    }

    /// What `read`, the reading of the source `what`, comes to. A file that changed explains whatever was wrong with it.
    pub fn judge(&self, what: &Arc<str>, read: Result<Columns, ReadError>) -> Result<Columns, ReadError> {
        match self.is_unchanged() {
            Ok(true) => read,
            Ok(false) if read.as_ref().is_err_and(ReadError::is_of_spool) => read,
            Ok(false) => Err(SourceError::Changed { what: what.clone() }.into()),
            Err(source) => Err(SourceError::Unreadable { what: what.clone(), row: 0, source }.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_is_written_to_replaced_or_gone_has_changed() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("rows.csv");
        std::fs::write(&path, "a\n1\n").expect("written");
        let open = || File::open(&path).and_then(|file| Witness::of(&file, Some(path.clone()))).expect("a file");
        let witness = open();
        assert!(witness.is_unchanged().expect("a look"));
        let mut append = std::fs::OpenOptions::new().append(true).open(&path).expect("a file");
        append.write_all(b"2\n").expect("written");
        assert!(!witness.is_unchanged().expect("a look"));

        let witness = open();
        std::fs::write(temp.path().join("new"), "a\n1\n2\n").expect("written");
        std::fs::rename(temp.path().join("new"), &path).expect("replaced");
        assert!(!witness.is_unchanged().expect("a look"));

        // As many bytes, and the time of before.
        let (witness, time) = (open(), path.metadata().and_then(|meta| meta.modified()).expect("a time"));
        std::fs::write(&path, "a\n3\n4\n").expect("written");
        File::options().write(true).open(&path).and_then(|file| file.set_modified(time)).expect("set");
        assert!(!witness.is_unchanged().expect("a look"));

        let witness = open();
        std::fs::remove_file(&path).expect("removed");
        assert!(!witness.is_unchanged().expect("a look"));
    }
}
