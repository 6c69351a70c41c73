//! A worker: claims entries of one queue until none is due, and brings each to its verdict.
//!
//! The order of steps for one group of recipients: its turn has come ([`pace`]) → *begun* is journaled (several recipients,
//! or "hold") → the transport has it → its verdict is journaled → the event line → and after the last group its sender is
//! told of failures ([`notices`]) and the entry is settled. What cannot be journaled beforehand is not handed over; what
//! cannot be settled afterwards is passed over to the end of the run.
//!
//! Nobody waits behind a long entry: between two groups of one that is part of a job, a single mail that came since has its
//! turn, and then the next group.
//!
//! One bad entry stops nobody: it is deferred, failed, set aside or kept, and the next one is claimed. Nor does one bad
//! recipient: a group that a command refuses with one status is handed over again one by one, and whoever was deferred is
//! alone the next time.
#![forbid(unsafe_code)]

pub mod board;
pub mod bounces;
pub mod doubt;
pub mod evidence;
mod handover;
pub mod judge;
pub mod notices;
pub mod pace;
pub mod suppress;

use std::time::{Duration, Instant};

use self::board::{Board, Counter, List, Slot};
use self::bounces::Desk;
use self::doubt::{Kept, Noted};
use self::handover::{Group, has_senders};
use self::notices::Notices;
use self::pace::Pace;
use self::suppress::Gate;
use crate::config::{self, OnCrash};
use crate::events;
use crate::model::verdict::Kind;
use crate::model::{EntryId, Exit, Micros, Reason, Verdict};
use crate::queue::{AttemptNote, Claim, End, Found, Queue, QueueError, Stuck, Which};
use crate::sys::clock;
use crate::sys::output::warning;
use crate::sys::signals::Signals;
use crate::sys::slots::Slot as Session;
use crate::transport::Transport;

/// So many entries of a queue that cannot be settled or claimed end its run; the board's lists have room for them.
pub const FAULTS_MAX: u64 = board::LISTED_MAX as u64;

/// How long a worker may take for all that comes with a hand-over, before it counts as hung.
const MARGIN: Duration = Duration::from_secs(120);

/// The same for what comes between two entries: on a slow disk, millions of names.
const SEARCH: Duration = Duration::from_secs(3_600);

/// How long a worker gives way to others the first time; each time in a row twice as long, up to half a minute.
const CROWDED: Duration = Duration::from_millis(500);

/// How often one who waits looks around.
const TICK: Duration = Duration::from_millis(250);

/// Why a person must look after an entry that is held.
const IN_DOUBT: &str = "whether a hand-over succeeded is not known, and on_crash = \"hold\"";

/// What a worker works with.
pub struct Worker<'a, Q: Queue> {
    pub queue: Q,
    pub queue_name: &'a str,
    pub policy: &'a config::Queue,
    pub events: events::Log,
    pub notices: Notices<'a, Q>,
    pub board: &'a Board,
    pub slot: Slot<'a>,
    pub signals: &'a Signals,
    pub pace: &'a Pace,
    /// The transport's session that this worker holds, where their number is limited.
    pub session: Option<Session>,
    /// Where its mail is read as bounces.
    pub bounces: Option<Desk<'a, Q::Claim>>,
    /// Where recipients may be suppressed.
    pub gate: Option<Gate<'a>>,
    /// What earlier runs were refused.
    pub noted: &'a Noted,
    /// Claims that were refused while nobody knows who is to blame.
    pub kept: Vec<Kept<Q::Claim>>,
    /// The way through the entries of this pass.
    pub cursor: Option<Q::Cursor>,
    /// What is handed over next: claimed while something else was in flight, or half done.
    pub ahead: Option<Hand<Q::Claim>>,
    /// The transport was shown what comes next, and may have begun it.
    pub shown: bool,
    /// How often in a row the sink had no place for this worker.
    pub crowded: u32,
    /// A person stopped the queue.
    pub stopped: bool,
}

