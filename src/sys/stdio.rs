//! The standard input, and both it and the output of one who speaks with a client: there no call waits for ever.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, FromRawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::signals::Signals;

/// What is written at once: a pipe that can be written to takes so much without waiting (POSIX, `PIPE_BUF`).
const PIECE: usize = 4_096;

/// The standard input as a file, for one who has his own buffer: the standard library's own costs a start three pages of
/// memory more. It is never closed.
pub fn input() -> ManuallyDrop<File> {
    // SAFETY: descriptor 0 is open (`sys::start`), and nobody closes it.
    ManuallyDrop::new(unsafe { File::from_raw_fd(0) })
}

/// A read fails with `TimedOut` when nothing comes in time, and with `Interrupted` when a signal does.
pub struct Input<'s, F> {
    pub file: F,
    pub signals: &'s Signals,
    pub patience: Duration,
}

impl<F: AsFd> Read for Input<'_, F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let begun = Instant::now();
        loop {
            let left = self.patience.saturating_sub(begun.elapsed());
            let readable = self.signals.wait(Some(self.file.as_fd()), left)?;
            match readable.then(|| nix::unistd::read(self.file.as_fd(), &mut *into)) {
                // One who shares the description had it first.
                Some(Err(Errno::EAGAIN)) => {}
                Some(read) => return Ok(read?),
                None if begun.elapsed() < self.patience => return Err(io::ErrorKind::Interrupted.into()),
                None => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }
}

/// Unbuffered. A write fails with `BrokenPipe` when nobody takes it in time.
pub struct Output<F> {
    pub file: F,
    pub patience: Duration,
}

impl<F: AsFd> Write for Output<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let begun = Instant::now();
        loop {
            let left = self.patience.saturating_sub(begun.elapsed());
            let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
            let timeout = PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX);
            match poll(&mut fds, timeout) {
                Ok(0) => return Err(io::ErrorKind::BrokenPipe.into()),
                Ok(_) => match nix::unistd::write(self.file.as_fd(), &bytes[..bytes.len().min(PIECE)]) {
                    Err(Errno::EAGAIN | Errno::EINTR) => {}
                    written => return Ok(written?),
                },
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_neither_speaks_nor_listens_is_not_waited_for() {
        let signals = Signals::install(false).expect("signals");
        let patience = Duration::from_millis(20);
        let (reader, writer) = nix::unistd::pipe().expect("a pipe");
        let mut input = Input { file: &reader, signals: &signals, patience };
        assert_eq!(input.read(&mut [0; 9]).expect_err("nothing came").kind(), io::ErrorKind::TimedOut);
        let mut output = Output { file: &writer, patience };
        let written = output.write_all(&[b'x'; 1 << 20]);
        assert_eq!(written.expect_err("nobody reads").kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(input.read(&mut [0; 9]).expect("something came"), 9);
    }
}
