//! What came of a group is recorded: journaled, written to the events, counted.
//!
//! A group's answer in the journal has one reply to its deliveries. Where they differ, as with LMTP, they are in the
//! attempt's lines, if that ends and the entry stays: no write is made for an entry that is removed, or let go between two
//! groups. The event lines have every reply.
//!
//! Rows of a merge that were delivered have no event line each. What came of all rows of their entry is summed up in one line,
//! each minute of the entry and before it is let go. It is made from the entry's log, so a killed worker's line is missed by
//! nobody: the next has all that it had.

use std::collections::HashMap;
use std::time::Duration;

use super::board::Counter;
use super::context::Context;
use super::hand::{Hand, Try};
use crate::config;
use crate::events::{EventContext, EventLine};
use crate::model::{Micros, Verdict};
use crate::policy::retry;
use crate::queue::{AttemptNote, Claim, Queue, QueueError};
use crate::sys::{clock, fault};

/// How often an entry's rows are summed up while it is in hand.
const SUM_EVERY: Duration = Duration::from_secs(60);

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

/// Journals each verdict other than delivered, and deliveries whose answer could not be journaled; writes the events, counts.
///
/// Errors: the journal cannot be written. Then no failure counts, and a recipient who was delivered to is done all the same.
pub(super) fn record<Q: Queue>(
    context: &Context<'_, Q>,
    hand: &mut Hand<Q::Claim>,
    judged: &Judged,
) -> Result<(), QueueError> {
    let now = clock::now();
    let mut noted = Ok(());
    let (claim, attempt) = (&mut hand.claim, &mut hand.attempt);
    let results = alike(judged, usize::MAX, |verdict| !(judged.answered && verdict.is_delivered()));
    let mut replies = different_replies(judged, attempt.replies_left);
    attempt.replies_left -= replies.len();
    attempt.replies.append(&mut replies);
    if results.is_empty() {
        if attempt.noted {
            note_replies(claim, attempt);
        }
    } else {
        if results.iter().any(|(_, verdict)| matches!(verdict, Verdict::Deferred(_) | Verdict::Unknown(_))) {
            attempt.again_at.get_or_insert_with(|| now.plus(delay(&context.policy.retry, attempt.number)));
        }
        noted = note(claim, attempt, now, results);
    }
    write_events(context, hand, judged, now);
    if hand.claim.has_rows() {
        say_held(context, hand, judged);
        if now.since(*hand.unsummed.get_or_insert(now)) >= SUM_EVERY {
            sum_up_rows(context, hand);
        }
    }
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

/// Names the rows that are held: their entry goes on.
fn say_held<Q: Queue>(context: &Context<'_, Q>, hand: &Hand<Q::Claim>, judged: &Judged) {
    let id = hand.claim.id();
    for (&row, verdict) in judged.group.iter().zip(&judged.verdicts) {
        let (Verdict::Held(reason), Some(to)) = (verdict, hand.claim.envelope().recipients.get(row)) else { continue };
        context.say(&format!("{id}: the mail to {to} is held: {}; see 'bulkmailer show {id}'", reason.text));
    }
}

/// Journals the replies that no line has yet. Where this fails only they are lost: the deliveries are journaled.
pub(super) fn note_replies<C: Claim>(claim: &mut C, attempt: &mut Try) {
    if !attempt.replies.is_empty() {
        let _ = note(claim, attempt, clock::now(), Vec::new());
    }
}

/// Journals a line of the attempt: the replies that no line has yet, and `results`.
fn note<C: Claim>(
    claim: &mut C,
    attempt: &mut Try,
    at: Micros,
    mut results: Vec<(Vec<usize>, Verdict)>,
) -> Result<(), QueueError> {
    results.splice(0..0, attempt.replies.drain(..));
    let Try { number, waited, again_at: next, .. } = *attempt;
    claim.note(&AttemptNote { number, at, waited, next, results })?;
    attempt.noted = true;
    Ok(())
}

/// Writes the line of an entry's rows, if it has rows.
pub(super) fn sum_up_rows<Q: Queue>(context: &Context<'_, Q>, hand: &mut Hand<Q::Claim>) {
    hand.unsummed = None;
    let Some(summary) = hand.claim.row_summary() else { return };
    let now = clock::now();
    let line = EventLine::rows(now, context.queue_name, hand.claim.envelope(), summary);
    context.events.borrow_mut().write(now, &[line]);
}

/// Writes a line a recipient, but for rows that were delivered.
fn write_events<Q: Queue>(context: &Context<'_, Q>, hand: &Hand<Q::Claim>, judged: &Judged, now: Micros) {
    // Rows are handed over one by one.
    let is_summed = hand.claim.has_rows() && judged.verdicts.iter().all(Verdict::is_delivered);
    if is_summed && !context.events.borrow().has_syslog() {
        return;
    }
    let ms = u64::try_from(judged.took.as_millis()).unwrap_or(u64::MAX);
    let hand_over = EventContext {
        at: now.rfc3339(),
        queue: context.queue_name,
        envelope: hand.claim.envelope(),
        attempt: hand.attempt.number,
        transport: hand.attempt.through.unwrap_or(&context.policy.transport),
        ms,
    };
    let of_each = judged.group.iter().zip(&judged.verdicts);
    let lines = of_each.map(|(&recipient, verdict)| hand_over.verdict(recipient, verdict));
    if is_summed {
        lines.for_each(|line| context.events.borrow().write_to_syslog(&line));
    } else {
        context.events.borrow_mut().write(now, &lines.collect::<Vec<_>>());
    }
}

fn delay(policy: &config::Retry, attempt: u32) -> Duration {
    let chance = clock::now().0 % 1_000;
    retry::delay(attempt, policy.first, policy.max, chance as f64 / 1_000.0)
}

/// The answered deliveries whose replies differ, of which the answer has none: the first `most` different ones.
fn different_replies(judged: &Judged, most: usize) -> Vec<(Vec<usize>, Verdict)> {
    let mut delivered = judged.verdicts.iter().filter(|verdict| verdict.is_delivered());
    let first = delivered.next();
    if !judged.answered || delivered.all(|verdict| Some(verdict) == first) {
        return Vec::new();
    }
    alike(judged, most, |verdict| verdict.reply().is_some())
}

/// Those of the verdicts that are `wanted`, the same ones together: the first `most` different ones.
fn alike(judged: &Judged, most: usize, wanted: impl Fn(&Verdict) -> bool) -> Vec<(Vec<usize>, Verdict)> {
    let mut results: Vec<(Vec<usize>, Verdict)> = Vec::new();
    let mut places: HashMap<&Verdict, usize> = HashMap::new();
    for (&recipient, verdict) in judged.group.iter().zip(&judged.verdicts).filter(|(_, verdict)| wanted(verdict)) {
        match places.get(verdict) {
            Some(&place) => results[place].0.push(recipient),
            None if results.len() < most => {
                places.insert(verdict, results.len());
                results.push((vec![recipient], verdict.clone()));
            }
            None => {}
        }
    }
    results
}
