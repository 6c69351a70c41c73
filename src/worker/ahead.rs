//! What comes next is claimed while something else is in flight, and shown to the transport, which may prepare it. So it
//! may be prepared in the middle of another's hand-over; but nothing is handed over before its turn.

use std::time::Duration;

use super::context::{Context, SEARCH};
use super::hand::Hand;
use super::resting::Resting;
use super::source::Source;
use crate::queue::{Claim, Queue, Which};
use crate::transport::{Lookahead, NextHandover};

/// What is handed over next, as far as it is known before its turn.
pub(super) struct Ahead<C> {
    /// Claimed while something else was in flight, or half done.
    hand: Option<Hand<C>>,
    /// The transport was shown what comes next, and may have begun it.
    shown: bool,
    /// What waits for the rate of its job.
    pub resting: Resting<C>,
}

impl<C: Claim> Ahead<C> {
    pub fn new() -> Ahead<C> {
        Ahead { hand: None, shown: false, resting: Resting::new() }
    }

    /// What is to be handed over next, if that is known. In doubt it is chosen with care, and this is let go, but for one
    /// whose envelope is under way.
    pub fn take(&mut self, in_doubt: bool) -> Option<Hand<C>> {
        self.hand.take().filter(|_| !in_doubt || self.shown)
    }

    /// What is half done comes next. One that has rested waits for the token after that.
    pub fn put(&mut self, hand: Hand<C>) {
        self.hand = Some(Hand { rested: false, ..hand });
    }

    /// Lets all go.
    pub fn forget(&mut self) {
        self.hand = None;
        self.resting.forget();
    }

    /// Another group is in flight: what was shown before is under way, or forgotten.
    pub fn takes_off(&mut self) {
        self.shown = false;
    }

    /// Whether the transport was shown the next row of `current`, whose mail was made for that: nothing else comes before.
    pub fn shows_row_of(&self, current: &Hand<C>) -> bool {
        self.shown && self.hand.is_none() && current.next_is_made()
    }

    /// Shows the transport what comes after the group of `current` that is in flight: its rest, or an entry that is
    /// claimed for that. `current` has `limit` for it.
    pub fn look<Q: Queue<Claim = C>>(
        &mut self,
        context: &Context<'_, Q>,
        source: &mut Source<'_, Q>,
        look: Lookahead,
        current: &Hand<C>,
        (limit, verp): (Duration, bool),
        visit: &mut dyn FnMut(NextHandover<'_>),
    ) {
        if context.board.doubts().since().is_some() || !context.pace.has_tokens(None) {
            return;
        }
        if self.hand.is_none() {
            let which = if look == Lookahead::AtHand { Which::AtHand } else { Which::Any };
            self.hand = match current.rest.is_empty() {
                true => {
                    let claim = source.next_but(context, which, &|id| self.resting.has_job_of(id));
                    claim.and_then(|claim| source.prepare(context, claim, false))
                }
                false => self.one_between(context, source, current, false),
            };
            context.slot.begin(current.claim.id(), limit);
        }
        self.shown = true;
        let between = self.hand.as_ref().is_some_and(|hand| hand.goes_between(&current.claim));
        let next = if current.rest.is_empty() || between { self.hand.as_ref() } else { Some(current) };
        let may_come = |next: &&Hand<C>| !next.rest.is_empty() && context.pace.has_tokens(next.claim.bucket());
        if let Some(next) = next.filter(may_come) {
            let mut show = || show(next, context.policy.max_recipients, verp, visit);
            match next.rest.first().filter(|_| next.claim.has_rows()) {
                Some(&row) => context.slot.rendering(next.claim.id(), row, current.claim.id(), show),
                None => show(),
            }
        }
    }

    /// What has its turn before the rest of `current`, an entry of a job: one that has rested, or a single mail.
    pub fn one_between<Q: Queue<Claim = C>>(
        &mut self,
        context: &Context<'_, Q>,
        source: &mut Source<'_, Q>,
        current: &Hand<C>,
        shares_verdicts: bool,
    ) -> Option<Hand<C>> {
        if self.shown || self.hand.is_some() {
            return self.hand.take_if(|hand| hand.goes_between(&current.claim));
        }
        // In doubt it is chosen with care who is next; bounces are read one after another.
        let none = current.rest.is_empty() || current.claim.id().job().is_none() || context.policy.read_bounces;
        if none || context.board.doubts().since().is_some() {
            return None;
        }
        if let Some(rested) = self.resting.take(context) {
            return Some(rested);
        }
        let single = source.next(context, Which::Single);
        let single = single.and_then(|claim| source.prepare(context, claim, shares_verdicts));
        if single.is_none() {
            context.slot.begin(current.claim.id(), SEARCH);
        }
        single
    }
}

/// Shows the first group of those who are left.
fn show<C: Claim>(hand: &Hand<C>, most: usize, verp: bool, visit: &mut dyn FnMut(NextHandover<'_>)) {
    let group = hand.peek(most, verp);
    if let Ok(made) = hand.made_sender(group, verp) {
        let envelope = hand.claim.envelope();
        let sender = made.as_ref().or(envelope.sender.as_ref());
        let (size, utf8) = (hand.claim.size(group), hand.claim.is_utf8(group));
        visit(NextHandover { envelope, sender, group, size, utf8 });
    }
}
