//! Reading what is needed next while something else is done.

use std::os::fd::AsFd;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::sys::dir::{Open, open_file};

/// Has the kernel read the beginning of a file from the disk, without waiting for it. In vain for what is no regular file.
pub fn read_ahead(dir: impl AsFd, path: &str, len: i64) {
    if let Ok(file) = open_file(dir, path, Open::Read) {
        let _ = posix_fadvise(&file, 0, len, PosixFadviseAdvice::POSIX_FADV_WILLNEED);
    }
}
