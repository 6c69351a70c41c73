//! A command whose standard output is read: it is started without a shell, and what it says on its standard error is kept.
//!
//! What holds: it ends with us, however we end: by a signal of the kernel if we are killed, and by KILL to its process group
//! if we stop reading. It leaves no zombie. Its standard error is a memory file of bounded size, so a flood of words neither
//! blocks it nor fills our memory. Its standard input is empty.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};

use super::child;
use super::process::{Ended, Send, send_group};
use super::spawn::Spawner;

/// A command at work.
#[derive(Debug)]
pub struct Producer {
    /// `None` once it was waited for.
    pid: Option<Pid>,
    output: File,
    errors: File,
}

impl Producer {
    /// Starts the program at the path `args[0]` with these arguments and our environment.
    ///
    /// Errors: those of pipe2(2), clone(2) and execve(2).
    pub fn start(args: &[CString]) -> io::Result<Producer> {
        let (output, writer) = pipe2(OFlag::O_CLOEXEC)?;
        let (nothing, errors) = (File::open("/dev/null")?, child::listen()?);
        let pid = Spawner::tied().start(args, None, &nothing, &writer, &errors)?;
        Ok(Producer { pid: Some(Pid::from_raw(pid)), output: File::from(output), errors })
    }

    /// Waits until it ends; how it ended, and what it said on its standard error, at most 64 KiB with odd bytes replaced.
    pub fn end(mut self) -> io::Result<(Ended, String)> {
        let ended = self.wait()?;
        let errors = self.errors.try_clone()?;
        Ok((ended, child::read_back(errors)))
    }

    fn wait(&mut self) -> io::Result<Ended> {
        let pid = self.pid.take().ok_or(Errno::ECHILD)?;
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
        self.output.read(into)
    }
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
        Producer::start(&args).expect("a shell")
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
        let Ok(mut producer) = Producer::start(&args) else { return println!("skipped: no setpriv(1)") };
        let mut text = String::new();
        producer.read_to_string(&mut text).expect("text");
        let line = text.lines().find(|line| line.contains("arent death signal")).unwrap_or(&text);
        assert!(line.contains("KILL") || line.ends_with('9'), "{text}");
    }

    #[test]
    fn what_cannot_be_started_is_said() {
        let args = [CString::new("/nonexistent/program").expect("no NUL")];
        assert_eq!(Producer::start(&args).expect_err("nothing there").kind(), io::ErrorKind::NotFound);
    }
}
