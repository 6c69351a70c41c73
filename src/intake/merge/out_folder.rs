//! A folder that a person names for previews: a file of its own for each message, never over another, mode 0600.
//!
//! Root makes the folder if it is missing, and gives it to the spool's owner, who writes there.
//!
//! What holds: the way to the folder is looked up once, and no other folder than the one that was made changes its owner,
//! whoever renames what lies on the way.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, fchown};
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
        let folder = match path.file_name() {
            Some(name) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let parent = dir::open_path(parent).map_err(failed)?;
                match make(&parent, Path::new(name), spool).map_err(failed)? {
                    Some(new) => new,
                    None => dir::open(path).map_err(failed)?,
                }
            }
            // As "/" and "..": it is there.
            None => dir::open(path).map_err(failed)?,
        };
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

/// Makes the folder `name` in `parent`, for the owner of `spool`; `None` if there is something of that name.
///
/// Errors: those of the calls; somebody has put another folder in its place.
fn make(parent: &File, name: &Path, spool: &Path) -> io::Result<Option<File>> {
    if !dir::make(parent, name)? {
        return Ok(None);
    }
    let folder = dir::open_at(parent, name)?;
    if let (true, Ok(spool)) = (process::is_root(), spool.metadata()) {
        give(&folder, spool.uid(), spool.gid())?;
    }
    Ok(Some(folder))
}

/// Gives away a folder that root has just made, which is root's, private and empty.
fn give(folder: &File, uid: u32, gid: u32) -> io::Result<()> {
    let meta = folder.metadata()?;
    let is_empty = dir::Names::open(folder, ".")?.raw().next().is_none();
    if meta.uid() != process::effective_uid() || meta.mode() & 0o077 != 0 || !is_empty {
        return Err(io::Error::other("somebody has put another folder in its place"));
    }
    fchown(folder, Some(uid), Some(gid))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_way_to_a_new_folder_is_looked_up_once() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| temp.path().join(name);
        fs::create_dir_all(path("users")).expect("a folder");
        fs::create_dir_all(path("roots/new")).expect("a folder");
        let parent = dir::open_path(&path("users")).expect("a folder");
        // Its owner puts a link in its place.
        fs::rename(path("users"), path("away")).and_then(|()| symlink(path("roots"), path("users"))).expect("swapped");
        let new = make(&parent, Path::new("new"), temp.path()).expect("made").expect("new");
        assert_eq!(new.metadata().expect("it").ino(), path("away/new").metadata().expect("it").ino());
        // What is there already is not made, and a link is not followed.
        assert!(make(&parent, Path::new("new"), temp.path()).expect("a look").is_none());
        symlink(path("roots/new"), path("away/link")).expect("a link");
        assert!(make(&parent, Path::new("link"), temp.path()).expect("a look").is_none());
    }

    #[test]
    fn only_what_is_new_private_and_empty_is_given_away() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("new");
        let (uid, gid) = (temp.path().metadata().expect("it").uid(), temp.path().metadata().expect("it").gid());
        let try_it = || give(&dir::open(&path).expect("a folder"), uid, gid);
        dir::make(dir::open(temp.path()).expect("a folder"), "new").expect("made");
        try_it().expect("given");
        fs::write(path.join("x"), "").expect("written");
        assert!(try_it().is_err());
        fs::remove_file(path.join("x")).expect("removed");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("opened");
        assert!(try_it().is_err());
    }
}
