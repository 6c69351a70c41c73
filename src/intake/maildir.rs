//! The messages of a Maildir (maildir(5)): what lies in `new/` and `cur/` and is no folder.
//! Messages are read and left as they are; what is no regular file is refused when it is opened or read, not passed over
//! without a word.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The paths of a Maildir's messages, `new` first, by name, that is by age.
pub fn messages(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for folder in ["new", "cur"] {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir.join(folder))? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() && !entry.file_name().as_encoded_bytes().starts_with(b".") {
                found.push(entry.path());
            }
        }
        found.sort();
        paths.append(&mut found);
    }
    Ok(paths)
}

/// Opens one of them, never through a link.
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK).open(path)
}
