//! One group of an entry's recipients: handed over, and what came of it journaled, told and counted.
//!
//! While it is in flight, what comes next is claimed and shown to the transport, which may prepare it.

use std::time::{Duration, Instant};

use super::board::Counter;
use super::doubt::{Doubt, Refused, is_refused_together};
use super::{Hand, MARGIN, SEARCH, Try, Worker};
use crate::config::OnCrash;
use crate::events::{self, Event};
use crate::model::address::BadAddress;
use crate::model::envelope::verp_delimiters;
use crate::model::{Address, Attempt, Reason, Verdict};
use crate::policy::retry;
use crate::queue::{AttemptNote, Begun, Claim, Queue, QueueError, Which};
use crate::sys::{clock, fault};
use crate::transport::{Handover, Letter, Look, Transport};

/// How the attempt on an entry went on after one group.
pub(super) enum Group {
    Answered,
    /// Refused, and who is to blame is in doubt.
    InDoubt {
        group: Vec<usize>,
        verdicts: Vec<Verdict>,
        took: Duration,
        doubt: Doubt,
    },
    /// All of them were refused by one status, which tells nothing of each.
    Refused(Vec<usize>),
    /// Nothing was handed over, and nobody is to blame.
    Left,
    /// The journal cannot be written.
    Fault(QueueError),
}

