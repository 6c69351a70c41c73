//! The smtp and lmtp transports: a dialogue with a server, kept from one message to the next (RFC 5321, RFC 2033).
//!
//! What holds:
//! - a recipient is delivered to by a positive reply to the message's end, and by nothing else; each is answered by itself;
//! - whatever is lost before a message's last byte left concerns the session: it is tried once more on a fresh one where
//!   the session was not fresh, since many servers end one when they please, and else nobody knows who is to blame;
//! - what is lost afterwards is unknown;
//! - a server that cannot be reached, or does not let us in, is no message's fault. Of several servers the next one has its
//!   turn, and one that failed, or refused what it blames this host for, is left out for a while;
//! - a refusal of MAIL, and one whose words blame this host, is in doubt ([`crate::policy::blame`]): it may concern this
//!   message or all.
//!
//! `attempt` is one message's way through a `session`, which is the dialogue; `channel` is the bytes, [`reply`] and `content`
//! what goes either way.
#![forbid(unsafe_code)]

mod attempt;
mod auth;
mod channel;
mod content;
mod offers;
pub mod reply;
mod session;
mod tls;

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use self::attempt::{Gone, Trouble};
use self::channel::{Lost, Socket};
use self::session::{Opening, Session, Times};
use self::tls::Tls;
use super::profiles::with_said;
use super::{Handover, Letter, Next, Transport, all, not_now};
use crate::config::{self, Connect, Protocol};
use crate::model::verdict::{Blame, Doubtful};
use crate::model::{Address, Attempt, Reason, Verdict};
use crate::policy::notice::About;
use crate::sys::child;
use crate::sys::nss;
use crate::sys::process::{self, host_name};
use crate::sys::signals::Signals;
use crate::sys::socket;
use crate::sys::spawn::Spawner;

/// How long one address of a server may take to be connected to, at most; less where the transport's timeout is less.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// For so long a server that failed is left out, while another one works.
const LEFT_OUT: Duration = Duration::from_secs(60);
/// So many hand-overs in a row of which nobody was taken for now, and the next ones wait: something ails the server, and
/// haste would not help it.
const STORM: u32 = 10;
/// The longest wait then; it begins with a sixteenth.
const STORM_WAIT: Duration = Duration::from_secs(1);
/// The longest that a message may be under way, whatever moves.
const CONTENT_MAX: Duration = Duration::from_secs(3_600);

/// The name for a server without one, as a certificate would bear it.
const NAMELESS: &str = "localhost";

/// A configured server, or several.
#[derive(Debug)]
pub struct Smtp {
    config: config::Smtp,
    hello: String,
    /// Made for the first session that needs it.
    trust: Option<Tls>,
    /// Until when each server is left out.
    left_out: Vec<Option<Instant>>,
    /// Whose turn the next session is.
    turn: usize,
    session: Option<Session>,
    /// The server of the session, or of the last.
    at: usize,
    /// Whether that took over to tell the sender of success.
    dsn: bool,
    /// Whether it makes the senders of VERP.
    xverp: bool,
    /// How many hand-overs in a row were refused for now, to everybody.
    refused: u32,
    spawner: Spawner,
    /// Commands that were at the other end.
    ended: HashSet<i32>,
}

impl Smtp {
    /// For the `number`-th worker, so that workers begin with different servers.
    pub fn new(config: config::Smtp, number: usize) -> Smtp {
        let hello = config.hello.clone().unwrap_or_else(host_name);
        let left_out = vec![None; config.connect.len()];
        let turn = number % config.connect.len().max(1);
        Smtp {
            config,
            hello,
            trust: None,
            left_out,
            turn,
            session: None,
            at: turn,
            dsn: false,
            xverp: false,
            refused: 0,
            spawner: Spawner::default(),
            ended: HashSet::new(),
        }
    }

    /// What a session takes at most before its first transaction, and a transaction.
    fn times(&self) -> Times {
        Times { still: self.config.timeout, until: Instant::now() + self.longest() }
    }

    /// A session with the server whose turn it is, or the next that lets us in. Errors say why none does.
    fn open(&mut self, times: Times, signals: &Signals) -> Result<Session, String> {
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
        if tls != config::Tls::None && self.trust.is_none() {
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
            most: self.config.session_messages,
        };
        Session::open(socket, &opening, times, signals).map_err(|Lost(why)| {
            // A command that fails tells why on its standard error.
            Lost(said.map_or(why.clone(), |said| with_said(&why, &child::read_back(said))))
        })
    }

    /// Leaves the server out that blames this host, and says whether there is another to be tried.
    fn leave_out(&mut self, blame: Blame) -> bool {
        let now = Instant::now();
        let others =
            self.left_out.iter().enumerate().any(|(at, until)| at != self.at && until.is_none_or(|u| u <= now));
        if !blame.is_ours() || !others {
            return false;
        }
        self.left_out[self.at] = Some(now + LEFT_OUT);
        if let Some(session) = self.session.take() {
            session.part();
        }
        true
    }

    /// Waits where many were refused, the longer the more.
    fn take_breath(&self, signals: &Signals) {
        let Some(over) = self.refused.checked_sub(STORM) else { return };
        let until = Instant::now() + STORM_WAIT / (1 << 4_u32.saturating_sub(over / STORM));
        while signals.terms() == 0 && !signals.quit() {
            let left = until.saturating_duration_since(Instant::now());
            // Whatever ends the wait, we look again.
            if left.is_zero() || signals.wait(None, left).is_err() {
                return;
            }
        }
    }

