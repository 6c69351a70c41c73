//! The bytes between us and a server: one socket, to which TLS may be added.
//!
//! What is written waits in a buffer and leaves when a reply is waited for, or when the buffer is large. While bytes are
//! leaving, replies are taken in: so a server that answers before it reads on never waits for us, nor we for it, however
//! much is under way in both directions.
//!
//! Every wait is bounded: it ends when nothing has moved for a time, at the deadline of the whole, or when the run is told
//! to stop now.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::linux::net::TcpStreamExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use rustls::ClientConnection;

use super::reply::Reply;
use super::times::Times;
use crate::sys::signals::Signals;

/// How many bytes may wait to be written.
const OUT_MAX: usize = 64 << 10;
/// How many bytes of replies may wait to be read: far more than a group of commands is answered with.
const IN_MAX: usize = 1 << 20;
/// Bytes that are read at once.
const PIECE: usize = 8 << 10;
/// How often a wait looks at its clock.
const TICK: Duration = Duration::from_millis(250);

/// Why a channel is of no use any more, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost(pub String);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Lost {
        Lost(error.to_string())
    }
}

/// What bytes go through.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    /// A server's, or that of a command at its other end.
    Unix(UnixStream),
}

impl Socket {
    fn prepare(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.set_nodelay(true).and_then(|()| socket.set_read_timeout(Some(TICK))),
            Socket::Unix(socket) => socket.set_read_timeout(Some(TICK)),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}

/// Waits, but not for longer than [`TICK`].
impl Read for &Socket {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => (&mut &*socket).read(to),
            Socket::Unix(socket) => (&mut &*socket).read(to),
        }
    }
}