impl<Q: Queue> Worker<'_, Q> {
    /// How many of `rest` are handed over together, where the transport takes `fits` of them.
    pub(super) fn together(&self, fits: usize, rest: &[usize]) -> usize {
        fits.min(self.policy.max_recipients).clamp(1, rest.len().max(1))
    }

    /// Shows the transport what comes after the group of `current` that is in flight: of `rest`, or of an entry that is
    /// claimed for that.
    fn look_ahead(
        &mut self,
        look: Look,
        current: &Q::Claim,
        rest: &[usize],
        (limit, verp): (Duration, bool),
        visit: &mut dyn FnMut(Letter<'_>),
    ) {
        if self.board.doubts().since().is_some() || !self.pace.has_tokens() {
            return;
        }
        if self.ahead.is_none() {
            self.ahead = match (look, rest.is_empty()) {
                (Look::AtHand, true) => self.next(Which::AtHand).and_then(|claim| self.prepare(claim, false)),
                (Look::Far, true) => self.next(Which::Any).and_then(|claim| self.prepare(claim, false)),
                (Look::AtHand | Look::Far, false) => self.single_between(current, rest, false),
            };
            self.slot.begin(current.id(), limit);
        }
        self.shown = true;
        if !rest.is_empty() && !self.ahead.as_ref().is_some_and(|hand| goes_between(hand, current)) {
            return self.show(current, rest, verp, visit);
        }
        if let Some(Hand { claim, rest, .. }) = self.ahead.as_ref().filter(|hand| !hand.rest.is_empty()) {
            self.show(claim, rest, verp, visit);
        }
    }

    /// A single mail that has its turn before `rest` of the same job's entry is handed over.
    pub(super) fn single_between(
        &mut self,
        current: &Q::Claim,
        rest: &[usize],
        shares_verdicts: bool,
    ) -> Option<Hand<Q::Claim>> {
        if self.shown || self.ahead.is_some() {
            return self.ahead.take_if(|hand| goes_between(hand, current));
        }
        // In doubt it is chosen with care who is next; bounces are read one after another.
        let none = rest.is_empty() || current.id().job().is_none() || self.bounces.is_some();
        if none || self.board.doubts().since().is_some() {
            return None;
        }
        let single = self.next(Which::Single).and_then(|claim| self.prepare(claim, shares_verdicts));
        if single.is_none() {
            self.slot.begin(current.id(), SEARCH);
        }
        single
    }

    /// Shows the first group of `rest`.
    fn show(&self, claim: &Q::Claim, rest: &[usize], verp: bool, visit: &mut dyn FnMut(Letter<'_>)) {
        let fits = if has_senders(claim, verp) { 1 } else { rest.len() };
        let group = &rest[..self.together(fits, rest)];
        if let Ok(made) = made_sender(claim, group, verp) {
            let envelope = claim.envelope();
            let sender = made.as_ref().or(envelope.sender.as_ref());
            visit(Letter { envelope, sender, group, size: claim.size() });
        }
    }

    /// Hands `group` over; `rest` of the same entry comes next.
    pub(super) fn hand_over(
        &mut self,
        claim: &mut Q::Claim,
        group: Vec<usize>,
        rest: &[usize],
        attempt: &mut Try,
        transport: &mut dyn Transport,
    ) -> Group {
        let (started, began) = (Instant::now(), clock::steady());
        // The transport ends what hangs; only if that fails, the supervisor ends us.
        let limit = transport.longest() + MARGIN;
        self.slot.begin(claim.id(), limit);
        let made = match made_sender(claim, &group, transport.verp()) {
            Ok(made) => made,
            Err(why) => {
                let verdict =
                    Verdict::Failed(Reason::new(&format!("no VERP sender can be made for this recipient: {why}")));
                return match self.record(claim, &group, &[verdict], attempt, false, Duration::ZERO) {
                    Ok(()) => Group::Answered,
                    Err(error) => Group::Fault(error),
                };
            }
        };
        let message = match claim.message(transport.reads_by_position()) {
            Ok(message) => message,
            Err(error) => return Group::Fault(error),
        };
        let begun = match claim.begin(group, clock::now()) {
            Ok(begun) => begun,
            Err(error) => return Group::Fault(error),
        };
        let group = begun.group.clone();
        let envelope = claim.envelope();
        let sender = made.as_ref().or(envelope.sender.as_ref());
        let handover = Handover { envelope, sender, group: &group, message };
        fault::instant("worker.handing");
        let signals = self.signals;
        let facts = (limit, transport.verp());
        self.shown = false;
        // One that is about to be let in counts, or the others would call the sink down.
        self.slot.keeps_open(transport.has_sessions());
        let mut next = |look, visit: &mut dyn FnMut(Letter<'_>)| {
            self.look_ahead(look, claim, rest, facts, visit);
        };
        let answer = transport.send(handover, &mut next, signals);
        fault::instant("worker.handed");
        self.slot.keeps_open(transport.is_open());
        if !matches!(answer, Attempt::SinkDown(_)) {
            self.crowded = 0;
        }
        let verdicts = match answer {
            Attempt::Answered(verdicts) => verdicts,
            Attempt::Doubtful(doubtful) => {
                let refused = Refused { group: &group, sender, began };
                let doubt = self.refused(claim, &refused, &doubtful);
                let verdicts = doubtful.verdicts;
                if let Some(doubt) = doubt {
                    return match claim.answer(begun, None) {
                        Ok(()) => Group::InDoubt { group, verdicts, took: started.elapsed(), doubt },
                        Err(error) => Group::Fault(error),
                    };
                }
                verdicts
            }
            Attempt::SinkDown(why) => {
                if self.board.another_is_open(self.slot) {
                    self.crowded = self.crowded.saturating_add(1);
                } else {
                    self.board.sink_down(&why);
                }
                return left(claim, begun);
            }
            Attempt::Stopped => return left(claim, begun),
        };
        if verdicts.contains(&Verdict::Delivered) {
            self.board.doubts().accepted(began);
        }
        if is_refused_together(&verdicts, transport) {
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
    pub(super) fn record(
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
        let results = alike(group, verdicts, answered);
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
                transport: attempt.through.unwrap_or(&self.policy.transport),
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
                Verdict::Failed(_) | Verdict::Held(_) | Verdict::Suppressed(_) => noted.is_ok(),
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
    pub(super) fn judge(&self, verdict: Verdict, on_crash: OnCrash) -> Verdict {
        match verdict {
            Verdict::Unknown(reason) if on_crash == OnCrash::Hold => Verdict::Held(reason),
            Verdict::Deferred(reason) | Verdict::Unknown(reason) if self.expired => {
                let text = format!("given up after {} attempts: {}", self.number, reason.text);
                // RFC 3463: delivery time expired.
                let status = reason.status.unwrap_or_else(|| "4.4.7".to_owned());
                Verdict::Failed(Reason::new(&text).with_status(Some(status)))
            }
            Verdict::Delivered
            | Verdict::Deferred(_)
            | Verdict::Failed(_)
            | Verdict::Unknown(_)
            | Verdict::Held(_)
            | Verdict::Suppressed(_) => verdict,
        }
    }
}

/// Whether `hand` is a single entry, and `current` one of a job.
fn goes_between<C: Claim>(hand: &Hand<C>, current: &C) -> bool {
    hand.claim.id().job().is_none() && current.id().job().is_some()
}

/// Takes the announcement of a hand-over back.
fn left<C: Claim>(claim: &mut C, begun: Begun) -> Group {
    match claim.answer(begun, None) {
        Ok(()) => Group::Left,
        Err(error) => Group::Fault(error),
    }
}

/// Whether each recipient has a sender of his own, which the sink does not make, though it makes some.
pub(super) fn has_senders<C: Claim>(claim: &C, sink_makes_them: bool) -> bool {
    let sink_makes = |pattern: &String| sink_makes_them && verp_delimiters(pattern).is_some();
    let envelope = claim.envelope();
    envelope.sender.is_some() && envelope.origin.verp.as_ref().is_some_and(|pattern| !sink_makes(pattern))
}

/// The envelope sender that VERP makes for the one recipient of `group`; `None` where that is the envelope's own.
fn made_sender<C: Claim>(claim: &C, group: &[usize], sink_makes_them: bool) -> Result<Option<Address>, BadAddress> {
    match (has_senders(claim, sink_makes_them), group) {
        (true, [recipient]) => claim.envelope().sender_for(*recipient),
        (true | false, _) => Ok(None),
    }
}

/// The same verdicts together; without the deliveries if those were `answered`.
fn alike(group: &[usize], verdicts: &[Verdict], answered: bool) -> Vec<(Vec<usize>, Verdict)> {
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
