//! POSIX access control lists (acl(5)): a file that one more user may read.
//!
//! The list is the extended attribute `system.posix_acl_access` in the form of <linux/posix_acl_xattr.h>: a version, then
//! entries of a tag, permissions and a user's number, all little-endian. The kernel checks it at each open.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

const NAME: &std::ffi::CStr = c"system.posix_acl_access";
const VERSION: u32 = 2;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// The number in entries that are about nobody in particular.
const NOBODY: u32 = u32::MAX;
const READ: u16 = 4;
const WRITE: u16 = 2;

/// Lets the user `uid` read `file`, its owner read and write it, and nobody else do anything with it.
///
/// Errors: `Unsupported` where the file system has no such lists; `InvalidInput` for a user whom it cannot name.
pub fn readable_by(file: &File, uid: u32) -> io::Result<()> {
    let list = list(uid);
    // SAFETY: the name is NUL-terminated, and name and value live over the call, which copies both (fsetxattr(2)).
    let set = unsafe { nix::libc::fsetxattr(file.as_raw_fd(), NAME.as_ptr(), list.as_ptr().cast(), list.len(), 0) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn list(uid: u32) -> Vec<u8> {
    let entries = [
        (USER_OBJ, READ | WRITE, NOBODY),
        (USER, READ, uid),
        (GROUP_OBJ, 0, NOBODY),
        (MASK, READ, NOBODY),
        (OTHER, 0, NOBODY),
    ];
    let mut list = VERSION.to_le_bytes().to_vec();
    for (tag, permissions, who) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(who.to_le_bytes());
    }
    list
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_list_is_as_the_kernel_has_it() {
        let list = list(0x0102_0304);
        assert_eq!(list.len(), 4 + 5 * 8);
        assert_eq!(list[..4], [2, 0, 0, 0]);
        assert_eq!(list[12..20], [2, 0, 4, 0, 4, 3, 2, 1]);
    }

    #[test]
    fn the_kernel_takes_it_and_the_mask_shows_in_the_mode() {
        let file = tempfile::tempfile().expect("a file");
        match readable_by(&file, 7_001) {
            Ok(()) => assert_eq!(file.metadata().expect("a file").permissions().mode() & 0o7777, 0o640),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}"),
        }
    }
}
