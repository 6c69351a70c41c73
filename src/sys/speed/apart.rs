//! Folders that lie far from one another on the disk.

use std::fs::File;
use std::os::fd::AsRawFd;

/// Asks the file system to keep the folders that will be made in `dir` far from one another: attribute T of chattr(1),
/// which ext4 knows. Files lie near their folder; and ext4 without a journal looks at every inode near it that was freed
/// in the last minutes before it takes one, so that a new batch would be slow beside those that have just been sent.
///
/// A hint: where it is not known nothing happens.
pub fn keep_apart(dir: &File) {
    const TOP: nix::libc::c_int = 0x0002_0000;
    let (fd, mut flags): (_, nix::libc::c_int) = (dir.as_raw_fd(), 0);
    // SAFETY: each call reads or writes one int, which lives as long as the call (ioctl_iflags(2)).
    unsafe {
        if nix::libc::ioctl(fd, nix::libc::FS_IOC_GETFLAGS, &raw mut flags) == 0 {
            flags |= TOP;
            nix::libc::ioctl(fd, nix::libc::FS_IOC_SETFLAGS, &raw const flags);
        }
    }
}
