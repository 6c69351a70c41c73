//! Numbers that nobody can guess, from the kernel.

use std::fs::File;
use std::io::Read;

use nix::errno::Errno;

/// A random number; `None` where the kernel has none to give.
pub fn number() -> Option<u64> {
    let mut bytes = [0u8; 8];
    loop {
        // SAFETY: the buffer is as long as is said. Before the pool is initialised (early boot) this waits, and a signal may
        // end the wait; afterwards these few bytes always come whole.
        let got = unsafe { nix::libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        match Errno::result(got) {
            Ok(got) => return (usize::try_from(got) == Ok(bytes.len())).then(|| u64::from_ne_bytes(bytes)),
            Err(Errno::EINTR) => {}
            // An old kernel, or a filter of system calls.
            Err(Errno::ENOSYS) => {
                let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
                return read.ok().map(|()| u64::from_ne_bytes(bytes));
            }
            Err(_) => return None,
        }
    }
}
