//! An attempt is over: its sender is notified, and the entry leaves the worker's hand. A merge's entry is summed up before
//! that: after a kill in between, whoever claims it next does so again.
//!
//! Which recipients are held is decided before: by `Try::final_verdict` (`hand`) where no answer came, by `prepare` where a
//! former worker was killed, or two died with the entry in hand.

use super::board::Counter;
use super::context::Context;
use super::hand::Hand;
use super::record::{note_replies, sum_up_rows};
use crate::model::verdict::Kind;
use crate::model::{Reason, Verdict};
use crate::policy::notice::About;
use crate::policy::told::has_failed;
use crate::queue::{AttemptNote, Claim, End, Queue, Stuck};
use crate::sys::clock;

/// Why a person must look after an entry that is held.
const OUTCOME_UNKNOWN: &str = "whether a hand-over succeeded is not known, and on_crash = \"hold\"";

/// Ends an attempt, after its last group: what came of its rows is summed up, its sender is told, and the entry settled. `success` is what a delivery is to a
/// sender who asked to be told of it.
pub(super) fn settle<Q: Queue>(context: &Context<'_, Q>, mut hand: Hand<Q::Claim>, success: Option<About>) {
    sum_up_rows(context, &mut hand);
    let Hand { mut claim, mut attempt, .. } = hand;
    if let Err(error) = context.notifier.tell_of_failures(&mut claim) {
        return context.stick(claim.id(), &error);
    }
    // Where this fails the mail goes on without it.
    if let Err(error) = context.notifier.tell_of_progress(&mut claim, &attempt, success) {
        context.say(&format!("{}: its sender could not be told how it goes: {error}", claim.id()));
    }
    let end = match attempt.again_at {
        // It goes by what is known of each row.
        Some(_) | None if claim.has_rows() => End::Delivered,
        Some(due) if !attempt.open.is_empty() => End::Deferred { due },
        Some(_) | None if claim.any(Kind::Held) => {
            context.say(&format!("{0}: {OUTCOME_UNKNOWN}; it is in hold/ now, see 'bulkmailer show {0}'", claim.id()));
            End::Held
        }
        // Who wrote to one who gets no mail may want to write again; to a list's subscribers he need not.
        Some(_) | None if has_failed(&claim.known()) => End::Failed,
        Some(_) | None => End::Delivered,
    };
    if end != End::Delivered {
        note_replies(&mut claim, &mut attempt);
    }
    let_go(context, claim, end);
}

/// Sets an entry aside, to wait for a person; of a merge's the rows that are due.
pub(super) fn hold<Q: Queue>(context: &Context<'_, Q>, mut claim: Q::Claim, verdict: Verdict) {
    let now = clock::now();
    let why = verdict.reason().cloned().unwrap_or_else(|| Reason::new(""));
    let verdict = if claim.has_rows() { Verdict::Held(why.clone()) } else { verdict };
    let place = if claim.has_rows() { "its rows are held" } else { "it is in hold/ now" };
    let why = why.text;
    let note = AttemptNote {
        number: claim.attempts().saturating_add(1),
        at: now,
        waited: claim.waited(now),
        next: None,
        results: vec![(claim.open(), verdict)],
    };
    if let Err(error) = claim.note(&note) {
        return context.stick(claim.id(), &error);
    }
    context.say(&format!("{0}: {why}; {place}, see 'bulkmailer show {0}'", claim.id()));
    let_go(context, claim, End::Held);
}

/// Lets an entry go that its job's window is closed for: it is due when that opens.
pub(super) fn let_wait<Q: Queue>(context: &Context<'_, Q>, mut hand: Hand<Q::Claim>) {
    if hand.unsummed.is_some() {
        sum_up_rows(context, &mut hand);
    }
    // It goes by what is known of each row.
    if let Err(Stuck { claim, error }) = hand.claim.settle(End::Delivered) {
        context.stick(claim.id(), &error);
    }
    context.slot.idle();
}

fn let_go<Q: Queue>(context: &Context<'_, Q>, claim: Q::Claim, end: End) {
    match claim.settle(end) {
        Ok(()) => context.board.add(Counter::Settled, 1),
        Err(Stuck { claim, error }) => context.stick(claim.id(), &error),
    }
    context.slot.idle();
}
