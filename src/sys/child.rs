//! Running a sendmail: spawn, wait with a deadline, end it if it hangs, keep what it said.
//!
//! What holds: standard input is a file, never a pipe, so that our death in the middle cannot make half a message look
//! whole. Standard output and error share one memory file that is sealed against growth: a flood fails in the child
//! alone, nobody blocks, and a grandchild that keeps it open delays nobody, because the wait is for the process and
//! never for an end of file. (A pidfd and poll would do the same for four more system calls a message, measured at 3 % of
//! the drain.) The child leads a process group of its own, so its helpers end with it.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};

use super::process::{Ended, Send, send_group};
use super::room;
use super::signals::Signals;
use super::spawn::Spawner;

/// The most that is kept of what a child says, in bytes.
const SAID_MAX: u64 = 64 << 10;
/// How long a child may take to end after TERM, and again after KILL.
pub const GRACE: Duration = Duration::from_secs(10);

/// How a run of a command ended.
#[derive(Debug)]
pub enum Finish {
    /// It could not be started.
    NotStarted(io::Error),
    /// It ended by itself.
    Ended(Ended),
    /// It was still running at its deadline, or when we were told to stop now, and was ended by us.
    Stopped { why: &'static str },
    /// How it ended is not known: somebody else took its status. It may have done all of its work.
    Lost(io::Error),
}

/// A finished run, and what the command said on its standard output and error (at most 64 KiB, odd bytes replaced).
#[derive(Debug)]
pub struct Run {
    pub finish: Finish,
    pub said: String,
}

/// A program, its arguments, and what it finds in its environment where that is not ours.
#[derive(Debug)]
pub struct Order {
    pub args: Vec<CString>,
    pub environment: Option<Vec<CString>>,
}

impl Order {
    /// With our environment.
    pub fn plain(args: Vec<CString>) -> Order {
        Order { args, environment: None }
    }
}

/// Runs the program `args[0]` with `input` as its standard input, for at most `timeout`.
pub fn run(spawner: &mut Spawner, order: &Order, input: &File, timeout: Duration, signals: &Signals) -> Run {
    let Order { args, environment } = order;
    let started =
        listen().and_then(|said| Ok((spawner.start(args, environment.as_deref(), input, &said, &said)?, said)));
    let (pid, said) = match started {
        Ok(pair) => pair,
        Err(error) => return Run { finish: Finish::NotStarted(error), said: String::new() },
    };
    let finish = wait(Pid::from_raw(pid), timeout, signals);
    Run { finish, said: read_back(said) }
}

/// The arguments of an exec; `None` if one contains a NUL byte.
pub fn arguments<'a>(args: impl Iterator<Item = &'a str>) -> Option<Vec<CString>> {
    args.map(CString::new).collect::<Result<_, _>>().ok()
}

/// A memory file with `text`, from its beginning, for a child to read.
pub fn input(text: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"input", MFdFlags::MFD_CLOEXEC)?);
    match file.write_all(text) {
        Err(error) if room::is_lacking(&error) => return whole_pipe(text),
        other => other?,
    }
    file.rewind()?;
    Ok(file)
}

/// A pipe with `text` and its end in it: no limit on files holds for it.
///
/// Errors: those of pipe2(2); a text that no pipe of this user takes.
fn whole_pipe(text: &[u8]) -> io::Result<File> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    if let Ok(len) = i32::try_from(text.len()) {
        // It has 64 KiB in any case; one that is too small fails below.
        let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(len));
    }
    File::from(writer).write_all(text)?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::empty()))?;
    Ok(File::from(reader))
}

/// A memory file that takes what a child says; a smaller one where a limit on files is lower, and where that leaves
/// nothing, nothing is kept. It always ends before the limit: the child is refused, and not killed, whatever it says.
pub fn listen() -> io::Result<File> {
    let said = File::from(memfd_create(c"said", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    match said.set_len(SAID_MAX) {
        Err(error) if room::is_lacking(&error) => match room::file_limit().checked_sub(1) {
            Some(len) => said.set_len(len)?,
            None => return OpenOptions::new().write(true).open("/dev/null"),
        },
        other => other?,
    }
    fcntl(&said, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK))?;
    Ok(said)
}

/// Waits in wait4(2), which any signal interrupts, the timer's of [`Signals::tick`] at the latest.
fn wait(pid: Pid, timeout: Duration, signals: &Signals) -> Finish {
    let watch = |until: Instant, heed_quit: bool| -> Option<Result<Ended, Errno>> {
        loop {
            match waitpid(pid, None) {
                Ok(WaitStatus::Exited(_, code)) => return Some(Ok(Ended::Exited(code))),
                Ok(WaitStatus::Signaled(_, signal, _)) => return Some(Ok(Ended::Signalled(signal as i32))),
                Ok(_) | Err(Errno::EINTR) => {}
                // It is nobody's child any more. Whatever it said, its status is lost, and it had what it was given.
                Err(errno) => return Some(Err(errno)),
            }
            if Instant::now() >= until || (heed_quit && signals.quit()) {
                return None;
            }
        }
    };
    match watch(Instant::now() + timeout, true) {
        Some(Ok(ended)) => return Finish::Ended(ended),
        Some(Err(errno)) => return Finish::Lost(errno.into()),
        None => {}
    }
    let why = if signals.quit() { "it was stopped with the run" } else { "it took longer than its timeout" };
    for step in [Send::Term, Send::Kill] {
        send_group(pid.as_raw(), step);
        if watch(Instant::now() + GRACE, false).is_some() {
            break;
        }
    }
    // Helpers that ignored TERM must not outlive their leader with our message in hand.
    send_group(pid.as_raw(), Send::Kill);
    Finish::Stopped { why }
}

/// What was written. The shared position tells how much; it is left where it is, for a grandchild may go on writing.
pub fn read_back(mut said: File) -> String {
    let written = said.stream_position().unwrap_or(0).min(SAID_MAX);
    let mut bytes = vec![0; usize::try_from(written).unwrap_or(0)];
    match said.read_exact_at(&mut bytes, 0) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_status_that_is_lost_is_no_answer() {
        let signals = Signals::install(false).expect("signals");
        // No process is its own child.
        let finish = wait(nix::unistd::getpid(), Duration::from_secs(60), &signals);
        assert!(
            matches!(&finish, Finish::Lost(error) if error.raw_os_error() == Some(nix::libc::ECHILD)),
            "{finish:?}"
        );
    }

    #[test]
    fn an_input_without_a_file_is_whole_and_ends() {
        for len in [0, 1, 70_000] {
            let text = vec![b'x'; len];
            let mut read = Vec::new();
            whole_pipe(&text).expect("a pipe").read_to_end(&mut read).expect("read");
            assert!(read == text, "{len}");
        }
    }
}
