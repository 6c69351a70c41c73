//! A folder that a person names for previews: a file of its own for each message, never over another, mode 0600.
//!
//! Root makes the folder if it is missing, and gives it to the spool's owner, who writes there.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, fchown};
use std::path::{Path, PathBuf};

use super::error::MergeError;
use crate::sys::{dir, process};

/// An open folder.
#[derive(Debug)]
pub struct OutFolder {
    path: PathBuf,
    folder: File,
}

impl OutFolder {
    /// Opens the folder at `path`, and makes it if it is missing; `spool` is where the spool lies or will lie.
    pub fn open(path: &Path, spool: &Path) -> Result<OutFolder, MergeError> {
        let failed = |error| MergeError::CannotCreate { path: path.to_owned(), error };
        let is_new = match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(failed(error)),
        };
        let folder = dir::open(path).map_err(failed)?;
        if let (true, true, Ok(spool)) = (is_new, process::is_root(), spool.metadata()) {
            fchown(&folder, Some(spool.uid()), Some(spool.gid())).map_err(failed)?;
        }
        Ok(OutFolder { path: path.to_owned(), folder })
    }

    /// Writes the message of row `number`; the file's path.
    pub fn write(&self, number: u64, message: &[u8]) -> Result<PathBuf, MergeError> {
        let name = format!("row-{number}.eml");
        let path = self.path.join(&name);
        let made = dir::open_file(&self.folder, &name, dir::Open::CreateNew);
        let mut file = made.map_err(|error| MergeError::CannotCreate { path: path.clone(), error })?;
        match file.write_all(message) {
            Ok(()) => Ok(path),
            Err(source) => Err(MergeError::Write { path, source }),
        }
    }
}
