//! No room: a disk or a quota that is full, and a file-size limit (RLIMIT_FSIZE) that is reached. All three mean the same to
//! whoever writes: not now, and nothing is wrong with what was to be written.
//!
//! A write beyond the limit is an error only where SIGXFSZ is ignored ([`super::signals::ignore_file_limit`]); else it
//! would end the process.

use std::io;

use nix::sys::resource::{Resource, getrlimit};

/// Whether `error` says that there is no room.
pub fn is_lacking(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// The most bytes that a file of this process may have.
pub fn file_limit() -> u64 {
    getrlimit(Resource::RLIMIT_FSIZE).map_or(u64::MAX, |(soft, _)| soft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_a_full_quota_and_a_reached_limit_are_one() {
        use nix::libc::{EDQUOT, EFBIG, EIO, ENOSPC, EROFS};
        for errno in [ENOSPC, EDQUOT, EFBIG] {
            assert!(is_lacking(&io::Error::from_raw_os_error(errno)), "{errno}");
        }
        for errno in [EIO, EROFS] {
            assert!(!is_lacking(&io::Error::from_raw_os_error(errno)), "{errno}");
        }
    }
}
