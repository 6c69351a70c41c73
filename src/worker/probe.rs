//! Probes: where the sink may be down, who is tried next is chosen with care, and all workers together try one at a time.
//!
//! The entry that has least in common with what was refused tells most, so a few bad ones hide no good one for long.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::board::evidence::Since;
use super::board::refusal::Mark;
use super::context::Context;
use super::doubt::{Kept, let_wanted_go, name_of};
use super::settle::{hold, hold_row};
use super::source::Source;
use super::turn::PAUSE;
use crate::model::{Address, EntryId, Reason, Verdict};
use crate::queue::{Claim, Queue, Which};

/// Entries to look at for a user, a sender and a domain that were not tried yet: the first time, with twice as many after
/// each refusal, and the most.
const LOOKED_AT_FIRST: usize = 10;
const LOOKED_AT: usize = 1_000;

/// Whether it is our turn to probe.
pub(super) fn is_our_turn<Q: Queue>(context: &Context<'_, Q>) -> bool {
    let doubts = context.board.doubts();
    !doubts.are_paced() || doubts.take_turn(context.policy.probe_every)
}

/// Waits a moment. Returns whether a person stopped the queue.
pub(super) fn rest<Q: Queue>(context: &Context<'_, Q>) -> bool {
    context.slot.idle();
    context.queue.let_synced_go();
    // Whatever ends the wait, the caller looks again.
    let _ = context.signals.wait(None, PAUSE);
    context.queue.is_stopped()
}

/// Nothing else is due: waits until the others' probes end the doubt, or all wait and the sink is called down. Returns
/// whether a person stopped the queue.
pub(super) fn wait_for_evidence<Q: Queue>(context: &Context<'_, Q>, kept: &mut Vec<Kept<Q::Claim>>) -> bool {
    context.slot.waits(kept.first().map(Kept::since));
    let mut stopped = false;
    let waits = |kept: &Kept<Q::Claim>| kept.waits(context.board.doubts().since());
    while !stopped && !context.is_over() && !kept.is_empty() && kept.iter().all(waits) {
        stopped = rest(context);
        let_wanted_go(kept);
    }
    context.slot.keeps(kept.len());
    context.slot.waits(None);
    stopped
}

/// The next entry to probe with: of those that are looked at, the one that has least in common with what was refused, and
/// of several any. The more was refused the more are looked at, from where the last look ended, so that any number of bad
/// ones in a row hides no good one for long.
pub(super) fn candidate<Q: Queue>(context: &Context<'_, Q>, source: &mut Source<'_, Q>) -> Option<Q::Claim> {
    let doubts = context.board.doubts();
    let marks = doubts.since().map(|since| doubts.marks(since)).unwrap_or_default();
    let window = LOOKED_AT.min(LOOKED_AT_FIRST << marks.len().min(7));
    let mut best: Option<((u8, u64), Q::Claim)> = None;
    for _ in 0..window {
        let Some(claim) = source.next(context, Which::Any) else { break };
        let Some(claim) = unless_overdue(context, claim) else { continue };
        let news = match was_refused(context, &claim) {
            Some(_) => 0,
            None => 1 + mark_of(&claim).news(&marks),
        };
        let merit = (news, lot(claim.id(), doubts.since()));
        if best.as_ref().is_none_or(|(most, _)| merit > *most) {
            best = Some((merit, claim));
        }
    }
    if best.is_none() {
        doubts.return_turn();
    }
    best.map(|(_, claim)| claim)
}

/// Whether what is handed over next of an entry was refused by earlier runs, and for longer than `expire`.
fn was_refused<Q: Queue>(context: &Context<'_, Q>, claim: &Q::Claim) -> Option<bool> {
    context.noted.get(&name_of(claim, claim.open().first().copied())).copied()
}

/// Holds an entry that was refused for too long, or the rows of it that were, and gives back what is left of it.
fn unless_overdue<Q: Queue>(context: &Context<'_, Q>, mut claim: Q::Claim) -> Option<Q::Claim> {
    let why = || Reason::new("it was refused, and nothing else was taken, for longer than retry.expire");
    while was_refused(context, &claim) == Some(true) {
        match claim.open().first() {
            Some(&row) if claim.has_rows() => claim = hold_row(context, claim, row, why())?,
            Some(_) | None => {
                hold(context, claim, Verdict::Deferred(why()));
                return None;
            }
        }
    }
    Some(claim)
}

/// The mark of what is handed over next of an entry.
fn mark_of<C: Claim>(claim: &C) -> Mark {
    let open = claim.open();
    let envelope = claim.envelope();
    let made = open.first().and_then(|&first| envelope.sender_for(first).ok().flatten());
    Mark::of(claim, made.as_ref().map_or(envelope.sender_text(), Address::as_str), open.first())
}

/// A number by which one of several entries is drawn.
fn lot(id: &EntryId, since: Option<Since>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (id.as_str(), since).hash(&mut hasher);
    hasher.finish()
}
