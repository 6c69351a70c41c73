//! One group of an entry's recipients is handed over: announced in the journal, in the transport's hands, answered.

use std::time::Duration;

use super::ahead::Ahead;
use super::context::{Context, MARGIN};
use super::doubt::{self, Doubt, RefusedGroup, is_refused_together};
use super::hand::{Hand, Try};
use super::record::Judged;
use super::source::Source;
use super::turn::Infeed;
use crate::model::{Address, Attempt, Envelope, Reason, Verdict};
use crate::queue::{AttemptNote, Begun, Claim, Message, NoMessage, Queue, QueueError};
use crate::sys::{clock, fault};
use crate::transport::{Handover, NextHandover, Transport};

/// How a hand-over ended.
pub(super) enum Handed {
    /// What came of each; and what kept the answer from being journaled, so that the attempt's own line must tell it.
    Judged(Judged, Option<QueueError>),
    /// Refused, and who is to blame is in doubt: what it is for each, if it is.
    InDoubt(Judged, Doubt),
    /// All of them were refused by one status, which tells nothing of each.
    Refused(Vec<usize>),
    /// Nothing was handed over, and nobody is to blame.
    NotTaken,
    /// A row whose mail cannot be made is tried once more after all others.
    PutBack,
    /// The journal cannot be written, or the message not be read.
    Fault(QueueError),
}

/// A group that was announced, and must be answered.
struct Flight {
    begun: Begun,
    /// The envelope sender, where VERP makes one.
    made: Option<Address>,
    /// On the steady clock.
    began: u64,
}

