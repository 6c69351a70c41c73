//! The servers of a transport: whose turn it is, and which of them are left out for a while.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::channel::{Lost, Socket};
use super::opening::Opening;
use super::session::Session;
use super::times::Times;
use super::tls::Tls;
use crate::config::{self, Connect};
use crate::model::Reason;
use crate::model::verdict::Blame;
use crate::sys::process::{self, host_name};
use crate::sys::signals::Signals;
use crate::sys::spawn::Spawner;
use crate::sys::{child, nss, socket};
use crate::transport::profiles::with_said;

/// How long one address of a server may take to be connected to, at most; less where the transport's timeout is less.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// For so long a server that failed is left out, while another one works.
const LEFT_OUT: Duration = Duration::from_secs(60);

/// The name for a server without one, as a certificate would bear it.
const NAMELESS: &str = "localhost";

/// A configured server, or several.
#[derive(Debug)]
pub struct Servers {
    pub config: config::Smtp,
    hello: String,
    /// Made for the first session that needs it.
    trust: Option<Tls>,
    /// Until when each server is left out.
    left_out: Vec<Option<Instant>>,
    /// Whose turn the next session is.
    turn: usize,
    /// The server of the session, or of the last.
    at: usize,
    /// Whether that took over to tell the sender of success.
    pub dsn: bool,
    /// Whether it makes the senders of VERP.
    pub xverp: bool,
    spawner: Spawner,
    /// Commands that were at the other end.
    ended: HashSet<i32>,
}

impl Servers {
    /// For the `number`-th worker, so that workers begin with different servers.
    pub fn new(config: config::Smtp, number: usize) -> Servers {
        let hello = config.hello.clone().unwrap_or_else(host_name);
        let left_out = vec![None; config.connect.len()];
        let turn = number % config.connect.len().max(1);
        Servers {
            config,
            hello,
            trust: None,
            left_out,
            turn,
            at: turn,
            dsn: false,
            xverp: false,
            spawner: Spawner::default(),
            ended: HashSet::new(),
        }
    }

    /// Where the server of the session is, or of the last.
    pub fn current(&self) -> &Connect {
        &self.config.connect[self.at]
    }

    /// A session with the server whose turn it is, or the next that lets us in. Errors say why none does.
    pub fn open(&mut self, times: Times, signals: &Signals) -> Result<Session, String> {
        let count = self.config.connect.len();
        let now = Instant::now();
        let mut order: Vec<usize> = (0..count).map(|i| (self.turn + i) % count).collect();
        // Those that failed lately come last.
        order.sort_by_key(|&i| self.left_out[i].is_some_and(|until| now < until));
        self.turn = (self.turn + 1) % count;
        let mut why = Vec::new();
        for at in order {
            match self.open_at(at, times, signals) {
                Ok(session) => {
                    let offers = session.offers();
                    (self.left_out[at], self.at, self.dsn, self.xverp) = (None, at, offers.dsn, offers.xverp);
                    return Ok(session);
                }
                Err(lost) => {
                    self.left_out[at] = Some(now + LEFT_OUT);
                    why.push(format!("{}: {lost}", self.config.connect[at]));
                }
            }
            if signals.quit() {
                break;
            }
        }
        Err(Reason::new(&why.join("; ")).text)
    }

    fn open_at(&mut self, at: usize, times: Times, signals: &Signals) -> Result<Session, Lost> {
        let connect = &self.config.connect[at];
        let tls = self.config.tls_of(connect);
        if tls != config::TlsMode::None && self.trust.is_none() {
            self.trust = Some(Tls::new(self.config.ca.as_deref()).map_err(Lost)?);
        }
        let wait = self.config.timeout.min(CONNECT_MAX);
        let mut said = None;
        let socket = match connect {
            Connect::Tcp(to) => Socket::Tcp(dial(to, wait)?),
            Connect::Unix(path) => Socket::Unix(socket::connect_unix(path, wait)?),
            Connect::Exec(command) => {
                let errors = said.insert(child::listen()?);
                let (ours, pid) = start(&mut self.spawner, command, errors)?;
                self.ended.insert(pid);
                Socket::Unix(ours)
            }
        };
        let connect = &self.config.connect[at];
        let opening = Opening {
            protocol: self.config.protocol,
            hello: &self.hello,
            tls,
            trust: self.trust.as_ref(),
            server_name: self.config.server_name.as_deref().or(connect.host()).unwrap_or(NAMELESS),
            login: self.config.login.as_ref(),
        };
        let (channel, offers) = opening.open(socket, times, signals).map_err(|Lost(why)| {
            // A command that fails tells why on its standard error.
            Lost(said.map_or(why.clone(), |said| with_said(&why, &child::read_back(said))))
        })?;
        Ok(Session::new(channel, offers, self.config.protocol, self.config.session_messages))
    }

    /// Leaves the server of the session out if it blames this host, and says whether there is another to be tried.
    pub fn leave_out(&mut self, blame: Blame) -> bool {
        let now = Instant::now();
        let others =
            self.left_out.iter().enumerate().any(|(at, until)| at != self.at && until.is_none_or(|u| u <= now));
        if !blame.is_ours() || !others {
            return false;
        }
        self.left_out[self.at] = Some(now + LEFT_OUT);
        true
    }

    /// Takes the status of commands that have ended.
    pub fn reap(&mut self) {
        self.ended.retain(|&pid| !process::has_ended(pid));
    }
}

fn dial(to: &str, wait: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the host has no address");
    for address in nss::addresses(to)? {
        match TcpStream::connect_timeout(&address, wait) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Starts a command that speaks on its standard input and output; returns our end, and its pid.
fn start(spawner: &mut Spawner, command: &[String], errors: &File) -> io::Result<(UnixStream, i32)> {
    let args: Result<Vec<CString>, _> = command.iter().map(|arg| CString::new(arg.as_bytes())).collect();
    let (ours, theirs) = UnixStream::pair()?;
    let pid = spawner.start(&args?, None, &theirs, &theirs, errors)?;
    Ok((ours, pid))
}
