//! Forking, waiting, and what ties a child to its parent.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Exited(i32),
    Signalled(i32),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::Exited(code) => write!(f, "exit status {code}"),
            Ended::Signalled(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Forks a child that runs `child` and ends with its result through `_exit`; the parent gets the child's pid.
///
/// The process must have one thread. The child gets TERM when its parent dies, also if that happens during the fork,
/// and is the leader of a process group of its own, so that a terminal's Ctrl-C reaches the parent alone.
pub fn fork(child: impl FnOnce() -> u8) -> io::Result<i32> {
    if threads() != 1 {
        return Err(io::Error::other("internal fault: a process with several threads must not fork"));
    }
    let parent = nix::unistd::getpid();
    // SAFETY: this process has one thread, so the child's memory is consistent and it may do anything.
    match unsafe { nix::unistd::fork()? } {
        ForkResult::Parent { child } => Ok(child.as_raw()),
        ForkResult::Child => {
            // A failure of either leaves a child that works, only less well tied.
            let _ = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
            let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGTERM);
            if nix::unistd::getppid() != parent {
                exit_now(0);
            }
            // A panic must not unwind into the parent's frames, which the child only borrowed.
            exit_now(catch_unwind(AssertUnwindSafe(child)).unwrap_or(crate::model::Exit::Software.code()))
        }
    }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// Ends this process at once: no destructors, no buffers of the parent's flushed a second time.
pub fn exit_now(status: u8) -> ! {
    // SAFETY: _exit(2) ends the process and touches nothing of ours.
    unsafe { nix::libc::_exit(i32::from(status)) }
}

/// The next child that has ended, without waiting.
pub fn reap() -> io::Result<Option<(i32, Ended)>> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => return Ok(Some((pid.as_raw(), Ended::Exited(code)))),
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                return Ok(Some((pid.as_raw(), Ended::Signalled(signal as i32))));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(None),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Whether the child `pid` has ended; it is waited for, if it has, and is nobody's child any more.
pub fn has_ended(pid: i32) -> bool {
    match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(Errno::ECHILD) => true,
        Ok(_) | Err(_) => false,
    }
}

/// What a child is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Send {
    /// Finish what is in hand, then end.
    Term,
    /// Stop now.
    Quit,
    Kill,
}

/// Sends a signal to one of our children; one that has ended is no error.
pub fn send(pid: i32, what: Send) {
    let _ = kill(Pid::from_raw(pid), signal_of(what));
}

/// Sends a signal to a whole process group.
pub fn send_group(leader: i32, what: Send) {
    let _ = nix::sys::signal::killpg(Pid::from_raw(leader), signal_of(what));
}

fn signal_of(what: Send) -> Signal {
    match what {
        Send::Term => Signal::SIGTERM,
        Send::Quit => Signal::SIGQUIT,
        Send::Kill => Signal::SIGKILL,
    }
}

/// Whether a process with this pid exists on this host.
pub fn exists(pid: u32) -> bool {
    i32::try_from(pid).is_ok_and(|pid| !matches!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH)))
}

/// The real user id of this process.
pub fn real_uid() -> u32 {
    nix::unistd::getuid().as_raw()
}

/// The user id that this process acts as.
pub fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

pub fn is_root() -> bool {
    effective_uid() == 0
}

/// How many files this process may have open (RLIMIT_NOFILE of getrlimit(2)).
pub fn files_max() -> usize {
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE);
    limit.map_or(256, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX))
}

/// From now on files are made for their owner alone (umask 077).
pub fn private_umask() {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
}

/// Lets other processes go first from now on (nice(2)).
pub fn lower_priority() {
    // SAFETY: it takes a number and touches no memory. If it fails, the priority stays.
    unsafe { nix::libc::nice(10) };
}

/// This host's name, as it was when it was first asked for; "localhost" where it has none.
pub fn host_name() -> String {
    static NAME: OnceLock<String> = OnceLock::new();
    let name = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    NAME.get_or_init(|| name().filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())).clone()
}
