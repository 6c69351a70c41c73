//! The file that a row attaches: found beneath the template's folder for attachments, and the same at the sending as it was
//! at the check.
//!
//! A file that cannot be read for another reason than its name keeps its row waiting, and no other.
//!
//! What holds: no link is followed beneath the folder, nothing but a regular file is read, and a name never leads out of it. A
//! file that was changed or replaced since it was noted is not sent.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::str::FromStr;

use crate::sys::dir;

/// The column that has the [`FileMark`] of a row's attachment, behind those of the source. No template names it: it has a
/// blank.
pub(super) const MARK: &str = "attachment mark";

/// What tells one state of a file from another: inode, bytes, and the time of its last change in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMark {
    inode: u64,
    pub bytes: u64,
    changed: i128,
}

/// Why a row's file is not attached.
#[derive(Debug, thiserror::Error)]
pub enum NoFile {
    /// The row's own fault.
    #[error("{0}")]
    Row(String),
    /// It cannot be read, which may pass.
    #[error("{0}")]
    Later(String),
    /// The folder cannot be opened, which is no row's fault.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FileMark {
    /// That of a file of so many `bytes`, changed at these seconds and nanoseconds since 1970.
    pub fn new(inode: u64, bytes: u64, (seconds, nanoseconds): (i64, i64)) -> FileMark {
        let changed = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        FileMark { inode, bytes, changed }
    }
}

impl fmt::Display for FileMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.inode, self.bytes, self.changed)
    }
}

impl FromStr for FileMark {
    type Err = ();

    fn from_str(text: &str) -> Result<FileMark, ()> {
        let mut parts = text.split(' ');
        let mut next = || parts.next().ok_or(());
        let (inode, bytes, changed) = (next()?, next()?, next()?);
        let mark = FileMark {
            inode: inode.parse().map_err(drop)?,
            bytes: bytes.parse().map_err(drop)?,
            changed: changed.parse().map_err(drop)?,
        };
        if parts.next().is_none() { Ok(mark) } else { Err(()) }
    }
}

/// Opens the file `name` beneath `folder`, and notes its state.
///
/// Errors: the row's, if there is no such file, it lies elsewhere, is a link or no regular file, or cannot be read now.
pub fn open(folder: &Path, name: &str) -> Result<(File, FileMark), NoFile> {
    let row = |why: &str| NoFile::Row(format!("attachment {name:?}: {why}"));
    let mut parts: Vec<&str> = name.split('/').collect();
    if parts.iter().any(|part| part.is_empty() || *part == "." || *part == "..") {
        return Err(row("it is not within the folder of attachments"));
    }
    let last = parts.pop().unwrap_or_default();
    let of_row = |error: io::Error| match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::NotFound, _) => row("there is no such file"),
        (io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename, _) => {
            row("it is no file's name")
        }
        (_, Some(code)) if code == nix::errno::Errno::ELOOP as i32 => row("it is a symbolic link"),
        _ => later(name, &error),
    };
    let mut within = dir::open(folder)?;
    for part in parts {
        within = dir::open_at(&within, part).map_err(of_row)?;
    }
    let file = dir::open_file(&within, last, dir::Open::Read).map_err(of_row)?;
    let about = file.metadata().map_err(|error| later(name, &error))?;
    if !about.is_file() {
        return Err(row("it is no regular file"));
    }
    let changed = (about.mtime(), about.mtime_nsec());
    let mark = FileMark::new(about.ino(), about.size(), changed);
    Ok((file, mark))
}

fn later(name: &str, error: &io::Error) -> NoFile {
    NoFile::Later(format!("attachment {name:?}: it cannot be read: {error}"))
}

/// Reads the file `name` beneath `folder`, whose state was `noted`.
///
/// Errors: the row's, if it is another by now.
pub fn read(folder: &Path, name: &str, noted: FileMark) -> Result<Vec<u8>, NoFile> {
    let (file, found) = open(folder, name)?;
    let changed = || NoFile::Row(format!("attachment {name:?}: it was changed since it was checked"));
    if found != noted {
        return Err(changed());
    }
    let mut bytes = Vec::new();
    file.take(noted.bytes + 1).read_to_end(&mut bytes).map_err(|error| later(name, &error))?;
    if bytes.len() as u64 == noted.bytes { Ok(bytes) } else { Err(changed()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_found_within_its_folder_alone_and_read_while_it_is_the_same() {
        let temp = tempfile::tempdir().expect("a folder");
        let folder = temp.path().join("all");
        fs::create_dir_all(folder.join("2026")).expect("a folder");
        fs::write(folder.join("2026/a.pdf"), "an invoice").expect("written");
        fs::write(temp.path().join("secret"), "x").expect("written");
        std::os::unix::fs::symlink("../secret", folder.join("link")).expect("a link");
        std::os::unix::fs::symlink("2026", folder.join("years")).expect("a link");
        let (_, mark) = open(&folder, "2026/a.pdf").expect("it is there");
        assert_eq!(mark.to_string().parse(), Ok(mark));
        assert_eq!(read(&folder, "2026/a.pdf", mark).expect("the same"), b"an invoice");
        for (bad, why) in [
            ("../secret", "not within"),
            ("/etc/passwd", "not within"),
            ("2026/../2026/a.pdf", "not within"),
            ("", "not within"),
            ("link", "symbolic link"),
            ("b.pdf", "no such file"),
            ("2026", "no regular file"),
            ("2026/a.pdf/x", "no file's name"),
            ("a\0b", "no file's name"),
        ] {
            let Err(NoFile::Row(said)) = open(&folder, bad) else { panic!("{bad:?}") };
            assert!(said.contains(why), "{bad:?}: {said}");
        }
        assert!(open(&folder, "years/a.pdf").is_err());
        fs::write(folder.join("2026/a.pdf"), "an Invoice").expect("written");
        fs::rename(folder.join("2026/a.pdf"), folder.join("2026/b.pdf")).expect("renamed");
        fs::write(folder.join("2026/a.pdf"), "an invoice").expect("written");
        let Err(NoFile::Row(said)) = read(&folder, "2026/a.pdf", mark) else { panic!("it is another") };
        assert!(said.contains("changed"), "{said}");
        // A folder that is gone is no row's fault.
        assert!(matches!(open(&temp.path().join("none"), "a"), Err(NoFile::Io(_))));
        for bad in ["", "1 2", "1 2 x", "1 2 3 4"] {
            assert!(bad.parse::<FileMark>().is_err(), "{bad}");
        }
    }
}
