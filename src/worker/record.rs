//! What came of a group is recorded: journaled, told in the events, counted.

use std::time::Duration;

use super::board::Counter;
use super::context::Context;
use super::hand::Hand;
use crate::config;
use crate::events::{HandOver, Line};
use crate::model::{Micros, Verdict};
use crate::policy::retry;
use crate::queue::{AttemptNote, Claim, Queue, QueueError, RECEIPTS_MAX};
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
    let mut results = alike(judged, |verdict| !(judged.answered && verdict.is_delivered()));
    attempt.receipts.append(&mut different_receipts(judged));
    attempt.receipts.truncate(RECEIPTS_MAX);
    if !results.is_empty() {
        results.append(&mut attempt.receipts);
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
            Verdict::Delivered(_) => true,
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
    let hand_over = HandOver {
        at: now.rfc3339(),
        queue: context.queue_name,
        envelope: hand.claim.envelope(),
        attempt: hand.attempt.number,
        transport: hand.attempt.through.unwrap_or(&context.policy.transport),
        ms,
    };
    let of_each = judged.group.iter().zip(&judged.verdicts);
    let lines: Vec<Line<'_>> = of_each.map(|(&recipient, verdict)| hand_over.verdict(recipient, verdict)).collect();
    context.events.borrow_mut().write(now, &lines);
}

fn delay(policy: &config::Retry, attempt: u32) -> Duration {
    let chance = clock::now().0 % 1_000;
    retry::delay(attempt, policy.first, policy.max, chance as f64 / 1_000.0)
}

/// The answered deliveries whose receipts the answer could not tell, as they differ.
fn different_receipts(judged: &Judged) -> Vec<(Vec<usize>, Verdict)> {
    let mut delivered = judged.verdicts.iter().filter(|verdict| verdict.is_delivered());
    let first = delivered.next();
    if !judged.answered || delivered.all(|verdict| Some(verdict) == first) {
        return Vec::new();
    }
    alike(judged, |verdict| verdict.receipt().is_some())
}

/// Those of the verdicts that are `wanted`, the same ones together.
fn alike(judged: &Judged, wanted: impl Fn(&Verdict) -> bool) -> Vec<(Vec<usize>, Verdict)> {
    let mut results: Vec<(Vec<usize>, Verdict)> = Vec::new();
    for (&recipient, verdict) in judged.group.iter().zip(&judged.verdicts).filter(|(_, verdict)| wanted(verdict)) {
        match results.iter_mut().find(|(_, seen)| seen == verdict) {
            Some((recipients, _)) => recipients.push(recipient),
            None => results.push((vec![recipient], verdict.clone())),
        }
    }
    results
}
