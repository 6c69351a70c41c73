//! A worker: claims entries of one queue until none is due, and brings each to its verdict.
//!
//! The order of steps for one group of recipients: *begun* is journaled (several recipients) → the transport has it → its
//! verdict is journaled → the event line → and after the last group its sender is told of failures ([`notices`]) and the
//! entry is settled. What cannot be journaled
//! beforehand is not handed over; what cannot be settled afterwards is passed over to the end of the run.
//!
//! One bad entry stops nobody: it is deferred, failed, set aside or kept, and the next one is claimed. Nor does one bad
//! recipient: a group that a command refuses with one status is handed over again one by one, and whoever was deferred is
//! alone the next time.
#![forbid(unsafe_code)]

pub mod board;
pub mod doubt;
pub mod notices;

use std::time::{Duration, Instant};

use self::board::{Board, Counter, List, Slot};
use self::doubt::{Kept, Noted};
use self::notices::Notices;
use crate::config::{self, OnCrash};
use crate::events::{self, Event};
use crate::model::verdict::Kind;
use crate::model::{Attempt, EntryId, Exit, Micros, Reason, Verdict};
use crate::policy::retry;
use crate::queue::{AttemptNote, Claim, End, Found, Queue, QueueError, Stuck};
use crate::sys::output::warning;
use crate::sys::signals::Signals;
use crate::sys::{clock, fault};
use crate::transport::{Handover, Transport};

/// So many entries of a queue that cannot be settled or claimed end its run; the board's lists have room for them.
pub const FAULTS_MAX: u64 = board::LISTED_MAX as u64;

/// How long a worker may take for all that comes with a hand-over, before it counts as hung.
const MARGIN: Duration = Duration::from_secs(120);

/// The same for what comes between two entries: on a slow disk, millions of names.
const SEARCH: Duration = Duration::from_secs(3_600);

/// Why a person must look after an entry that is held.
const IN_DOUBT: &str = "whether a hand-over succeeded is not known, and on_crash = \"hold\"";

/// What a worker works with.
pub struct Worker<'a, Q: Queue> {
    pub queue: Q,
    pub queue_name: &'a str,
    pub policy: &'a config::Queue,
    pub transport: Box<dyn Transport>,
    pub events: events::Log,
    pub notices: Notices<'a, Q>,
    pub board: &'a Board,
    pub slot: Slot<'a>,
    pub signals: &'a Signals,
    /// What earlier runs were refused.
    pub noted: &'a Noted,
    /// Claims that were refused while nobody knows who is to blame.
    pub kept: Vec<Kept<Q::Claim>>,
}

/// Works until a pass claims nothing, or until told to stop. The status is the worker's own; counts are on the board.
pub fn work<Q: Queue>(worker: &mut Worker<'_, Q>) -> Exit {
    while !worker.must_stop() {
        if !worker.pass() {
            break;
        }
    }
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
    /// So many of those who come next are handed over one by one: they were refused together, and it may be one's fault.
    alone: usize,
}

/// An entry in hand, between two groups.
struct Hand<C> {
    claim: C,
    attempt: Try,
    /// Who is still to be handed over, in this order.
    rest: Vec<usize>,
}

/// How the attempt on an entry went on after one group.
enum Group {
    Answered,
    /// Refused for now, and who is to blame is in doubt.
    InDoubt {
        group: Vec<usize>,
        reason: Reason,
        took: Duration,
        since: doubt::Since,
    },
    /// All of them were refused by one status, which tells nothing of each.
    Refused(Vec<usize>),
    SinkDown,
    /// The journal cannot be written.
    Fault(QueueError),
}

