//! Signals as events that a poll loop can wait for.
//!
//! A handler adds to a counter and writes one byte into a pipe; both are async-signal-safe. No signal is ever blocked,
//! because a blocked one would stay blocked in a spawned sendmail, and our own TERM to it would do nothing.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static PIPE: AtomicI32 = AtomicI32::new(-1);
static TERM: AtomicU32 = AtomicU32::new(0);
static QUIT: AtomicU32 = AtomicU32::new(0);

extern "C" fn note(signal: i32) {
    match signal {
        s if s == Signal::SIGTERM as i32 || s == Signal::SIGINT as i32 => {
            TERM.fetch_add(1, Ordering::Relaxed);
        }
        s if s == Signal::SIGQUIT as i32 => {
            QUIT.fetch_add(1, Ordering::Relaxed);
        }
        _ => {}
    }
    let fd = PIPE.load(Ordering::Relaxed);
    if fd >= 0 {
        let saved = Errno::last_raw();
        // SAFETY: the descriptor is the pipe's writing end, open as long as PIPE names it; write(2) is
        // async-signal-safe, and a full pipe (it is non-blocking) already holds the news.
        let _ = nix::unistd::write(unsafe { BorrowedFd::borrow_raw(fd) }, b"!");
        Errno::set_raw(saved);
    }
}

extern "C" fn tick(_signal: i32) {}

/// From now on a write beyond the file-size limit (RLIMIT_FSIZE) fails with EFBIG, which [`super::room`] knows, and ends
/// nobody. A spawned command has its own way again ([`super::spawn`]).
pub fn ignore_file_limit() {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: ignoring a signal runs no code of ours. It fails only for signals that do not exist.
    let _ = unsafe { sigaction(Signal::SIGXFSZ, &ignore) };
}

/// From now on a write to a pipe or a connection that nobody reads any more fails with EPIPE, and ends nobody.
pub(super) fn ignore_closed_pipes() {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: as above.
    let _ = unsafe { sigaction(Signal::SIGPIPE, &ignore) };
}

/// What this process is told by signals. One a process; a forked child makes its own.
pub struct Signals {
    reader: File,
    /// The handler's end.
    writer: File,
}

impl Drop for Signals {
    fn drop(&mut self) {
        // The handler must not write into whatever file has this number next.
        let _ = PIPE.compare_exchange(self.writer.as_raw_fd(), -1, Ordering::Relaxed, Ordering::Relaxed);
    }
}

impl Signals {
    /// Takes over TERM, INT and QUIT, and CHLD for one who waits for forked children. What came before
    /// stays counted: a forked child that is told to stop before it gets here still knows.
    pub fn install(children: bool) -> io::Result<Signals> {
        // Whoever launched us may have blocked some: we would wait for them in vain, and so would our sendmails.
        SigSet::empty().thread_set_mask()?;
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        PIPE.store(writer.as_raw_fd(), Ordering::Relaxed);
        let action = SigAction::new(SigHandler::Handler(note), SaFlags::empty(), SigSet::empty());
        let plain = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGCHLD] {
            let taken = children || signal != Signal::SIGCHLD;
            // SAFETY: `note` only touches atomics and writes to a pipe.
            unsafe { sigaction(signal, if taken { &action } else { &plain })? };
        }
        // A closed terminal or pager ends us no differently than any failed write does.
        let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
        // SAFETY: ignoring a signal runs no code of ours.
        unsafe { sigaction(Signal::SIGPIPE, &ignore)? };
        Ok(Signals { reader: File::from(reader), writer: File::from(writer) })
    }

    /// From now on a signal comes at least this often, so that a call that waits is interrupted and looks at its clock.
    /// A spawned command inherits no timer (setitimer(2)).
    pub fn tick(&self, every: Duration) -> io::Result<()> {
        // Without SA_RESTART: being interrupted is what it is for.
        let action = SigAction::new(SigHandler::Handler(tick), SaFlags::empty(), SigSet::empty());
        // SAFETY: `tick` does nothing.
        unsafe { sigaction(Signal::SIGALRM, &action)? };
        let micros = nix::libc::suseconds_t::from(every.subsec_micros());
        let every = nix::libc::timeval { tv_sec: every.as_secs().cast_signed(), tv_usec: micros };
        let timer = nix::libc::itimerval { it_interval: every, it_value: every };
        // SAFETY: the timer is a valid structure that lives over the call, and no old one is asked for.
        Errno::result(unsafe { nix::libc::setitimer(nix::libc::ITIMER_REAL, &timer, std::ptr::null_mut()) })?;
        Ok(())
    }

    /// Whether TERM, INT or QUIT came: nothing more is begun.
    pub fn stop_requested(&self) -> bool {
        self.terms() > 0 || self.quit()
    }

    /// How often TERM or INT came.
    pub fn terms(&self) -> u32 {
        TERM.load(Ordering::Relaxed)
    }

    /// Whether QUIT came: stop now.
    pub fn quit(&self) -> bool {
        QUIT.load(Ordering::Relaxed) > 0
    }

    /// Waits for a signal, for `other` to become readable, or for the time to pass; `true` if `other` is readable.
    pub fn wait(&self, other: Option<BorrowedFd<'_>>, at_most: Duration) -> io::Result<bool> {
        let mut fds = vec![PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
        fds.extend(other.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        // Rounded up, so that a caller waiting for a deadline does not spin through its last millisecond.
        let millis = at_most.as_micros().div_ceil(1_000);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let readable = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
        let (signalled, ready) = (readable(&fds[0]), fds.get(1).is_some_and(readable));
        if signalled {
            let mut drained = [0u8; 64];
            while matches!((&self.reader).read(&mut drained), Ok(n) if n > 0) {}
        }
        Ok(ready)
    }
}