/// Works through `transport` until a pass claims nothing, or until told to stop. The status is the worker's own; counts are
/// on the board.
pub fn work<Q: Queue>(worker: &mut Worker<'_, Q>, transport: &mut dyn Transport) -> Exit {
    while !worker.must_stop() {
        if !worker.pass(transport) {
            break;
        }
    }
    worker.ahead = None;
    transport.close();
    worker.session = None;
    // Nobody knows who is to blame: they are let go as if they had not been tried.
    worker.kept.clear();
    worker.slot.clear();
    worker.board.add(Counter::Contended, worker.queue.contended());
    // Journals that stay behind are closed; the sweep takes them.
    let _ = worker.queue.tidy();
    Exit::Ok
}

/// One attempt on one entry, as it goes.
struct Try {
    number: u32,
    waited: Duration,
    /// Whoever is still open after this attempt has waited too long.
    expired: bool,
    /// When it is tried again; set by the first deferral.
    next: Option<Micros>,
    /// Who is open.
    open: Vec<usize>,
    /// What took it instead of the queue's transport.
    through: Option<&'static str>,
    /// So many of those who come next are handed over one by one: they were refused together, and it may be one's fault.
    alone: usize,
}

/// An entry in hand, between two groups.
pub struct Hand<C> {
    claim: C,
    attempt: Try,
    /// Who is still to be handed over, in this order.
    rest: Vec<usize>,
}

