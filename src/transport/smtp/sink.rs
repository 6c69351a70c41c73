//! The servers as a sink: a hand-over goes to the session that is kept, or to a fresh one.

use std::time::{Duration, Instant};

use super::attempt::SmtpAttempt;
use super::commands::{is_utf8, xverp};
use super::servers::Servers;
use super::session::Session;
use super::times::Times;
use super::verdict::{ServerName, SessionOutcome, Trouble};
use crate::config::{self, Connect, Protocol};
use crate::model::verdict::{Blame, Doubtful};
use crate::model::{Address, Attempt, Envelope, Reason, Verdict};
use crate::policy::notice::About;
use crate::sys::signals::Signals;
use crate::transport::handover::{Handover, Next, NextHandover, Transport, all, not_now};

/// So many hand-overs in a row of which nobody was taken for now, and the next ones wait: something ails the server, and
/// haste would not help it.
const STORM: u32 = 10;
/// The longest wait then; it begins with a sixteenth.
const STORM_WAIT: Duration = Duration::from_secs(1);
/// The longest that a message may be under way, whatever moves.
const CONTENT_MAX: Duration = Duration::from_secs(3_600);

/// A way to the servers.
#[derive(Debug)]
pub struct Smtp {
    servers: Servers,
    session: Option<Session>,
    /// How many hand-overs in a row were refused for now, to everybody.
    refused: u32,
}

impl Smtp {
    /// For the `number`-th worker, so that workers begin with different servers.
    pub fn new(config: config::Smtp, number: usize) -> Smtp {
        Smtp { servers: Servers::new(config, number), session: None, refused: 0 }
    }

    /// What a session takes at most before its first transaction, and a transaction.
    fn times(&self) -> Times {
        Times { still: self.servers.config.timeout, until: Instant::now() + self.longest() }
    }

    /// The session that is kept, if it can take this request next; else it ends.
    fn kept_for(&mut self, request: NextHandover<'_>) -> Option<Session> {
        let session = self.session.take()?;
        if session.is_ready_for(request) {
            return Some(session);
        }
        session.part();
        None
    }

    /// Leaves the server out that blames this host, and says whether there is another to be tried.
    fn leave_out(&mut self, blame: Blame) -> bool {
        let others = self.servers.leave_out(blame);
        if others {
            self.close();
        }
        others
    }

    /// Waits where many were refused, the longer the more.
    fn take_breath(&self, signals: &Signals) {
        let Some(over) = self.refused.checked_sub(STORM) else { return };
        let until = Instant::now() + STORM_WAIT / (1 << 4_u32.saturating_sub(over / STORM));
        while !signals.stop_requested() {
            let left = until.saturating_duration_since(Instant::now());
            // Whatever ends the wait, we look again.
            if left.is_zero() || signals.wait(None, left).is_err() {
                return;
            }
        }
    }
}

