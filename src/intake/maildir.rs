//! The messages of a Maildir (maildir(5)): what lies in `new/` and `cur/` and is no folder.
//! Messages are read and left as they are; what is no regular file is refused when it is opened or read, not passed over
//! without a word.

use std::fs::{DirEntry, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The paths of a Maildir's messages, `new` first, as the folders list them: memory does not grow with their number.
pub fn messages(dir: &Path) -> io::Result<impl Iterator<Item = io::Result<PathBuf>>> {
    let (new, cur) = (std::fs::read_dir(dir.join("new"))?, std::fs::read_dir(dir.join("cur"))?);
    let is_message = |entry: &DirEntry| -> io::Result<bool> {
        Ok(!entry.file_type()?.is_dir() && !entry.file_name().as_encoded_bytes().starts_with(b"."))
    };
    Ok(new.chain(cur).filter_map(move |entry| {
        let path = entry.and_then(|entry| Ok(is_message(&entry)?.then(|| entry.path())));
        path.transpose()
    }))
}

/// Opens one of them, never through a link.
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK).open(path)
}