impl<Q: Queue> Worker<'_, Q> {
    /// Whether nothing more is claimed. The red button is looked at before each hand-over, in [`Worker::admit`], and in waits.
    fn must_stop(&self) -> bool {
        self.stopped
            || self.signals.terms() > 0
            || self.signals.quit()
            || self.board.sink_is_down()
            || self.board.count(Counter::Faults) >= FAULTS_MAX
    }

    /// The same, with a look at the red button.
    fn must_stop_now(&mut self) -> bool {
        self.stopped |= self.queue.is_stopped();
        self.must_stop()
    }

    /// One way through everything that is due; `false` if it claimed nothing.
    fn pass(&mut self, transport: &mut dyn Transport) -> bool {
        self.cursor = Some(self.queue.cursor());
        let mut claimed = false;
        while !self.must_stop() {
            self.settle_kept(transport);
            let doubt = self.board.doubts().since().is_some();
            // In doubt it is chosen with care who is next, but for one whose envelope is under way.
            let ahead = self.ahead.take().filter(|_| !doubt || self.shown);
            let hand = match ahead {
                Some(hand) => Some(hand),
                None => {
                    let found = match doubt {
                        false => self.next(Which::Any),
                        true if self.may_probe() => self.candidate(),
                        true => continue,
                    };
                    let Some(claim) = found else { break };
                    self.prepare(claim, transport.shares_verdicts())
                }
            };
            claimed = true;
            if let Some(hand) = hand {
                self.take_bounce(hand, transport);
            }
            if self.crowded > 0 {
                self.give_way(transport);
            }
        }
        self.record_bounces(transport);
        if !claimed && !self.kept.is_empty() {
            self.wait_for_evidence();
            claimed = true;
        }
        self.slot.idle();
        claimed
    }

    /// Claims the next entry that is due, of those that `which` asks for.
    fn next(&mut self, which: Which) -> Option<Q::Claim> {
        while !self.must_stop() {
            let (board, slot) = (self.board, self.slot);
            let cursor = self.cursor.as_mut()?;
            // Whoever dies from here on is known to have died of this entry.
            let mut reach = |id: &EntryId| {
                slot.begin(id, SEARCH);
                !board.is_listed(List::Stuck, id)
            };
            match self.queue.claim(cursor, which, clock::now(), &mut reach) {
                // It was listed while we locked it.
                Ok(Found::Claim(claim)) if board.is_listed(List::Stuck, claim.id()) => {}
                Ok(Found::Claim(claim)) => {
                    self.board.add(Counter::Claims, 1);
                    return Some(claim);
                }
                Ok(Found::Corrupt { name, why }) => {
                    self.board.add(Counter::Corrupt, 1);
                    self.say(&format!("{name}: {why}; moved to corrupt/, see 'bulkmailer check'"));
                }
                Ok(Found::Fault { id, error }) => self.stick(&id, &error),
                Ok(Found::Nothing) => break,
                // A folder that cannot be listed is met again in the next pass.
                Err(error) => self.fault(&error),
            }
        }
        None
    }

    fn say(&self, text: &str) {
        warning!("{}: {text}", self.queue_name);
    }

    fn fault(&self, error: &QueueError) {
        self.board.add(Counter::Faults, 1);
        self.say(&error.to_string());
    }

    /// From now on nobody reaches for this entry in this run. Its claim, if there is one, must still be held.
    fn stick(&self, id: &EntryId, error: &QueueError) {
        self.board.put(List::Stuck, id.as_str());
        self.fault(error);
        self.slot.idle();
    }

    /// Takes a claim in hand, unless it ends before anything is handed over.
    fn prepare(&mut self, mut claim: Q::Claim, shares_verdicts: bool) -> Option<Hand<Q::Claim>> {
        if self.board.is_listed(List::Poisoned, claim.id()) {
            let why = Reason::new("two workers of one run died with this entry in hand");
            self.hold(claim, Verdict::Unknown(why));
            return None;
        }
        // What a killed worker had not come to.
        if let Err(error) = self.tell_of_failures(&mut claim) {
            self.stick(claim.id(), &error);
            return None;
        }
        let waited = claim.waited(clock::now());
        let mut attempt = Try {
            number: claim.attempts().saturating_add(1),
            waited,
            expired: waited >= self.policy.retry.expire,
            next: None,
            open: claim.open(),
            through: None,
            alone: 0,
        };
        if attempt.number > 1 && shares_verdicts {
            attempt.alone = attempt.open.len();
        }
        if let Err(error) = self.hold_in_flight(&mut claim, &mut attempt) {
            self.stick(claim.id(), &error);
            return None;
        }
        let mut rest = by_domain(&claim, attempt.open.clone());
        match self.turn_away(&mut claim, &mut attempt, &mut rest) {
            Ok(true) => Some(Hand { claim, attempt, rest }),
            Ok(false) => None,
            Err(error) => {
                self.stick(claim.id(), &error);
                None
            }
        }
    }

    /// The sink has no place for this worker, and one for others: as parallel as it likes. Waits for longer each time, or
    /// until there is nobody else.
    fn give_way(&mut self, transport: &mut dyn Transport) {
        self.ahead = None;
        self.session = None;
        self.slot.idle();
        let until = Instant::now() + CROWDED.saturating_mul(1 << self.crowded.min(5));
        while Instant::now() < until && !self.must_stop_now() {
            // The sink may take a moment to see that the last one has gone.
            let alone = !self.board.another_is_open(self.slot);
            self.settle_kept(transport);
            // Whatever ends the wait, we look again.
            let _ = self.signals.wait(None, TICK);
            if alone {
                break;
            }
        }
    }

    /// Hands over who is left, group by group, and settles the entry.
    fn go_on(&mut self, hand: Hand<Q::Claim>, transport: &mut dyn Transport) {
        let Hand { mut claim, mut attempt, mut rest } = hand;
        while !rest.is_empty() {
            match self.admit(&claim, transport) {
                Ok(true) => {}
                // Who was not reached is still due; the name says so.
                Ok(false) => return self.slot.idle(),
                Err(error) => return self.stick(claim.id(), &error),
            }
            let alone = attempt.alone > 0 || has_senders(&claim, transport.verp());
            let fits = if alone { 1 } else { transport.fit(claim.envelope(), &rest) };
            let later = rest.split_off(self.together(fits, &rest));
            let group = std::mem::replace(&mut rest, later);
            attempt.alone = attempt.alone.saturating_sub(1);
            let group = self.hand_over(&mut claim, group, &rest, &mut attempt, transport);
            self.end_session(transport);
            match group {
                // An entry of which nothing is left is settled first: put back, it would be forgotten in a doubt or at the end.
                Group::Answered => {
                    if !rest.is_empty()
                        && let Some(single) = self.single_between(&claim, &rest, transport.shares_verdicts())
                    {
                        self.ahead = Some(Hand { claim, attempt, rest });
                        return self.go_on(single, transport);
                    }
                }
                Group::Refused(group) => {
                    attempt.alone = group.len();
                    rest.splice(0..0, group);
                }
                Group::InDoubt { group, verdicts, took, doubt } => {
                    // The doubt may last for days, and who failed has nothing to do with it.
                    if let Err(error) = self.tell_of_failures(&mut claim) {
                        return self.stick(claim.id(), &error);
                    }
                    let hand = Hand { claim, attempt, rest };
                    return self.keep(Kept { hand, group, verdicts, took, doubt });
                }
                Group::Left => return self.slot.idle(),
                // Everybody has it: its removal says that as well as a journal does.
                Group::Fault(error)
                    if attempt.open.is_empty() && !claim.any(Kind::Failed) && !claim.any(Kind::Held) =>
                {
                    self.fault(&error);
                }
                Group::Fault(error) => return self.stick(claim.id(), &error),
            }
        }
        self.conclude(claim, &attempt, transport);
    }

    /// Ends an attempt, after its last group: its sender is told, and the entry settled.
    fn conclude(&mut self, mut claim: Q::Claim, attempt: &Try, transport: &dyn Transport) {
        if let Err(error) = self.tell_of_failures(&mut claim) {
            return self.stick(claim.id(), &error);
        }
        self.tell_of_progress(&mut claim, attempt, transport.success());
        // Who wrote to one who gets no mail may want to write again; to a list's subscribers he need not.
        let suppressed = claim.any(Kind::Suppressed) && !claim.is_post();
        let end = match attempt.next {
            Some(due) if !attempt.open.is_empty() => End::Deferred { due },
            Some(_) | None if claim.any(Kind::Held) => {
                self.say(&format!("{0}: {IN_DOUBT}; it is in hold/ now, see 'bulkmailer show {0}'", claim.id()));
                End::Held
            }
            Some(_) | None if claim.any(Kind::Failed) || suppressed => End::Failed,
            Some(_) | None => End::Delivered,
        };
        self.settle(claim, end);
    }

    fn settle(&mut self, claim: Q::Claim, end: End) {
        match claim.settle(end) {
            Ok(()) => self.board.add(Counter::Settled, 1),
            Err(Stuck { claim, error }) => self.stick(claim.id(), &error),
        }
        self.slot.idle();
    }

    /// With `on_crash = "hold"`, whoever was in flight when a former holder died is not handed over again.
    fn hold_in_flight(&mut self, claim: &mut Q::Claim, attempt: &mut Try) -> Result<(), QueueError> {
        let group = claim.in_flight();
        if self.policy.on_crash == OnCrash::Resend || group.is_empty() {
            return Ok(());
        }
        let reason = Reason::new("the run was killed or the host went down while this was handed over");
        let verdicts = vec![Verdict::Held(reason); group.len()];
        self.record(claim, &group, &verdicts, attempt, true, Duration::ZERO)
    }

    /// Sets an entry aside, to wait for a person.
    fn hold(&mut self, mut claim: Q::Claim, verdict: Verdict) {
        let now = clock::now();
        let why = verdict.reason().map_or(String::new(), |reason| reason.text.clone());
        let note = AttemptNote {
            number: claim.attempts().saturating_add(1),
            at: now,
            waited: claim.waited(now),
            next: None,
            results: vec![(claim.open(), verdict)],
        };
        if let Err(error) = claim.note(&note) {
            return self.stick(claim.id(), &error);
        }
        self.say(&format!("{0}: {why}; it is in hold/ now, see 'bulkmailer show {0}'", claim.id()));
        self.settle(claim, End::Held);
    }
}

/// The recipients so ordered that those of one domain stay together.
fn by_domain<C: Claim>(claim: &C, mut open: Vec<usize>) -> Vec<usize> {
    if open.len() > 1 {
        let recipients = &claim.envelope().recipients;
        open.sort_by_cached_key(|&i| recipients.get(i).map(|r| r.domain().to_ascii_lowercase()));
    }
    open
}
