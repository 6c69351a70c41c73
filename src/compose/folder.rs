//! Reads a template from disk.
//!
//! What holds: no symbolic link within the folder is followed, nothing but regular files is read, and never more than
//! [`BYTES_MAX`] and ten thousand files. Hidden files and those that end with `~` are passed over.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::sources::{BYTES_MAX, EML, Sources};
use crate::sys::dir::{self, Names, Open};

/// A template that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{}: cannot read the template: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: {what}", path.display())]
    Refused { path: PathBuf, what: &'static str },
}

/// The most files of a template.
const FILES_MAX: usize = 10_000;
/// The folders of a template.
const FOLDERS: [&str; 2] = ["attachments", "inline"];

impl Sources {
    /// Reads a folder, or one message.
    ///
    /// Errors: something cannot be read, is a link or no file, or all is larger than [`BYTES_MAX`].
    pub fn read(path: &Path) -> Result<Sources, ReadError> {
        let io = |source| ReadError::Io { path: path.to_owned(), source };
        // Opening a pipe would wait for its writer.
        let top = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).map_err(io)?;
        let kind = top.metadata().map_err(io)?.file_type();
        let mut reading = Reading { path, files: BTreeMap::new(), left: BYTES_MAX };
        if kind.is_dir() {
            reading.folder(&top, "")?;
        } else if kind.is_file() {
            reading.file(&top, EML.to_owned())?;
        } else {
            return Err(reading.refused("", "a template is a folder or a message's file"));
        }
        Ok(Sources::new(reading.files))
    }
}

struct Reading<'p> {
    path: &'p Path,
    files: BTreeMap<String, Vec<u8>>,
    left: u64,
}

impl Reading<'_> {
    fn folder(&mut self, folder: &File, within: &str) -> Result<(), ReadError> {
        let names = Names::open(folder, ".").map_err(|source| self.io(within, source))?;
        for name in names {
            let name = name.map_err(|source| self.io(within, source))?;
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            let whole = if within.is_empty() { name.clone() } else { format!("{within}/{name}") };
            if within.is_empty() && FOLDERS.contains(&name.as_str()) {
                let inner = dir::open_at(folder, &name).map_err(|source| self.io(&whole, source))?;
                self.folder(&inner, &name)?;
                continue;
            }
            let file = dir::open_file(folder, &name, Open::Read).map_err(|source| match source.raw_os_error() {
                Some(code) if code == nix::errno::Errno::ELOOP as i32 => {
                    self.refused(&whole, "it is a symbolic link, and none is followed: copy the file")
                }
                Some(_) | None => self.io(&whole, source),
            })?;
            self.file(&file, whole)?;
        }
        Ok(())
    }

    fn file(&mut self, file: &File, name: String) -> Result<(), ReadError> {
        let found = file.metadata().map_err(|source| self.io(&name, source))?;
        if !found.is_file() {
            return Err(self.refused(&name, "it is no regular file: attachments/ and inline/ are the only folders"));
        }
        if self.files.len() >= FILES_MAX {
            return Err(self.refused(&name, "with it the template has more than 10000 files"));
        }
        let mut bytes = Vec::new();
        file.take(self.left + 1).read_to_end(&mut bytes).map_err(|source| self.io(&name, source))?;
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| self.refused(&name, "with it the template is larger than 64 MiB"))?;
        self.files.insert(name, bytes);
        Ok(())
    }

    fn io(&self, name: &str, source: io::Error) -> ReadError {
        ReadError::Io { path: self.path.join(name), source }
    }

    fn refused(&self, name: &str, what: &'static str) -> ReadError {
        ReadError::Refused { path: self.path.join(name), what }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_folder_is_read_and_no_link_is_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        fs::create_dir(path.join("attachments")).expect("a folder");
        for (name, text) in
            [("headers", "From: a@x.org\n"), ("text.de", "x"), ("attachments/a.pdf", "y"), (".b", ""), ("c~", "")]
        {
            fs::write(path.join(name), text).expect("a file");
        }
        let sources = Sources::read(path).expect("a template");
        assert_eq!(sources.files().keys().collect::<Vec<_>>(), ["attachments/a.pdf", "headers", "text.de"]);
        std::os::unix::fs::symlink("/etc/passwd", path.join("footer")).expect("a link");
        let error = Sources::read(path).expect_err("a link").to_string();
        assert!(error.contains("footer: it is a symbolic link"), "{error}");
        fs::remove_file(path.join("footer")).expect("a link");
        fs::create_dir(path.join("other")).expect("a folder");
        let error = Sources::read(path).expect_err("a folder").to_string();
        assert!(error.contains("no regular file"), "{error}");
        fs::remove_dir(path.join("other")).expect("a folder");
        nix::unistd::mkfifo(&path.join("text"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let error = Sources::read(path).expect_err("a pipe").to_string();
        assert!(error.contains("no regular file"), "{error}");
        assert!(Sources::read(&path.join("text")).is_err());
        assert!(Sources::read(Path::new("/dev/null")).is_err() && Sources::read(&path.join("none")).is_err());
    }

    #[test]
    fn a_message_is_read_as_one_file() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("x.eml"), "From: a@x.org\n\nx").expect("a file");
        let sources = Sources::read(&folder.path().join("x.eml")).expect("a template");
        assert_eq!(sources.files().keys().collect::<Vec<_>>(), [EML]);
    }
}