/// Never waits.
impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        Ok(send(self.as_fd().as_raw_fd(), bytes, flags)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection.
pub struct Channel {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    /// What the socket is read into.
    piece: Box<[u8]>,
    /// What came and was not read yet, from `read` on.
    input: Vec<u8>,
    read: usize,
    /// What waits to leave, from `left` on.
    output: Vec<u8>,
    left: usize,
    /// Something came, and nothing left since that would acknowledge it on its way.
    unacknowledged: bool,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("socket", &self.socket)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl Channel {
    pub fn new(socket: Socket) -> io::Result<Channel> {
        socket.prepare()?;
        Ok(Channel {
            socket,
            tls: None,
            piece: vec![0; PIECE].into_boxed_slice(),
            input: Vec::new(),
            read: 0,
            output: Vec::new(),
            left: 0,
            unacknowledged: false,
        })
    }

    /// From now on everything is encrypted; the handshake ends before this returns.
    ///
    /// What the server sent in the clear behind its consent is nobody's word, and ends the connection.
    pub fn start_tls(&mut self, tls: ClientConnection, times: Times, signals: &Signals) -> Result<(), Lost> {
        if self.read < self.input.len() {
            return Err(Lost("it sent more in the clear before TLS began".to_owned()));
        }
        self.tls = Some(Box::new(tls));
        let mut moved = Instant::now();
        while self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            self.step(true, &mut moved, times, signals)?;
        }
        Ok(())
    }

    /// Adds to what waits to be written, without waiting.
    pub fn say(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// The buffer of what waits to be written, to append to.
    pub fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Writes as much of it as leaves room for a next piece.
    pub fn make_room(&mut self, times: Times, signals: &Signals) -> Result<(), Lost> {
        self.write_down_to(OUT_MAX, times, signals)
    }

    /// Writes all of it.
    pub fn flush(&mut self, times: Times, signals: &Signals) -> Result<(), Lost> {
        self.write_down_to(0, times, signals)
    }

    fn write_down_to(&mut self, most: usize, times: Times, signals: &Signals) -> Result<(), Lost> {
        let mut moved = Instant::now();
        while self.waiting() > most {
            self.step(false, &mut moved, times, signals)?;
        }
        Ok(())
    }

    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Bytes that the kernel does not have yet.
    pub fn waiting(&self) -> usize {
        let encrypted = self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        self.output.len() - self.left + usize::from(encrypted)
    }

    /// The next reply; what waits to be written leaves first.
    pub fn reply(&mut self, times: Times, signals: &Signals) -> Result<Reply, Lost> {
        if let Some(reply) = self.reply_at_hand()? {
            return Ok(reply);
        }
        let mut moved = Instant::now();
        loop {
            if let Err(lost) = self.step(true, &mut moved, times, signals) {
                // What it said before it went is an answer all the same.
                return self.reply_at_hand()?.ok_or(lost);
            }
            if let Some(reply) = self.reply_at_hand()? {
                return Ok(reply);
            }
        }
    }

    /// What is answered to `command`.
    pub fn ask(&mut self, command: &str, times: Times, signals: &Signals) -> Result<Reply, Lost> {
        self.say(format!("{command}\r\n").as_bytes());
        self.reply(times, signals)
    }

    /// A reply that came already.
    pub fn reply_at_hand(&mut self) -> Result<Option<Reply>, Lost> {
        let parsed = Reply::parse(&self.input[self.read..]).map_err(|error| Lost(error.to_string()))?;
        let Some((reply, len)) = parsed else { return Ok(None) };
        self.read += len;
        if self.read == self.input.len() {
            self.input.clear();
            self.read = 0;
        }
        Ok(Some(reply))
    }

    /// Says a last word, as far as that needs no waiting.
    pub fn part(&mut self, word: &[u8]) {
        self.say(word);
        let _ = self.send();
    }

    /// Moves what can be moved, and waits where nothing can: for room while something waits to be written, for input
    /// besides, and for that alone where `hear` asks for it.
    fn step(&mut self, hear: bool, moved: &mut Instant, times: Times, signals: &Signals) -> Result<(), Lost> {
        let sent = match self.send() {
            Ok(sent) => sent,
            Err(error) => {
                // Whoever closed may have said why.
                let _ = self.receive();
                return Err(error.into());
            }
        };
        if sent {
            *moved = Instant::now();
        }
        let wants_room = self.waiting() > 0;
        if !wants_room && !hear {
            return Ok(());
        }
        if signals.quit() {
            return Err(Lost("the run was told to stop now".to_owned()));
        }
        let now = Instant::now();
        if now >= times.until || now.duration_since(*moved) >= times.still {
            return Err(Lost(format!("nothing moved for {} seconds", now.duration_since(*moved).as_secs())));
        }
        // A reply has its time as a whole: one that comes in drops is none.
        if !wants_room {
            return self.receive();
        }
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN | PollFlags::POLLOUT)];
        match poll(&mut fds, PollTimeout::try_from(TICK).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Lost(errno.desc().to_owned())),
        }
        let ready = fds[0].revents().unwrap_or(PollFlags::empty());
        if ready.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
            self.receive()?;
            // While we write, its reader moves.
            *moved = Instant::now();
        }
        Ok(())
    }

    /// Writes what the socket takes now; whether it took anything.
    fn send(&mut self) -> io::Result<bool> {
        let mut sent = false;
        loop {
            if let Some(tls) = &mut self.tls {
                while self.left < self.output.len() && !tls.is_handshaking() {
                    match tls.writer().write(&self.output[self.left..])? {
                        0 => break,
                        len => self.left += len,
                    }
                }
            }
            let wrote = match &mut self.tls {
                Some(tls) if tls.wants_write() => tls.write_tls(&mut &self.socket),
                Some(_) => break,
                None if self.left < self.output.len() => (&self.socket).write(&self.output[self.left..]),
                None => break,
            };
            match wrote {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) if self.tls.is_none() => self.left += len,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            sent = true;
            self.unacknowledged = false;
        }
        if self.left == self.output.len() {
            self.output.clear();
            self.left = 0;
        } else if self.left > OUT_MAX {
            self.output.drain(..self.left);
            self.left = 0;
        }
        Ok(sent)
    }

    /// Reads what came. Nothing more to come is an error, for whoever asks expects something.
    fn receive(&mut self) -> Result<(), Lost> {
        let ended = || Lost("it closed the connection".to_owned());
        if self.input.len() - self.read > IN_MAX {
            return Err(Lost("it talks without being asked".to_owned()));
        }
        if let (true, Socket::Tcp(socket)) = (std::mem::take(&mut self.unacknowledged), &self.socket) {
            // Many servers say their replies in two pieces, and the second one waits until we acknowledge the first.
            let _ = socket.set_quickack(true);
        }
        let read = match &mut self.tls {
            None => (&self.socket).read(&mut self.piece),
            Some(tls) => tls.read_tls(&mut &self.socket),
        };
        let len = match read {
            Ok(0) => return Err(ended()),
            Ok(len) => len,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.unacknowledged = true;
        let Some(tls) = &mut self.tls else {
            self.input.extend_from_slice(&self.piece[..len]);
            return Ok(());
        };
        let packets = tls.process_new_packets().map_err(|error| Lost(format!("TLS: {error}")))?;
        let plain = packets.plaintext_bytes_to_read();
        let from = self.input.len();
        self.input.resize(from + plain, 0);
        tls.reader().read_exact(&mut self.input[from..])?;
        if packets.peer_has_closed() && plain == 0 { Err(ended()) } else { Ok(()) }
    }
}
