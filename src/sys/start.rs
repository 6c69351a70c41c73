//! The program's beginning and its end, in place of the standard library's own: that one reads /proc/self/maps and sets up
//! a second stack, only to name an overflow of the first before the kernel ends the process, and it does so for each message
//! that the sendmail face takes.
//!
//! Lost besides are that line itself, and the thread's name in the line of a panic.
//!
//! What holds, as there: the descriptors 0 to 2 are open, so that no file of the spool becomes the standard error; a write
//! to a closed pipe is an error and no signal; a panic ends with 101.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use super::{process, signals};

/// The status of a program that has panicked.
const PANICKED: i32 = 101;

/// Makes `$main` what the program does, of its arguments, for a crate that is `no_main`. Its result is the exit status.
#[macro_export]
macro_rules! begin {
    ($main:path) => {
        /// What the C library calls.
        // SAFETY: no other symbol of this name is linked into a program that is `no_main`.
        #[unsafe(no_mangle)]
        extern "C" fn main(count: std::ffi::c_int, args: *const *const std::ffi::c_char) -> std::ffi::c_int {
            // SAFETY: the C library hands over `count` arguments, which live as long as the process.
            unsafe { $crate::sys::start::run(count, args, $main) }
        }
    };
}

/// Runs `main`, and ends the process.
///
/// # Safety
/// `args` are `count` NUL-terminated strings. The process has one thread.
pub unsafe fn run(count: c_int, args: *const *const c_char, main: fn(&[OsString]) -> u8) -> ! {
    open_standard_files();
    signals::ignore_closed_pipes();
    // SAFETY: by the contract above.
    let arg = |at| unsafe { CStr::from_ptr(*args.add(at)) };
    let args: Vec<OsString> =
        (0..usize::try_from(count).unwrap_or(0)).map(|at| OsStr::from_bytes(arg(at).to_bytes()).to_owned()).collect();
    let status = std::panic::catch_unwind(|| main(&args)).map_or(PANICKED, i32::from);
    // What is left in the buffer of the standard output is written.
    std::process::exit(status)
}

/// Opens /dev/null in the place of each of the descriptors 0 to 2 that is closed. Where that fails nothing can be done
/// safely, and the process ends.
fn open_standard_files() {
    let standard = |fd| nix::libc::pollfd { fd, events: 0, revents: 0 };
    let mut files = [standard(0), standard(1), standard(2)];
    loop {
        // SAFETY: these are three valid structures; poll(2) takes any number as a descriptor.
        match Errno::result(unsafe { nix::libc::poll(files.as_mut_ptr(), 3, 0) }) {
            Ok(0) => return,
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            // Where fewer than three descriptors are allowed (RLIMIT_NOFILE) it takes no three.
            Err(Errno::EINVAL) => {
                for file in &mut files {
                    // SAFETY: this reads a flag; any number may be given.
                    let is_open = unsafe { nix::libc::fcntl(file.fd, nix::libc::F_GETFD) } != -1;
                    file.revents = if is_open { 0 } else { nix::libc::POLLNVAL };
                }
                break;
            }
            Err(_) => process::exit_now(crate::model::Exit::OsErr.code()),
        }
    }
    for file in files.iter().filter(|file| file.revents & nix::libc::POLLNVAL != 0) {
        // SAFETY: the path is NUL-terminated. The lowest free descriptor is this one, for those below are open.
        if unsafe { nix::libc::open(c"/dev/null".as_ptr(), nix::libc::O_RDWR) } != file.fd {
            process::exit_now(crate::model::Exit::OsErr.code());
        }
    }
}
