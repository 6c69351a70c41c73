//! The bytes of one session: counted, cut where the script says, and encrypted from STARTTLS on.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

use super::{Cut, How, Mark};

/// The socket.
pub enum Raw {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsFd for Raw {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Raw::Tcp(socket) => socket.as_fd(),
            Raw::Unix(socket) => socket.as_fd(),
        }
    }
}

impl Raw {
    /// From now on closing it is a reset.
    fn will_reset(&self) {
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        let _ = setsockopt(self, sockopt::Linger, &linger);
    }
}

impl Read for Raw {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Raw::Tcp(socket) => socket.read(to),
            Raw::Unix(socket) => socket.read(to),
        }
    }
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Raw::Tcp(socket) => socket.write(bytes),
            Raw::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Pipe {
    Plain(Raw),
    Tls(Box<rustls::StreamOwned<rustls::ServerConnection, Raw>>),
    Nothing,
}

impl Pipe {
    fn raw(&self) -> Option<&Raw> {
        match self {
            Pipe::Plain(raw) => Some(raw),
            Pipe::Tls(tls) => Some(tls.get_ref()),
            Pipe::Nothing => None,
        }
    }
}

/// Why a session ends.
pub enum Over {
    /// The script cut it.
    Cut(How),
    Gone,
}

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Over {
        Over::Gone
    }
}

pub struct Stream {
    pipe: Pipe,
    input: Vec<u8>,
    used: usize,
    cut: Option<Cut>,
    /// Bytes left until the cut, once its mark was passed.
    left: Option<usize>,
}

impl Stream {
    pub fn new(raw: Raw, cut: Option<Cut>, little: bool) -> Stream {
        if little {
            // The least that the kernel knows.
            let _ = setsockopt(&raw, sockopt::SndBuf, &1);
        }
        if let Raw::Tcp(socket) = &raw {
            let _ = socket.set_nodelay(true);
        }
        if cut.is_some_and(|cut| cut.how == How::Reset) {
            raw.will_reset();
        }
        let mut stream = Stream { pipe: Pipe::Plain(raw), input: Vec::new(), used: 0, cut, left: None };
        stream.pass(Mark::Connected);
        stream
    }

    /// Something was done from which bytes may be counted.
    pub fn pass(&mut self, mark: Mark) {
        if let Some(cut) = self.cut.filter(|cut| cut.mark == mark && self.left.is_none()) {
            self.left = Some(cut.bytes);
        }
    }

    pub fn start_tls(&mut self, config: Arc<rustls::ServerConfig>) -> Result<(), Over> {
        let Pipe::Plain(mut raw) = std::mem::replace(&mut self.pipe, Pipe::Nothing) else { return Err(Over::Gone) };
        let mut tls = rustls::ServerConnection::new(config).map_err(|_| Over::Gone)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut raw)?;
        }
        self.pipe = Pipe::Tls(Box::new(rustls::StreamOwned::new(tls, raw)));
        Ok(())
    }

    fn cut(&self, read: bool) -> Option<How> {
        self.cut.filter(|cut| cut.read == read && self.left == Some(0)).map(|cut| cut.how)
    }

    /// The next byte, which stays.
    pub fn peek(&mut self) -> Result<u8, Over> {
        if let Some(how) = self.cut(true) {
            return Err(Over::Cut(how));
        }
        if self.used == self.input.len() {
            let mut piece = [0; 4 << 10];
            let len = match &mut self.pipe {
                Pipe::Plain(raw) => raw.read(&mut piece)?,
                Pipe::Tls(tls) => tls.read(&mut piece)?,
                Pipe::Nothing => 0,
            };
            if len == 0 {
                return Err(Over::Gone);
            }
            self.input = piece[..len].to_vec();
            self.used = 0;
        }
        Ok(self.input[self.used])
    }

    pub fn byte(&mut self) -> Result<u8, Over> {
        let byte = self.peek()?;
        self.used += 1;
        if self.cut.is_some_and(|cut| cut.read) {
            self.left = self.left.map(|left| left - 1);
        }
        Ok(byte)
    }

    /// Whether more came than was read.
    pub fn has_more(&self) -> bool {
        self.used < self.input.len()
    }

    /// The next line with its end.
    pub fn line(&mut self) -> Result<Vec<u8>, Over> {
        let mut line = Vec::new();
        loop {
            line.push(self.byte()?);
            if line.ends_with(b"\n") {
                return Ok(line);
            }
        }
    }

    pub fn say(&mut self, text: &[u8]) -> Result<(), Over> {
        let limit = self.left.filter(|_| self.cut.is_some_and(|cut| !cut.read));
        let part = &text[..limit.unwrap_or(text.len()).min(text.len())];
        match &mut self.pipe {
            Pipe::Plain(raw) => raw.write_all(part)?,
            Pipe::Tls(tls) => tls.write_all(part).and_then(|()| tls.flush())?,
            Pipe::Nothing => return Err(Over::Gone),
        }
        if let Some(limit) = limit {
            self.left = Some(limit - part.len());
            // One that ends with a reply ends before the next one begins.
            if part.len() < text.len() {
                return Err(Over::Cut(self.cut(false).unwrap_or(How::Close)));
            }
        }
        Ok(())
    }

    /// The cut that comes before anything more is said.
    pub fn is_cut_here(&self) -> Result<(), Over> {
        self.cut(false).map_or(Ok(()), |how| Err(Over::Cut(how)))
    }

    /// Whether nobody is at the other end; a TCP socket does not tell.
    pub fn is_left(&self) -> bool {
        let Some(raw) = self.pipe.raw() else { return true };
        let mut fds = [PollFd::new(raw.as_fd(), PollFlags::empty())];
        let polled = poll(&mut fds, PollTimeout::ZERO);
        polled.is_ok() && fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
    }
}
