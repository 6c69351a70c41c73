//! The file that a row attaches: found beneath the template's folder for attachments, and the same at the sending as it was
//! at the check.
//!
//! A file that cannot be read for another reason than its name keeps its row waiting, and no other.
//!
//! What holds: no link is followed beneath the folder, nothing but a regular file is read, a name never leads out of it, and
//! none into the spool or a file system that the kernel makes up ([`off_limits`]). A file that was changed or replaced since
//! it was noted is not sent.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::str::FromStr;

use super::off_limits::{self, OffLimits};
use crate::sys::dir;

/// The column that has the [`FileMark`] of a row's attachment, behind those of the source. No template names it: it has a
/// blank.
pub const MARK: &str = "attachment mark";

/// What tells one state of a file from another: inode, bytes, and in nanoseconds since 1970 when its content and its inode
/// were changed last. Anybody may set the first of these times, and only the kernel the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMark {
    inode: u64,
    pub bytes: u64,
    modified: i128,
    /// `None`: the mark was made before this was noted.
    changed: Option<i128>,
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
    /// That of an open file.
    pub fn of(about: &Metadata) -> FileMark {
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        FileMark {
            inode: about.ino(),
            bytes: about.size(),
            modified: nanos(about.mtime(), about.mtime_nsec()),
            changed: Some(nanos(about.ctime(), about.ctime_nsec())),
        }
    }

    /// Whether a file of this mark is the one that was `noted`, as far as that says.
    pub fn is_same(self, noted: FileMark) -> bool {
        FileMark { changed: noted.changed.and(self.changed), ..self } == noted
    }
}

impl fmt::Display for FileMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.inode, self.bytes, self.modified)?;
        self.changed.map_or(Ok(()), |changed| write!(f, " {changed}"))
    }
}

impl FromStr for FileMark {
    type Err = ();

    fn from_str(text: &str) -> Result<FileMark, ()> {
        let mut parts = text.split(' ');
        let mut next = || parts.next().ok_or(());
        let (inode, bytes, modified) = (next()?, next()?, next()?);
        let changed = parts.next();
        let mark = FileMark {
            inode: inode.parse().map_err(drop)?,
            bytes: bytes.parse().map_err(drop)?,
            modified: modified.parse().map_err(drop)?,
            changed: changed.map(|changed| changed.parse().map_err(drop)).transpose()?,
        };
        if parts.next().is_none() { Ok(mark) } else { Err(()) }
    }
}

/// Opens the file `name` beneath `folder`, and notes its state.
///
/// Errors: the row's, if there is no such file, it lies elsewhere, is a link or no regular file, or cannot be read now.
pub fn open(folder: &Path, name: &str, off: &OffLimits) -> Result<(File, FileMark), NoFile> {
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
    off.look(&within).map_err(|error| match off_limits::is_refusal(&error) {
        true => row(&error.to_string()),
        false => later(name, &error),
    })?;
    let file = dir::open_file(&within, last, dir::Open::Read).map_err(of_row)?;
    let about = file.metadata().map_err(|error| later(name, &error))?;
    if !about.is_file() {
        return Err(row("it is no regular file"));
    }
    let mark = FileMark::of(&about);
    Ok((file, mark))
}

fn later(name: &str, error: &io::Error) -> NoFile {
    NoFile::Later(format!("attachment {name:?}: it cannot be read: {error}"))
}

/// Reads the file `name` beneath `folder`, whose state was `noted`.
///
/// Errors: the row's, if it is another by now.
pub fn read(folder: &Path, name: &str, noted: FileMark, off: &OffLimits) -> Result<Vec<u8>, NoFile> {
    let (file, found) = open(folder, name, off)?;
    let changed = || NoFile::Row(format!("attachment {name:?}: it was changed since it was checked"));
    if !found.is_same(noted) {
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
        fs::create_dir_all(temp.path().join("spool/outbound")).expect("a folder");
        fs::write(temp.path().join("spool/outbound/other.msg"), "x").expect("written");
        let queue = dir::open(&temp.path().join("spool/outbound")).expect("a folder");
        let off = OffLimits::of_queue(&queue).expect("a look");
        let (_, mark) = open(&folder, "2026/a.pdf", &off).expect("it is there");
        assert_eq!(mark.to_string().parse(), Ok(mark));
        assert_eq!(read(&folder, "2026/a.pdf", mark, &off).expect("the same"), b"an invoice");
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
            let Err(NoFile::Row(said)) = open(&folder, bad, &off) else { panic!("{bad:?}") };
            assert!(said.contains(why), "{bad:?}: {said}");
        }
        assert!(open(&folder, "years/a.pdf", &off).is_err());
        // A folder above the spool is fine, and what is in the spool is not, nor what tells of this process.
        for (above, bad) in [(temp.path(), "spool/outbound/other.msg"), (Path::new("/proc"), "1/environ")] {
            let Err(NoFile::Row(said)) = open(above, bad, &off) else { panic!("{bad:?}") };
            assert!(said.contains("nothing of it is attached"), "{said}");
        }
        // A mark of before, which tells less.
        let text = mark.to_string();
        let old: FileMark = text.rsplit_once(' ').expect("its parts").0.parse().expect("a mark");
        assert!(read(&folder, "2026/a.pdf", old, &off).is_ok() && old != mark);
        // Its time is set back after the same number of bytes was written.
        let meta = fs::metadata(folder.join("2026/a.pdf")).expect("it is there");
        fs::write(folder.join("2026/a.pdf"), "an inVoice").expect("written");
        dir::set_modified(&queue, "../../all/2026/a.pdf", meta.mtime(), meta.mtime_nsec() as u32).expect("set");
        assert!(read(&folder, "2026/a.pdf", old, &off).is_ok());
        assert!(read(&folder, "2026/a.pdf", mark, &off).is_err());
        fs::write(folder.join("2026/a.pdf"), "an Invoice").expect("written");
        fs::rename(folder.join("2026/a.pdf"), folder.join("2026/b.pdf")).expect("renamed");
        fs::write(folder.join("2026/a.pdf"), "an invoice").expect("written");
        let Err(NoFile::Row(said)) = read(&folder, "2026/a.pdf", mark, &off) else { panic!("it is another") };
        assert!(said.contains("changed"), "{said}");
        // A folder that is gone is no row's fault.
        assert!(matches!(open(&temp.path().join("none"), "a", &off), Err(NoFile::Io(_))));
        for bad in ["", "1 2", "1 2 x", "1 2 3 x", "1 2 3 4 5"] {
            assert!(bad.parse::<FileMark>().is_err(), "{bad}");
        }
    }
}
