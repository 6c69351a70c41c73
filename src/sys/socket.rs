//! Connecting to a server on this host.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt::SendTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// Connects to the socket at `path`. A server that accepts nobody is waited for, at most `wait`, whatever signals come.
pub fn connect_unix(path: &Path, wait: Duration) -> io::Result<UnixStream> {
    let address = UnixAddr::new(path)?;
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let until = Instant::now() + wait;
    loop {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let left = TimeVal::microseconds(i64::try_from(left.as_micros()).unwrap_or(i64::MAX));
        setsockopt(&fd, SendTimeout, &left)?;
        match connect(fd.as_raw_fd(), &address) {
            Ok(()) => return Ok(UnixStream::from(fd)),
            Err(Errno::EINTR) if Instant::now() < until => {}
            // How an expired SO_SNDTIMEO is told.
            Err(Errno::EAGAIN) => return Err(io::ErrorKind::TimedOut.into()),
            Err(errno) => return Err(errno.into()),
        }
    }
}