impl Transport for Smtp {
    fn probe(&self) -> Result<(), String> {
        // Whether servers answer is for the workers to find out; a command can be looked at.
        let program = |connect: &Connect| match connect {
            Connect::Exec(command) => command.first().cloned(),
            Connect::Tcp(_) | Connect::Unix(_) => None,
        };
        let programs: Option<Vec<String>> = self.servers.config.connect.iter().map(program).collect();
        let runs = |program: &String| nix::unistd::access(program.as_str(), nix::unistd::AccessFlags::X_OK);
        match programs.as_deref() {
            Some([first, ..]) if !programs.iter().flatten().any(|program| runs(program).is_ok()) => {
                let why = runs(first).err().map_or("", |errno| errno.desc());
                Err(format!("{first}: {why}; see transport in 'bulkmailer config show'"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn fit(&self, _envelope: &Envelope, group: &[usize]) -> usize {
        group.len().max(1)
    }

    fn shares_verdicts(&self) -> bool {
        false
    }

    fn verp(&self) -> bool {
        self.servers.xverp
    }

    fn reads_by_position(&self) -> bool {
        true
    }

    fn success(&self) -> Option<About> {
        match self.servers.config.protocol {
            Protocol::Lmtp => Some(About::Delivered),
            Protocol::Smtp => (!self.servers.dsn).then_some(About::Relayed),
        }
    }

    fn longest(&self) -> Duration {
        // Two openings with each server, and the transactions on both.
        let each = u32::try_from(self.servers.config.connect.len()).unwrap_or(u32::MAX).saturating_mul(16);
        self.servers.config.timeout.saturating_mul(each).saturating_add(CONTENT_MAX)
    }

    fn send(&mut self, handover: Handover<'_>, next: &mut Next<'_>, signals: &Signals) -> Attempt {
        self.take_breath(signals);
        let times = self.times();
        self.servers.reap();
        let Handover { envelope, sender, group, message } = handover;
        let whole = NextHandover { envelope, sender, group, size: message.len, utf8: message.utf8 };
        let mut kept = self.kept_for(whole);
        loop {
            let reused = kept.is_some();
            let session = match kept.take() {
                Some(session) => session,
                None => match self.servers.open(times, signals) {
                    Ok(session) => session,
                    Err(_) if signals.quit() => return Attempt::Stopped,
                    Err(why) => return Attempt::SinkDown(why),
                },
            };
            if xverp(whole).is_some() && !self.servers.xverp {
                // The group was made for another one.
                self.session = Some(session);
                let reason = Reason::new("this server makes no senders for VERP, as the one before it did");
                return all(Verdict::Deferred(reason), group.len());
            }
            let named = by_name(&session, whole);
            let (out, tried) = named.as_ref().map_or((&[][..], group), |(out, tried)| (out, tried));
            let server = ServerName(self.servers.current());
            if let Some(verdict) = refused_here(&session, server, tried, message.len) {
                self.session = Some(session);
                return all(verdict, group.len());
            }
            let attempt =
                SmtpAttempt { server, request: NextHandover { group: tried, ..whole }, message: &message, times };
            let (gone, session) = attempt.run(session, reused, next, signals);
            self.session = session;
            // A verdict for each of the group.
            let whole = |verdicts: Vec<Verdict>| -> Vec<Verdict> {
                if out.is_empty() {
                    return verdicts;
                }
                let mut verdicts = verdicts.into_iter();
                let of = |i: &usize| if out.contains(i) { Some(unnameable()) } else { verdicts.next() };
                group.iter().filter_map(of).collect()
            };
            return match gone {
                SessionOutcome::Verdicts(verdicts) => {
                    let not_now = verdicts.iter().all(|verdict| matches!(verdict, Verdict::Deferred(_)));
                    self.refused = if not_now { self.refused.saturating_add(1) } else { 0 };
                    Attempt::Answered(whole(verdicts))
                }
                SessionOutcome::InDoubt(_, (blame, _)) if !signals.quit() && self.leave_out(blame) => continue,
                SessionOutcome::InDoubt(verdicts, (blame, cause)) => {
                    Attempt::Doubtful(Doubtful { verdicts: whole(verdicts), blame, cause })
                }
                SessionOutcome::Trouble(_) if signals.quit() => Attempt::Stopped,
                SessionOutcome::Trouble(_) if reused => continue,
                SessionOutcome::Trouble(Trouble::Session(why)) => {
                    not_now(Reason::new(&format!("{}: {why}", self.servers.current())), group.len())
                }
                SessionOutcome::Trouble(Trouble::NotNow(reply)) => {
                    not_now(ServerName(self.servers.current()).said(&reply, "MAIL"), group.len())
                }
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
        self.servers.reap();
    }
}

/// Which of the group cannot be named to the server of this session, and which can; where the sender or the header cannot,
/// nobody can. `None` if all can be named.
fn by_name(session: &Session, request: NextHandover<'_>) -> Option<(Vec<usize>, Vec<usize>)> {
    if session.offers().utf8 || !is_utf8(request) {
        return None;
    }
    let nameless = request.utf8 || request.sender.is_some_and(Address::is_utf8);
    let unnamed = |i: usize| request.envelope.recipients[i].is_utf8();
    Some(request.group.iter().partition(|&&i| nameless || unnamed(i)))
}

/// What becomes of those (RFC 6531 section 3.7.4.2).
fn unnameable() -> Verdict {
    let reason = Reason::new("the server takes no addresses beyond ASCII (SMTPUTF8)");
    Verdict::Failed(reason.with_status(Some("5.6.7".to_owned())))
}

/// What becomes of a message of `size` bytes that none of the group gets, of whom `tried` can be named: the server is not even
/// asked. One that is larger than it takes fails (RFC 1870 section 6.1).
fn refused_here(session: &Session, server: ServerName<'_>, tried: &[usize], size: u64) -> Option<Verdict> {
    if tried.is_empty() {
        return Some(unnameable());
    }
    let most = session.offers().exceeded_by(size)?;
    let reason = Reason::new(&format!("552 {} takes at most {most} bytes, and the message has {size}", server.0));
    Some(Verdict::Failed(reason.with_status(Some("5.3.4".to_owned()))))
}
