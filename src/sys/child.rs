//! Running a sendmail: spawn, wait with a deadline, end it if it hangs, keep what it said.
//!
//! What holds: standard input is a file, never a pipe, so that our death in the middle cannot make half a message look
//! whole. Standard output and error share one memory file that is sealed against growth: a flood fails in the child
//! alone, nobody blocks, and a grandchild that keeps it open delays nobody, because the wait is for the process and
//! never for an end of file. The child leads a process group of its own, so its helpers end with it.

use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::process::{Ended, Send, send_group};
use super::signals::Signals;

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
}

/// A finished run, and what the command said on its standard output and error (at most 64 KiB, odd bytes replaced).
#[derive(Debug)]
pub struct Run {
    pub finish: Finish,
    pub said: String,
}

/// Runs `command` with `input` as its standard input, for at most `timeout`.
pub fn run(command: &mut Command, input: File, timeout: Duration, signals: &Signals) -> Run {
    let (said, spawned) = match spawn(command, input) {
        Ok(pair) => pair,
        Err(error) => return Run { finish: Finish::NotStarted(error), said: String::new() },
    };
    let finish = wait(spawned, timeout, signals);
    Run { finish, said: read_back(said) }
}

fn spawn(command: &mut Command, input: File) -> io::Result<(File, Child)> {
    let said = File::from(memfd_create(c"said", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    said.set_len(SAID_MAX)?;
    fcntl(&said, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK))?;
    let (out, err) = (said.try_clone()?, said.try_clone()?);
    let child = command.stdin(input).stdout(Stdio::from(out)).stderr(Stdio::from(err)).process_group(0).spawn()?;
    Ok((said, child))
}

fn wait(mut child: Child, timeout: Duration, signals: &Signals) -> Finish {
    let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed()) else {
        return Finish::NotStarted(io::Error::other("a child without a pid"));
    };
    // Without a pidfd (no descriptor left) the child is looked at ten times a second.
    let ended = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok();
    let deadline = Instant::now() + timeout;
    let mut watch = |until: Instant, heed_quit: bool| -> Option<io::Result<ExitStatus>> {
        loop {
            match child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => return Some(Ok(status)),
                Err(error) => return Some(Err(error)),
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || (heed_quit && signals.quit()) {
                return None;
            }
            let slice = if ended.is_some() { left } else { left.min(Duration::from_millis(100)) };
            if let Err(error) = signals.wait(ended.as_ref().map(AsFd::as_fd), slice) {
                return Some(Err(error));
            }
        }
    };
    match watch(deadline, true) {
        Some(Ok(status)) => return Finish::Ended(ended_of(status)),
        Some(Err(_)) | None => {}
    }
    let why = if signals.quit() { "it was stopped with the run" } else { "it took longer than its timeout" };
    let leader = pid.as_raw_nonzero().get();
    for step in [Send::Term, Send::Kill] {
        send_group(leader, step);
        if watch(Instant::now() + GRACE, false).is_some() {
            break;
        }
    }
    // Helpers that ignored TERM must not outlive their leader with our message in hand.
    send_group(leader, Send::Kill);
    Finish::Stopped { why }
}

fn ended_of(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, signal) => Ended::Signalled(signal.unwrap_or(0)),
    }
}

/// What was written. The shared position tells how much; it is left where it is, for a grandchild may go on writing.
fn read_back(mut said: File) -> String {
    let written = said.stream_position().unwrap_or(0).min(SAID_MAX);
    let mut bytes = vec![0; usize::try_from(written).unwrap_or(0)];
    match said.read_exact_at(&mut bytes, 0) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}
