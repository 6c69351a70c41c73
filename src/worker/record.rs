//! What came of a group is recorded: journaled, told in the events, counted.

use std::time::Duration;

use super::board::Counter;
use super::context::Context;
use super::hand::Hand;
use crate::config;
use crate::events::{self, Event};
use crate::model::{Micros, Verdict};
use crate::policy::retry;
use crate::queue::{AttemptNote, Claim, Queue, QueueError};
use crate::sys::{clock, fault};

/// What came of a group.
pub(super) struct Judged {
    /// Positions in the envelope.
    pub group: Vec<usize>,
    /// One for each of them.
    pub verdicts: Vec<Verdict>,
    /// The journal needs no word of the deliveries.
    pub answered: bool,
    /// How long the hand-over took.
    pub took: Duration,
}

/// Journals what was not delivered, and what was where the answer could not be; writes the events, counts.
///
/// Errors: the journal cannot be written. Then nobody's failure counts, and whoever was delivered to is done all the same.
pub(super) fn record<Q: Queue>(
    context: &Context<'_, Q>,
    hand: &mut Hand<Q::Claim>,
    judged: &Judged,
) -> Result<(), QueueError> {
    let now = clock::now();
    let mut noted = Ok(());
    let (claim, attempt) = (&mut hand.claim, &mut hand.attempt);
    let results = alike(judged);
    if !results.is_empty() {
        let (number, waited) = (attempt.number, attempt.waited);
        if results.iter().any(|(_, verdict)| matches!(verdict, Verdict::Deferred(_) | Verdict::Unknown(_))) {
            attempt.again_at.get_or_insert_with(|| now.plus(delay(&context.policy.retry, number)));
        }
        noted = claim.note(&AttemptNote { number, at: now, waited, next: attempt.again_at, results });
    }
    write_events(context, hand, judged, now);
    fault::instant("worker.recorded");
    for (&recipient, verdict) in judged.group.iter().zip(&judged.verdicts) {
        context.board.add(Counter::of(verdict.kind()), 1);
        // A failure that is in no journal is none yet.
        let done = match verdict {
            Verdict::Delivered => true,
            Verdict::Failed(_) | Verdict::Held(_) | Verdict::Suppressed(_) => noted.is_ok(),
            Verdict::Deferred(_) | Verdict::Unknown(_) => false,
        };
        if done {
            hand.attempt.open.retain(|&open| open != recipient);
        }
    }
    noted
}

/// Writes a line a recipient.
fn write_events<Q: Queue>(context: &Context<'_, Q>, hand: &Hand<Q::Claim>, judged: &Judged, now: Micros) {
    let ms = u64::try_from(judged.took.as_millis()).unwrap_or(u64::MAX);
    let envelope = hand.claim.envelope();
    let event = |(&recipient, verdict)| {
        let base = Event {
            at: now.rfc3339(),
            queue: context.queue_name,
            id: &envelope.id,
            sender: envelope.sender_text(),
            recipient: &envelope.recipients[recipient],
            verdict: "",
            attempt: hand.attempt.number,
            transport: hand.attempt.through.unwrap_or(&context.policy.transport),
            ms,
            status: None,
            reason: None,
        };
        events::of(verdict, base)
    };
    let lines: Vec<Event<'_>> = judged.group.iter().zip(&judged.verdicts).map(event).collect();
    context.events.borrow_mut().write(now, &lines);
}

fn delay(policy: &config::Retry, attempt: u32) -> Duration {
    let chance = clock::now().0 % 1_000;
    retry::delay(attempt, policy.first, policy.max, chance as f64 / 1_000.0)
}

/// The same verdicts together; without the deliveries if those were answered.
fn alike(judged: &Judged) -> Vec<(Vec<usize>, Verdict)> {
    let mut results: Vec<(Vec<usize>, Verdict)> = Vec::new();
    for (&recipient, verdict) in judged.group.iter().zip(&judged.verdicts) {
        if judged.answered && *verdict == Verdict::Delivered {
            continue;
        }
        match results.iter_mut().find(|(_, seen)| seen == verdict) {
            Some((recipients, _)) => recipients.push(recipient),
            None => results.push((vec![recipient], verdict.clone())),
        }
    }
    results
}
