//! Where no file lies that a row may attach: in the spool, which has the mail of others, and in a file system that the kernel
//! makes up, as /proc, where files tell of this process.
//!
//! What holds: the folder in which the file lies is looked at, open as it is, and each above it. So no other name of a folder,
//! and none that a person gives to a folder above, leads there.

use std::fs::File;
use std::io;

use crate::sys::dir::{self, Identity};

/// The folders of a spool, by what tells one folder from all others.
#[derive(Clone, Copy, Debug)]
pub struct OffLimits {
    queue: Identity,
    spool: Identity,
}

impl OffLimits {
    /// The spool that the folder `queue` of a queue is in.
    pub fn of_queue(queue: &File) -> io::Result<OffLimits> {
        Ok(OffLimits { queue: dir::identity(queue)?, spool: dir::identity(&dir::parent(queue)?)? })
    }

    /// The spool that the folder `job` of a job is in.
    pub(super) fn of_job(job: &File) -> io::Result<OffLimits> {
        OffLimits::of_queue(&dir::parent(&dir::parent(job)?)?)
    }

    /// Looks whether a file in `folder` may be attached.
    ///
    /// Errors: those of the calls; it may not (`PermissionDenied` without a number of the system's).
    pub fn look(&self, folder: &File) -> io::Result<()> {
        let refuse = |why| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        if dir::is_made_up(folder)? {
            return refuse("the kernel makes up what is there; nothing of it is attached");
        }
        let mut here = dir::identity(folder)?;
        let mut above = dir::parent(folder)?;
        loop {
            if here == self.queue || here == self.spool {
                return refuse("it lies in the spool, among the mail of others; nothing of it is attached");
            }
            let next = dir::identity(&above)?;
            // The root is its own parent.
            if next == here {
                return Ok(());
            }
            (here, above) = (next, dir::parent(&above)?);
        }
    }
}

/// Whether `error` is a refusal of [`OffLimits::look`].
pub fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spool::Spool;

    #[test]
    fn the_spool_and_what_the_kernel_makes_up_are_off_limits_by_any_name() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let spool = temp.path().join("spool");
        let queue = Spool::create(&spool).and_then(|spool| spool.queue("outbound")).expect("a queue");
        let off = queue.off_limits().expect("a look");
        std::os::unix::fs::symlink(&spool, temp.path().join("link")).expect("a link");
        let job = queue.path("tmp").join("job");
        std::fs::create_dir(&job).expect("a folder");
        let of_job = OffLimits::of_job(&dir::open(&job).expect("a folder")).expect("a look");
        let own = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&queue.dir));
        for off in [off, of_job] {
            let look = |path: &Path| off.look(&dir::open_path(path).expect("a folder"));
            for bad in [&spool, &queue.path("tmp"), &queue.path(""), &temp.path().join("link/drop")] {
                if bad.exists() {
                    assert!(is_refusal(&look(bad).expect_err("the spool")), "{}", bad.display());
                }
            }
            for bad in ["/proc", "/proc/self", "/sys", &own] {
                assert!(is_refusal(&look(Path::new(bad)).expect_err(bad)), "{bad}");
            }
            for good in [temp.path(), Path::new("/"), Path::new("/etc")] {
                look(good).expect("nothing is against it");
            }
        }
    }
}