    fn reap(&mut self) {
        self.ended.retain(|&pid| !process::has_ended(pid));
    }
}

impl Transport for Smtp {
    fn probe(&self) -> Result<(), String> {
        // Whether servers answer is for the workers to find out; a command can be looked at.
        let program = |connect: &Connect| match connect {
            Connect::Exec(command) => command.first().cloned(),
            Connect::Tcp(_) | Connect::Unix(_) => None,
        };
        let programs: Option<Vec<String>> = self.config.connect.iter().map(program).collect();
        let runs = |program: &String| nix::unistd::access(program.as_str(), nix::unistd::AccessFlags::X_OK);
        match programs.as_deref() {
            Some([first, ..]) if !programs.iter().flatten().any(|program| runs(program).is_ok()) => {
                let why = runs(first).err().map_or("", |errno| errno.desc());
                Err(format!("{first}: {why}; see transport in 'bulkmailer config show'"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn fit(&self, _envelope: &crate::model::Envelope, group: &[usize]) -> usize {
        group.len().max(1)
    }

    fn shares_verdicts(&self) -> bool {
        false
    }

    fn verp(&self) -> bool {
        self.xverp
    }

    fn reads_by_position(&self) -> bool {
        true
    }

    fn success(&self) -> Option<About> {
        match self.config.protocol {
            Protocol::Lmtp => Some(About::Delivered),
            Protocol::Smtp => (!self.dsn).then_some(About::Relayed),
        }
    }

    fn longest(&self) -> Duration {
        // Two openings with each server, and the transactions on both.
        let each = u32::try_from(self.config.connect.len()).unwrap_or(u32::MAX).saturating_mul(16);
        self.config.timeout.saturating_mul(each).saturating_add(CONTENT_MAX)
    }

    fn send(&mut self, handover: Handover<'_>, next: &mut Next<'_>, signals: &Signals) -> Attempt {
        self.take_breath(signals);
        let times = self.times();
        let Handover { envelope, sender, group, .. } = handover;
        self.reap();
        let whole = Letter { envelope, sender, group, size: handover.message.len };
        let mut kept = None;
        match self.session.take() {
            Some(session) if session.is_ready_for(whole) => kept = Some(session),
            Some(session) => session.part(),
            None => {}
        }
        loop {
            let reused = kept.is_some();
            let session = match kept.take() {
                Some(session) => session,
                None => match self.open(times, signals) {
                    Ok(session) => session,
                    Err(_) if signals.quit() => return Attempt::Stopped,
                    Err(why) => return Attempt::SinkDown(why),
                },
            };
            if session::xverp(whole).is_some() && !self.xverp {
                // The group was made for another one.
                self.session = Some(session);
                let reason = Reason::new("this server makes no senders for VERP, as the one before it did");
                return all(Verdict::Deferred(reason), group.len());
            }
            // Who cannot be named to this server.
            let unnamed = |address: &Address| !session.can_name(address);
            let nameless = sender.is_some_and(unnamed);
            let (out, tried): (Vec<usize>, Vec<usize>) =
                group.iter().partition(|&&i| nameless || unnamed(&envelope.recipients[i]));
            // RFC 6531 section 3.7.4.2.
            let failed = || {
                let reason = Reason::new("the server takes no addresses beyond ASCII (SMTPUTF8)");
                Verdict::Failed(reason.with_status(Some("5.6.7".to_owned())))
            };
            if tried.is_empty() {
                self.session = Some(session);
                return all(failed(), group.len());
            }
            let letter = Letter { group: &tried, ..whole };
            let gone = self.attempt((session, reused), letter, &handover, next, times, signals);
            // A verdict for each of the group.
            let whole = |verdicts: Vec<Verdict>| -> Vec<Verdict> {
                let mut verdicts = verdicts.into_iter();
                let of = |i: &usize| if out.contains(i) { Some(failed()) } else { verdicts.next() };
                group.iter().filter_map(of).collect()
            };
            return match gone {
                Gone::Verdicts(verdicts) => {
                    let not_now = verdicts.iter().all(|verdict| matches!(verdict, Verdict::Deferred(_)));
                    self.refused = if not_now { self.refused.saturating_add(1) } else { 0 };
                    Attempt::Answered(whole(verdicts))
                }
                Gone::InDoubt(_, (blame, _)) if !signals.quit() && self.leave_out(blame) => continue,
                Gone::InDoubt(verdicts, (blame, cause)) => {
                    Attempt::Doubtful(Doubtful { verdicts: whole(verdicts), blame, cause })
                }
                Gone::Trouble(_) if signals.quit() => Attempt::Stopped,
                Gone::Trouble(_) if reused => continue,
                Gone::Trouble(Trouble::Session(why)) => {
                    not_now(Reason::new(&format!("{}: {why}", self.config.connect[self.at])), group.len())
                }
                Gone::Trouble(Trouble::NotNow(reply)) => not_now(self.said(&reply, "MAIL"), group.len()),
            };
        }
    }

    fn has_sessions(&self) -> bool {
        true
    }

    fn is_open(&self) -> bool {
        self.session.is_some()
    }

    fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.part();
        }
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.close();
        self.reap();
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
