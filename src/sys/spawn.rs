//! Starting a command, as cheaply as the kernel allows.
//!
//! The child borrows our memory until it execs (clone(2) with CLONE_VM and CLONE_VFORK, as posix_spawn(3) has it), on a
//! stack that is kept from one start to the next. posix_spawn itself asks for the disposition of all 64 signals at each
//! start and maps a new stack; measured on the drain of small messages, that is 8 % of the whole.
//!
//! A worker may stay on one processor ([`one_cpu`]); the command gets all of them back.
//!
//! What holds: all signals are blocked while the child is on our memory; it resets the handlers that this program
//! installs before it unblocks them, so no handler of ours ever runs in it; it makes system calls only.

use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};

use super::speed::one_cpu;

/// Bytes of the child's stack: it holds a few frames of system call wrappers.
const STACK: usize = 64 << 10;

/// The signals whose dispositions differ from the default in this program.
const CHANGED: [Signal; 7] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGCHLD,
    Signal::SIGALRM,
    Signal::SIGPIPE,
    Signal::SIGXFSZ,
];

/// Starts commands, one after the other.
pub struct Spawner {
    // In units of 16 bytes, which is a stack's alignment.
    stack: Box<[u128]>,
    /// Whether the kernel kills the command when we end.
    tied: bool,
}

impl std::fmt::Debug for Spawner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Spawner")
    }
}

impl Default for Spawner {
    fn default() -> Spawner {
        Spawner { stack: vec![0; STACK / 16].into_boxed_slice(), tied: false }
    }
}

/// What the child needs; it lies in the parent's memory, which stands still meanwhile.
struct ChildArgs {
    argv: *const *const c_char,
    environ: *const *const c_char,
    input: c_int,
    output: c_int,
    errors: c_int,
    mask: libc::sigset_t,
    /// Our pid, if the command is to be killed when we end; else 0.
    parent: libc::pid_t,
    /// The processors that the command may use; null leaves ours.
    cpus: *const libc::cpu_set_t,
    /// Why exec failed; written by the child.
    error: c_int,
}

unsafe extern "C" {
    static environ: *const *const c_char;
}

impl Spawner {
    /// One whose commands get KILL from the kernel when this process ends, however it ends (PR_SET_PDEATHSIG of prctl(2)).
    pub fn tied() -> Spawner {
        Spawner { tied: true, ..Spawner::default() }
    }

    /// Starts the program `args[0]` with these arguments, `environment` or else our own, `input` as its standard input, `output` as its
    /// standard output and `errors` as its standard error, as the leader of a process group of its own. Returns its pid.
    ///
    /// Errors: those of clone(2) and execve(2), and an argument with a NUL byte.
    pub fn start(
        &mut self,
        args: &[CString],
        environment: Option<&[CString]>,
        input: &impl AsRawFd,
        output: &impl AsRawFd,
        errors: &impl AsRawFd,
    ) -> io::Result<i32> {
        let mut argv: Vec<*const c_char> = args.iter().map(|arg| arg.as_ptr()).collect();
        if argv.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        argv.push(ptr::null());
        let envp = environment.map(|all| all.iter().map(|one| one.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>());
        let mut before = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before))?;
        let mut order = ChildArgs {
            argv: argv.as_ptr(),
            // SAFETY: the process has one thread, so nobody changes the environment meanwhile.
            environ: envp.as_ref().map_or(unsafe { environ }, |envp| envp.as_ptr()),
            input: input.as_raw_fd(),
            output: output.as_raw_fd(),
            errors: errors.as_raw_fd(),
            mask: *SigSet::empty().as_ref(),
            parent: if self.tied { nix::unistd::getpid().as_raw() } else { 0 },
            cpus: one_cpu::all_cpus().map_or(ptr::null(), ptr::from_ref),
            error: 0,
        };
        let top = self.stack.as_mut_ptr_range().end;
        // SAFETY: `top` is the aligned end of a stack that outlives the call; CLONE_VFORK keeps us waiting until the child
        // has left our memory by exec or exit, so `order` and all it points to live as long as the child looks at them.
        let pid = unsafe {
            libc::clone(
                child,
                top.cast::<c_void>(),
                libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
                ptr::from_mut(&mut order).cast::<c_void>(),
            )
        };
        let started = Errno::result(pid);
        // SAFETY: `order` is ours again; the child wrote it through the pointer it was given.
        let error = unsafe { ptr::read_volatile(&raw const order.error) };
        pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
        let pid = started?;
        if error != 0 {
            let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None);
            return Err(io::Error::from_raw_os_error(error));
        }
        Ok(pid)
    }
}

/// The child, on our memory: nothing here allocates, locks or unwinds.
extern "C" fn child(order: *mut c_void) -> c_int {
    let order = order.cast::<ChildArgs>();
    // SAFETY: the pointer is to the parent's ChildArgs, which lives until we exec or exit; all calls are async-signal-safe
    // system calls on descriptors and structures that it holds.
    unsafe {
        let mut plain: libc::sigaction = std::mem::zeroed();
        plain.sa_sigaction = libc::SIG_DFL;
        for signal in CHANGED {
            libc::sigaction(signal as c_int, &plain, ptr::null_mut());
        }
        libc::setpgid(0, 0);
        if (*order).parent != 0 {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            // We may have ended before that.
            if libc::getppid() != (*order).parent {
                libc::_exit(127);
            }
        }
        if !(*order).cpus.is_null() {
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), (*order).cpus);
        }
        let ready = libc::dup2((*order).input, 0) >= 0
            && libc::dup2((*order).output, 1) >= 0
            && libc::dup2((*order).errors, 2) >= 0
            && libc::sigprocmask(libc::SIG_SETMASK, &(*order).mask, ptr::null_mut()) == 0;
        if ready {
            libc::execve(*(*order).argv, (*order).argv, (*order).environ);
        }
        (*order).error = *libc::__errno_location();
        libc::_exit(127)
    }
}