impl<Q: Queue> Worker<'_, Q> {
    fn must_stop(&self) -> bool {
        self.signals.terms() > 0
            || self.signals.quit()
            || self.board.sink_is_down()
            || self.board.count(Counter::Faults) >= FAULTS_MAX
            || self.queue.is_stopped()
    }

    /// One way through everything that is due; `false` if it claimed nothing.
    fn pass(&mut self) -> bool {
        let mut cursor = self.queue.cursor();
        let mut claimed = false;
        while !self.must_stop() {
            self.settle_kept();
            let found = match self.board.doubts().since() {
                None => self.next(&mut cursor),
                Some(_) if self.may_probe() => self.candidate(&mut cursor),
                Some(_) => continue,
            };
            let Some(claim) = found else { break };
            claimed = true;
            self.board.add(Counter::Claims, 1);
            self.deliver(claim);
        }
        if !claimed && !self.kept.is_empty() {
            self.wait_for_evidence();
            claimed = true;
        }
        self.slot.idle();
        claimed
    }

    /// Claims the next entry that is due.
    fn next(&mut self, cursor: &mut Q::Cursor) -> Option<Q::Claim> {
        while !self.must_stop() {
            let (board, slot) = (self.board, self.slot);
            // Whoever dies from here on is known to have died of this entry.
            let mut reach = |id: &EntryId| {
                slot.begin(id, SEARCH);
                !board.is_listed(List::Stuck, id)
            };
            match self.queue.claim(cursor, clock::now(), &mut reach) {
                // It was listed while we locked it.
                Ok(Found::Claim(claim)) if board.is_listed(List::Stuck, claim.id()) => {}
                Ok(Found::Claim(claim)) => return Some(claim),
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

    fn deliver(&mut self, mut claim: Q::Claim) {
        if self.board.is_listed(List::Poisoned, claim.id()) {
            let why = Reason::new("two workers of one run died with this entry in hand");
            return self.hold(claim, Verdict::Unknown(why));
        }
        // What a killed worker had not come to.
        if let Err(error) = self.tell_of_failures(&mut claim) {
            return self.stick(claim.id(), &error);
        }
        let waited = claim.waited(clock::now());
        let mut attempt = Try {
            number: claim.attempts().saturating_add(1),
            waited,
            expired: waited >= self.policy.retry.expire,
            next: None,
            open: claim.open(),
            alone: 0,
        };
        if attempt.number > 1 && self.transport.shares_verdicts() {
            attempt.alone = attempt.open.len();
        }
        if let Err(error) = self.hold_in_flight(&mut claim, &mut attempt) {
            return self.stick(claim.id(), &error);
        }
        let rest = by_domain(&claim, attempt.open.clone());
        self.go_on(Hand { claim, attempt, rest });
    }

    /// Hands over who is left, group by group, and settles the entry.
    fn go_on(&mut self, hand: Hand<Q::Claim>) {
        let Hand { mut claim, mut attempt, mut rest } = hand;
        while !rest.is_empty() {
            if self.must_stop() {
                // Who was not reached is still due; the name says so.
                return self.slot.idle();
            }
            let fits = if attempt.alone > 0 { 1 } else { self.transport.fit(claim.envelope(), &rest) };
            let later = rest.split_off(fits.min(self.policy.max_recipients).clamp(1, rest.len()));
            let group = std::mem::replace(&mut rest, later);
            attempt.alone = attempt.alone.saturating_sub(1);
            match self.hand_over(&mut claim, group, &mut attempt) {
                Group::Answered => {}
                Group::Refused(group) => {
                    attempt.alone = group.len();
                    rest.splice(0..0, group);
                }
                Group::InDoubt { group, reason, took, since } => {
                    // The doubt may last for days, and who failed has nothing to do with it.
                    if let Err(error) = self.tell_of_failures(&mut claim) {
                        return self.stick(claim.id(), &error);
                    }
                    let hand = Hand { claim, attempt, rest };
                    return self.keep(Kept { hand, group, reason, took, since });
                }
                Group::SinkDown => return self.slot.idle(),
                // Everybody has it: its removal says that as well as a journal does.
                Group::Fault(error)
                    if attempt.open.is_empty() && !claim.any(Kind::Failed) && !claim.any(Kind::Held) =>
                {
                    self.fault(&error);
                }
                Group::Fault(error) => return self.stick(claim.id(), &error),
            }
        }
        if let Err(error) = self.tell_of_failures(&mut claim) {
            return self.stick(claim.id(), &error);
        }
        self.tell_of_progress(&mut claim, &attempt);
        let end = match attempt.next {
            Some(due) if !attempt.open.is_empty() => End::Deferred { due },
            Some(_) | None if claim.any(Kind::Held) => {
                self.say(&format!("{0}: {IN_DOUBT}; it is in hold/ now, see 'bulkmailer show {0}'", claim.id()));
                End::Held
            }
            Some(_) | None if claim.any(Kind::Failed) => End::Failed,
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

    fn hand_over(&mut self, claim: &mut Q::Claim, group: Vec<usize>, attempt: &mut Try) -> Group {
        let (started, began) = (Instant::now(), clock::steady());
        // The transport ends what hangs; only if that fails, the supervisor ends us.
        self.slot.begin(claim.id(), self.transport.longest() + MARGIN);
        let message = match claim.message() {
            Ok(message) => message,
            Err(error) => return Group::Fault(error),
        };
        let begun = match claim.begin(group, clock::now()) {
            Ok(begun) => begun,
            Err(error) => return Group::Fault(error),
        };
        let group = begun.group.clone();
        let handover = Handover { envelope: claim.envelope(), group: &group, message };
        fault::instant("worker.handing");
        let answer = self.transport.send(handover, self.signals);
        fault::instant("worker.handed");
        let verdicts = match answer {
            Attempt::Answered(verdicts) => verdicts,
            Attempt::Ambiguous(reason) => match self.refused(claim, &group, began, &reason) {
                None => vec![Verdict::Deferred(reason); group.len()],
                Some(since) => {
                    return match claim.answer(begun, None) {
                        Ok(()) => Group::InDoubt { group, reason, took: started.elapsed(), since },
                        Err(error) => Group::Fault(error),
                    };
                }
            },
            Attempt::SinkDown(why) => {
                self.board.sink_down(&why);
                return match claim.answer(begun, None) {
                    Ok(()) => Group::SinkDown,
                    Err(error) => Group::Fault(error),
                };
            }
        };
        if verdicts.contains(&Verdict::Delivered) {
            self.board.doubts().delivered(began);
        }
        let refused = self.transport.shares_verdicts() && matches!(verdicts.as_slice(), [Verdict::Failed(_), _, ..]);
        if refused {
            return match claim.answer(begun, None) {
                Ok(()) => Group::Refused(group),
                Err(error) => Group::Fault(error),
            };
        }
        let on_crash = self.policy.on_crash;
        let verdicts: Vec<Verdict> = verdicts.into_iter().map(|verdict| attempt.judge(verdict, on_crash)).collect();
        let answered = claim.answer(begun, Some(&verdicts));
        fault::instant("worker.answered");
        let recorded = self.record(claim, &group, &verdicts, attempt, answered.is_ok(), started.elapsed());
        match (answered, recorded) {
            (Ok(()), Ok(())) => Group::Answered,
            // The attempt's own line tells it instead.
            (Err(error), Ok(())) => {
                self.fault(&error);
                Group::Answered
            }
            (Ok(()) | Err(_), Err(error)) => Group::Fault(error),
        }
    }

    /// Journals what was not delivered, and what was where the answer could not be; writes the events, counts.
    fn record(
        &mut self,
        claim: &mut Q::Claim,
        group: &[usize],
        verdicts: &[Verdict],
        attempt: &mut Try,
        answered: bool,
        took: Duration,
    ) -> Result<(), QueueError> {
        let now = clock::now();
        let mut noted = Ok(());
        let results = together(group, verdicts, answered);
        if !results.is_empty() {
            let (number, waited) = (attempt.number, attempt.waited);
            if results.iter().any(|(_, verdict)| matches!(verdict, Verdict::Deferred(_) | Verdict::Unknown(_))) {
                attempt.next.get_or_insert_with(|| now.plus(self.delay(number)));
            }
            noted = claim.note(&AttemptNote { number, at: now, waited, next: attempt.next, results });
        }
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let envelope = claim.envelope();
        let event = |(&recipient, verdict)| {
            let base = Event {
                at: now.rfc3339(),
                queue: self.queue_name,
                id: &envelope.id,
                sender: envelope.sender_text(),
                recipient: &envelope.recipients[recipient],
                verdict: "",
                attempt: attempt.number,
                transport: &self.policy.transport,
                ms,
                status: None,
                reason: None,
            };
            events::of(verdict, base)
        };
        let lines: Vec<Event<'_>> = group.iter().zip(verdicts).map(event).collect();
        self.events.write(now, &lines);
        fault::instant("worker.recorded");
        for (&recipient, verdict) in group.iter().zip(verdicts) {
            self.board.add(Counter::of(verdict.kind()), 1);
            // A failure that is in no journal is none yet.
            let done = match verdict {
                Verdict::Delivered => true,
                Verdict::Failed(_) | Verdict::Held(_) => noted.is_ok(),
                Verdict::Deferred(_) | Verdict::Unknown(_) => false,
            };
            if done {
                attempt.open.retain(|&open| open != recipient);
            }
        }
        noted
    }

    fn delay(&self, attempt: u32) -> Duration {
        let policy = &self.policy.retry;
        let chance = clock::now().0 % 1_000;
        retry::delay(attempt, policy.first, policy.max, chance as f64 / 1_000.0)
    }
}

impl Try {
    /// What a transport's verdict becomes: held where the outcome is unknown and shall not be tried again, and a failure
    /// where it leaves a recipient open that has waited too long.
    fn judge(&self, verdict: Verdict, on_crash: OnCrash) -> Verdict {
        match verdict {
            Verdict::Unknown(reason) if on_crash == OnCrash::Hold => Verdict::Held(reason),
            Verdict::Deferred(reason) | Verdict::Unknown(reason) if self.expired => {
                let text = format!("given up after {} attempts: {}", self.number, reason.text);
                // RFC 3463: delivery time expired.
                let status = reason.status.unwrap_or_else(|| "4.4.7".to_owned());
                Verdict::Failed(Reason::new(&text).with_status(Some(status)))
            }
            Verdict::Delivered | Verdict::Deferred(_) | Verdict::Failed(_) | Verdict::Unknown(_) | Verdict::Held(_) => {
                verdict
            }
        }
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

/// The same verdicts together; without the deliveries if those were `answered`.
fn together(group: &[usize], verdicts: &[Verdict], answered: bool) -> Vec<(Vec<usize>, Verdict)> {
    let mut results: Vec<(Vec<usize>, Verdict)> = Vec::new();
    for (&recipient, verdict) in group.iter().zip(verdicts) {
        if answered && *verdict == Verdict::Delivered {
            continue;
        }
        match results.iter_mut().find(|(_, seen)| seen == verdict) {
            Some((recipients, _)) => recipients.push(recipient),
            None => results.push((vec![recipient], verdict.clone())),
        }
    }
    results
}
