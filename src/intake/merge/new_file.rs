//! A file that a person names for what is written: never over another, mode 0600, and gone again if nothing was written.
//!
//! It is made before root becomes the spool's owner, who may not be able to.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::MergeError;

/// A new file.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    file: File,
    is_written: bool,
}

impl NewFile {
    /// Makes the file at `path`.
    ///
    /// Errors: there is something already, or the user may make nothing there.
    pub fn create(path: &Path) -> Result<NewFile, MergeError> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match made {
            Ok(file) => Ok(NewFile { path: path.to_owned(), file, is_written: false }),
            Err(error) => Err(MergeError::CannotCreate { path: path.to_owned(), error }),
        }
    }

    /// What a failure to write it is.
    pub fn failed(&self, source: io::Error) -> MergeError {
        MergeError::Write { path: self.path.clone(), source }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_written |= !bytes.is_empty();
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let is_ours = |meta: std::fs::Metadata| {
            self.file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (meta.dev(), meta.ino()))
        };
        if !self.is_written && self.path.symlink_metadata().is_ok_and(is_ours) {
            // An empty file that stays is harmless.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_private_new_and_not_left_empty() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("bad.csv");
        let file = NewFile::create(&path).expect("a file");
        assert!(matches!(NewFile::create(&path), Err(MergeError::CannotCreate { .. })));
        assert_eq!(path.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
        drop(file);
        assert!(!path.exists());
        let mut file = NewFile::create(&path).expect("a file");
        file.write_all(b"x").expect("written");
        drop(file);
        assert_eq!(std::fs::read(&path).expect("a file"), b"x");
        // Another file that has taken the name stays.
        let (file, other) = (NewFile::create(&temp.path().join("b")).expect("a file"), temp.path().join("b"));
        std::fs::remove_file(&other).and_then(|()| std::fs::write(&other, "")).expect("another");
        drop(file);
        assert!(other.exists());
    }
}
