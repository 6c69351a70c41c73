//! A claim is taken in hand: what a killed worker had not come to is made up for, and who gets no mail is turned away.

use std::time::Duration;

use super::board::List;
use super::context::Context;
use super::hand::Hand;
use super::record::{Judged, record};
use super::settle::hold;
use super::suppress::{Gate, turn_away};
use crate::config::OnCrash;
use crate::model::{Reason, Verdict};
use crate::queue::{Claim, Queue, QueueError};

/// Why a person must look at what is held.
const POISON: &str = "two workers of one run died with this entry in hand";
const KILLED: &str = "the run was killed or the host went down while this was handed over";

/// Takes a claim in hand, unless it ends before anything is handed over. `shares_verdicts` is the transport's.
pub(super) fn prepare<Q: Queue>(
    context: &Context<'_, Q>,
    gate: Option<&mut Gate<'_>>,
    mut claim: Q::Claim,
    shares_verdicts: bool,
) -> Option<Hand<Q::Claim>> {
    let poisoned = context.board.listed_as(List::Poisoned, claim.id());
    if poisoned.is_some() && !claim.has_rows() {
        let why = Reason::new(POISON);
        hold(context, claim, Verdict::Unknown(why));
        return None;
    }
    // What a killed worker had not come to.
    if let Err(error) = context.notifier.tell_of_failures(&mut claim) {
        context.stick(claim.id(), &error);
        return None;
    }
    let mut hand = Hand::of(claim, context.policy, shares_verdicts);
    let ready = (|| {
        hold_in_flight(context, &mut hand, poisoned)?;
        hand.rest = match hand.claim.has_rows() {
            true => hand.attempt.open.clone(),
            false => by_domain(&hand.claim, hand.attempt.open.clone()),
        };
        gate.map_or(Ok(true), |gate| turn_away(context, gate, &mut hand))
    })();
    match ready {
        Ok(ready) => ready.then_some(hand),
        Err(error) => {
            context.stick(hand.claim.id(), &error);
            None
        }
    }
}

/// With `on_crash = "hold"`, whoever was in flight when a former holder died is not handed over again; nor is, of an entry that
/// is `poisoned`, the row that was, nor the one that was being rendered.
fn hold_in_flight<Q: Queue>(
    context: &Context<'_, Q>,
    hand: &mut Hand<Q::Claim>,
    poisoned: Option<Option<usize>>,
) -> Result<(), QueueError> {
    let mut group = hand.claim.in_flight();
    // It may have been decided since.
    let rendered = poisoned.flatten().filter(|row| hand.attempt.open.contains(row) && !group.contains(row));
    group.extend(rendered);
    if (context.policy.on_crash == OnCrash::Resend && poisoned.is_none()) || group.is_empty() {
        return Ok(());
    }
    let reason = Reason::new(if poisoned.is_some() { POISON } else { KILLED });
    let verdicts = vec![Verdict::Held(reason); group.len()];
    record(context, hand, &Judged { group, verdicts, answered: true, took: Duration::ZERO })
}

/// The recipients so ordered that those of one domain stay together.
fn by_domain<C: Claim>(claim: &C, mut open: Vec<usize>) -> Vec<usize> {
    if open.len() > 1 {
        let recipients = &claim.envelope().recipients;
        open.sort_by_cached_key(|&i| recipients.get(i).map(|r| r.domain().to_ascii_lowercase()));
    }
    open
}
