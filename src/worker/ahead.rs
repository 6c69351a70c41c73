//! What comes next is claimed while something else is in flight, and shown to the transport, which may prepare it.

use std::time::Duration;

use super::context::{Context, SEARCH};
use super::hand::Hand;
use super::next::next;
use super::prepare::prepare;
use super::suppress::Gate;
use crate::queue::{Claim, Queue, Which};
use crate::transport::{Letter, Look};

/// The way through the entries of a pass, and the next one on it.
pub(super) struct Ahead<'a, Q: Queue> {
    cursor: Option<Q::Cursor>,
    /// Where recipients may be suppressed.
    gate: Option<Gate<'a>>,
    /// What is handed over next: claimed while something else was in flight, or half done.
    hand: Option<Hand<Q::Claim>>,
    /// The transport was shown what comes next, and may have begun it.
    shown: bool,
}

impl<'a, Q: Queue> Ahead<'a, Q> {
    pub fn new(gate: Option<Gate<'a>>) -> Ahead<'a, Q> {
        Ahead { cursor: None, gate, hand: None, shown: false }
    }

    /// Begins a pass.
    pub fn begin(&mut self, queue: &Q) {
        self.cursor = Some(queue.cursor());
    }

    /// What is to be handed over next, if that is known. In doubt it is chosen with care, and this is let go, but for one
    /// whose envelope is under way.
    pub fn take(&mut self, in_doubt: bool) -> Option<Hand<Q::Claim>> {
        self.hand.take().filter(|_| !in_doubt || self.shown)
    }

    /// What is half done comes next.
    pub fn put(&mut self, hand: Hand<Q::Claim>) {
        self.hand = Some(hand);
    }

    /// Lets it go.
    pub fn forget(&mut self) {
        self.hand = None;
    }

    /// Claims the next entry of the pass; see [`next`].
    pub fn next(&mut self, context: &Context<'_, Q>, which: Which) -> Option<Q::Claim> {
        next(context, self.cursor.as_mut()?, which)
    }

    /// Takes a claim in hand; see [`prepare`].
    pub fn prepare(
        &mut self,
        context: &Context<'_, Q>,
        claim: Q::Claim,
        shares_verdicts: bool,
    ) -> Option<Hand<Q::Claim>> {
        prepare(context, self.gate.as_mut(), claim, shares_verdicts)
    }

    /// Another group is in flight: what was shown before is under way, or forgotten.
    pub fn takes_off(&mut self) {
        self.shown = false;
    }

    /// Shows the transport what comes after the group of `current` that is in flight: its rest, or an entry that is
    /// claimed for that. `current` has `limit` for it.
    pub fn look(
        &mut self,
        context: &Context<'_, Q>,
        look: Look,
        current: &Hand<Q::Claim>,
        (limit, verp): (Duration, bool),
        visit: &mut dyn FnMut(Letter<'_>),
    ) {
        if context.board.doubts().since().is_some() || !context.pace.has_tokens() {
            return;
        }
        if self.hand.is_none() {
            let which = if look == Look::AtHand { Which::AtHand } else { Which::Any };
            self.hand = match current.rest.is_empty() {
                true => self.next(context, which).and_then(|claim| self.prepare(context, claim, false)),
                false => self.single_between(context, current, false),
            };
            context.slot.begin(current.claim.id(), limit);
        }
        self.shown = true;
        let between = self.hand.as_ref().is_some_and(|hand| hand.goes_between(&current.claim));
        let next = if current.rest.is_empty() || between { self.hand.as_ref() } else { Some(current) };
        if let Some(next) = next.filter(|next| !next.rest.is_empty()) {
            show(next, context.policy.max_recipients, verp, visit);
        }
    }

    /// A single mail that has its turn before the rest of `current`, an entry of a job.
    pub fn single_between(
        &mut self,
        context: &Context<'_, Q>,
        current: &Hand<Q::Claim>,
        shares_verdicts: bool,
    ) -> Option<Hand<Q::Claim>> {
        if self.shown || self.hand.is_some() {
            return self.hand.take_if(|hand| hand.goes_between(&current.claim));
        }
        // In doubt it is chosen with care who is next; bounces are read one after another.
        let none = current.rest.is_empty() || current.claim.id().job().is_none() || context.policy.read_bounces;
        if none || context.board.doubts().since().is_some() {
            return None;
        }
        let single = self.next(context, Which::Single);
        let single = single.and_then(|claim| self.prepare(context, claim, shares_verdicts));
        if single.is_none() {
            context.slot.begin(current.claim.id(), SEARCH);
        }
        single
    }
}

/// Shows the first group of those who are left.
fn show<C: Claim>(hand: &Hand<C>, most: usize, verp: bool, visit: &mut dyn FnMut(Letter<'_>)) {
    let group = hand.peek(most, verp);
    if let Ok(made) = hand.made_sender(group, verp) {
        let envelope = hand.claim.envelope();
        let sender = made.as_ref().or(envelope.sender.as_ref());
        visit(Letter { envelope, sender, group, size: hand.claim.size() });
    }
}