/// Hands `group` over. While it is in flight, `ahead` shows the transport what comes next from `source`.
pub(super) fn hand_over<Q: Queue>(
    context: &Context<'_, Q>,
    hand: &mut Hand<Q::Claim>,
    group: Vec<usize>,
    (ahead, source): (&mut Ahead<Q::Claim>, &mut Source<'_, Q>),
    infeed: &mut Infeed,
    transport: &mut dyn Transport,
) -> Handed {
    let began = clock::steady();
    // The transport ends what hangs; only if that fails, the supervisor ends us.
    let limit = transport.longest() + MARGIN;
    context.slot.begin(hand.claim.id(), limit);
    let made = match hand.made_sender(&group, transport.verp()) {
        Ok(made) => made,
        Err(why) => {
            let why = Reason::new(&format!("no VERP sender can be made for this recipient: {why}"));
            let judged = Judged { group, verdicts: vec![Verdict::Failed(why)], answered: false, took: Duration::ZERO };
            return Handed::Judged(judged, None);
        }
    };
    let (message, begun) = match announce(context, &mut hand.claim, group, transport.reads_by_position()) {
        Ok(announced) => announced,
        Err((_, NoMessage::Fault(error) | NoMessage::Common(error))) => {
            // If not even this can be written, it is in flight in vain.
            let _ = hand.claim.take_back_next();
            return Handed::Fault(error);
        }
        Err((_, NoMessage::Moved)) => {
            return hand.claim.take_back_next().map_or_else(Handed::Fault, |()| Handed::NotTaken);
        }
        Err((group, NoMessage::Row(verdict))) => {
            let verdict = hand.attempt.final_verdict(verdict, context.policy.on_crash);
            let judged = Judged { group, verdicts: vec![verdict], answered: false, took: Duration::ZERO };
            return Handed::Judged(judged, None);
        }
        Err((group, NoMessage::PutBack(reason))) => return put_back(hand, group, reason),
    };
    let flight = Flight { begun, made, began };
    let envelope = hand.claim.envelope();
    let handover = Handover { envelope, sender: flight.sender(envelope), group: &flight.begun.group, message };
    fault::instant("worker.handing");
    ahead.takes_off();
    // One that is about to be let in counts, or the others would call the sink down.
    context.slot.keeps_open(transport.has_sessions());
    let facts = (limit, transport.verp());
    let mut next =
        |look, visit: &mut dyn FnMut(NextHandover<'_>)| ahead.look(context, source, look, hand, facts, visit);
    let answer = transport.send(handover, &mut next, context.signals);
    fault::instant("worker.handed");
    context.slot.keeps_open(transport.is_open());
    infeed.took(context, &answer);
    land(context, hand, flight, answer, (&*ahead, &*infeed, &*transport))
}

/// How long a hand-over took that began at `began` on the steady clock.
fn took(began: u64) -> Duration {
    Duration::from_micros(clock::steady().saturating_sub(began))
}

/// Opens the message, and announces that `group` gets it; or says why it has none.
fn announce<Q: Queue>(
    context: &Context<'_, Q>,
    claim: &mut Q::Claim,
    group: Vec<usize>,
    by_position: bool,
) -> Result<(Message, Begun), (Vec<usize>, NoMessage)> {
    let opened = match group.first().filter(|_| claim.has_rows()) {
        Some(&row) => context.slot.rendering(claim.id(), row, claim.id(), || claim.message(&group, by_position)),
        None => claim.message(&group, by_position),
    };
    match opened {
        Ok(message) => match claim.begin(group, clock::now()) {
            Ok(begun) => Ok((message, begun)),
            Err(error) => Err((Vec::new(), error.into())),
        },
        Err(none) => Err((group, none)),
    }
}

/// Makes a row that has no mail due again, behind those that were due before. No event tells of that.
fn put_back<C: Claim>(hand: &mut Hand<C>, group: Vec<usize>, reason: Reason) -> Handed {
    let (at, Try { number, waited, .. }) = (clock::now(), &hand.attempt);
    let results = vec![(group, Verdict::Deferred(reason))];
    let noted = hand.claim.note(&AttemptNote { number: *number, at, waited: *waited, next: Some(at), results });
    noted.map_or_else(Handed::Fault, |()| Handed::PutBack)
}

impl Flight {
    fn sender<'s>(&'s self, envelope: &'s Envelope) -> Option<&'s Address> {
        self.made.as_ref().or(envelope.sender.as_ref())
    }
}

/// Judges what the transport answered, and answers the announcement; the turn of the next row may have come with that.
fn land<Q: Queue>(
    context: &Context<'_, Q>,
    hand: &mut Hand<Q::Claim>,
    flight: Flight,
    answer: Attempt,
    (ahead, infeed, transport): (&Ahead<Q::Claim>, &Infeed, &dyn Transport),
) -> Handed {
    let claim = &mut hand.claim;
    let group = flight.begun.group.clone();
    let verdicts = match answer {
        Attempt::Answered(verdicts) => verdicts,
        Attempt::Doubtful(doubtful) => {
            let refused = RefusedGroup { group: &group, sender: flight.sender(claim.envelope()), began: flight.began };
            let doubt = doubt::refused(context, claim, &refused, &doubtful);
            let verdicts = doubtful.verdicts;
            if let Some(doubt) = doubt {
                let judged = |took| Judged { group, verdicts, answered: true, took };
                return take_back(claim, flight.begun, || Handed::InDoubt(judged(took(flight.began)), doubt));
            }
            verdicts
        }
        Attempt::SinkDown(_) | Attempt::Stopped => return take_back(claim, flight.begun, || Handed::NotTaken),
    };
    if verdicts.iter().any(Verdict::is_delivered) {
        context.board.doubts().accepted(flight.began);
    }
    if is_refused_together(&verdicts, transport.shares_verdicts()) {
        return take_back(claim, flight.begun, || Handed::Refused(group));
    }
    let judge = |verdict| hand.attempt.final_verdict(verdict, context.policy.on_crash);
    let verdicts: Vec<Verdict> = verdicts.into_iter().map(judge).collect();
    if ahead.shows_row_of(hand) && infeed.admits_now(context, &hand.claim, transport) {
        hand.admit_next();
    }
    let answered = hand.claim.answer(flight.begun, Some(&verdicts));
    fault::instant("worker.answered");
    let judged = Judged { group, verdicts, answered: answered.is_ok(), took: took(flight.began) };
    Handed::Judged(judged, answered.err())
}

/// Takes the announcement of a hand-over back.
fn take_back<C: Claim>(claim: &mut C, begun: Begun, handed: impl FnOnce() -> Handed) -> Handed {
    match claim.answer(begun, None) {
        Ok(()) => handed(),
        Err(error) => Handed::Fault(error),
    }
}
