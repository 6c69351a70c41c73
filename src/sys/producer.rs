//! A command whose standard output is read: it is started without a shell, and what it says on its standard error is kept.
//!
//! What holds: it ends with us, however we end: by a signal of the kernel if we are killed, and by KILL to its process group
//! if we stop reading. Its helpers end with it: its group gets KILL before its number may be another's, and its output ends
//! with what it wrote, whoever else has that open. It leaves no zombie. Its standard error is a memory file of bounded size,
//! so a flood of words neither blocks it nor fills our memory. Its standard input is empty, and its environment short.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, pipe2};

use super::child;
use super::process::{Ended, Send, send_group};
use super::spawn::Spawner;

/// A command at work.
#[derive(Debug)]
pub struct Producer {
    /// `None` once it was waited for.
    pid: Option<Pid>,
    /// Readable when it has ended.
    end: OwnedFd,
    /// Bytes of its output that are still to be read, once it has ended.
    left: Option<u64>,
    output: File,
    errors: File,
}

impl Producer {
    /// Starts the program at the path `args[0]` with these arguments and this environment.
    ///
    /// Errors: those of pipe2(2), clone(2), execve(2) and pidfd_open(2).
    pub fn start(args: &[CString], environment: &[CString]) -> io::Result<Producer> {
        let (output, writer) = pipe2(OFlag::O_CLOEXEC)?;
        let (nothing, errors) = (File::open("/dev/null")?, child::listen()?);
        let pid = Pid::from_raw(Spawner::tied().start(args, Some(environment), &nothing, &writer, &errors)?);
        match watch(pid) {
            Ok(end) => Ok(Producer { pid: Some(pid), end, left: None, output: File::from(output), errors }),
            Err(error) => {
                send_group(pid.as_raw(), Send::Kill);
                let _ = waitpid(pid, None);
                Err(error)
            }
        }
    }

    /// Waits until it ends; how it ended, and what it said on its standard error, at most 64 KiB with odd bytes replaced.
    pub fn end(mut self) -> io::Result<(Ended, String)> {
        let ended = self.wait()?;
        let errors = self.errors.try_clone()?;
        Ok((ended, child::read_back(errors)))
    }

    fn wait(&mut self) -> io::Result<Ended> {
        let pid = self.pid.take().ok_or(Errno::ECHILD)?;
        // Until it is waited for, no other group has its number.
        while let Err(Errno::EINTR) = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {}
        send_group(pid.as_raw(), Send::Kill);
        loop {
            match waitpid(pid, None) {
                Ok(WaitStatus::Exited(_, code)) => return Ok(Ended::Exited(code)),
                Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ended::Signalled(signal as i32)),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Read for Producer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.left.is_none() {
            let mut both = [PollFd::new(self.output.as_fd(), READABLE), PollFd::new(self.end.as_fd(), READABLE)];
            match poll(&mut both, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            let is = |of: &PollFd<'_>| of.any().unwrap_or(true);
            if is(&both[1]) {
                // What it wrote is in the pipe now; a helper that left its group may write, or keep that open, for ever.
                self.left = Some(in_pipe(&self.output)?);
            } else if is(&both[0]) {
                return self.output.read(into);
            }
        }
        let left = self.left.unwrap_or_default();
        let got = (&self.output).take(left).read(into)?;
        self.left = Some(left - got as u64);
        Ok(got)
    }
}

/// Bytes that can be read from a pipe at once.
fn in_pipe(pipe: &File) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the call writes one int, which lives as long.
    Errno::result(unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut bytes) })?;
    u64::try_from(bytes).map_err(io::Error::other)
}

const READABLE: PollFlags = PollFlags::POLLIN;

/// A descriptor that is readable when the child `pid` has ended.
fn watch(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = i32::try_from(Errno::result(fd)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just opened it, close-on-exec, for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

impl Drop for Producer {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            send_group(pid.as_raw(), Send::Kill);
            // Killed, it ends at once.
            let _ = self.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process;

    fn shell(script: &str) -> Producer {
        let args = ["/bin/sh", "-c", script].map(|arg| CString::new(arg).expect("no NUL"));
        Producer::start(&args, &[]).expect("a shell")
    }

    #[test]
    fn what_it_writes_is_read_and_how_it_ends_is_known() {
        let mut producer = shell("echo a; echo why >&2; exit 3");
        let mut text = String::new();
        producer.read_to_string(&mut text).expect("text");
        assert_eq!(text, "a\n");
        assert_eq!(producer.end().expect("an end"), (Ended::Exited(3), "why\n".to_owned()));
        assert_eq!(shell("kill -9 $$").end().expect("an end").0, Ended::Signalled(9));
    }

    #[test]
    fn its_helpers_end_with_it_and_nobody_waits_for_them() {
        // One in its group, and one that left it, has the output open and writes on.
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().display();
        let away = format!("setsid -f sh -c \"echo \\$\\$ >{path}; exec yes\"; until [ -s {path} ]; do :; done");
        let mut producer = shell(&format!("sleep 1000 >/dev/null & echo $!; {away}; exec echo rows"));
        let mut text = Vec::new();
        producer.read_to_end(&mut text).expect("text");
        assert_eq!(producer.end().expect("an end").0, Ended::Exited(0));
        let text = String::from_utf8(text).expect("text");
        let pid = |text: &str| text.lines().next().and_then(|line| line.parse::<i32>().ok()).expect("a pid");
        process::send(pid(&std::fs::read_to_string(file.path()).expect("a pid")), Send::Kill);
        assert!(text.contains("rows\n"), "{} bytes", text.len());
        // Killed, it ends soon.
        let helper = format!("/proc/{}/cmdline", pid(&text));
        let begun = std::time::Instant::now();
        while std::fs::read(&helper).is_ok_and(|line| !line.is_empty()) {
            assert!(begun.elapsed().as_secs() < 60, "the helper lives");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_flood_of_words_blocks_nobody() {
        let mut producer = shell("dd if=/dev/zero bs=1M count=3 2>/dev/null >&2; echo done");
        let mut text = String::new();
        producer.read_to_string(&mut text).expect("text");
        assert_eq!(text, "done\n");
        assert!(producer.end().expect("an end").1.len() <= 64 << 10);
    }

    #[test]
    fn one_that_is_let_go_is_gone_with_its_helpers() {
        let mut producer = shell("sleep 1000 & echo; wait");
        assert_eq!(producer.read(&mut [0]).expect("a byte"), 1);
        let pid = producer.pid.expect("at work").as_raw();
        let mut output = producer.output.try_clone().expect("the same pipe");
        drop(producer);
        assert!(!process::exists(pid.cast_unsigned()));
        // The helper has the other end open until it is gone.
        assert_eq!(output.read_to_end(&mut Vec::new()).expect("the end"), 0);
    }

    #[test]
    fn the_kernel_ends_it_if_we_are_killed() {
        let args = ["/usr/bin/setpriv", "--dump"].map(|arg| CString::new(arg).expect("no NUL"));
        let Ok(mut producer) = Producer::start(&args, &[]) else { return println!("skipped: no setpriv(1)") };
        let mut text = String::new();
        producer.read_to_string(&mut text).expect("text");
        let line = text.lines().find(|line| line.contains("arent death signal")).unwrap_or(&text);
        assert!(line.contains("KILL") || line.ends_with('9'), "{text}");
    }

    #[test]
    fn what_cannot_be_started_is_said() {
        let args = [CString::new("/nonexistent/program").expect("no NUL")];
        assert_eq!(Producer::start(&args, &[]).expect_err("nothing there").kind(), io::ErrorKind::NotFound);
    }
}
