//! Where entries come from: the way through those of a pass, and what each is prepared with.

use super::context::Context;
use super::hand::Hand;
use super::next::next;
use super::prepare::prepare;
use super::suppress::Gate;
use crate::model::EntryId;
use crate::queue::{Queue, Which};

pub(super) struct Source<'a, Q: Queue> {
    /// `None` before the first pass.
    cursor: Option<Q::Cursor>,
    /// Where recipients may be suppressed.
    gate: Option<Gate<'a>>,
}

impl<'a, Q: Queue> Source<'a, Q> {
    pub fn new(gate: Option<Gate<'a>>) -> Source<'a, Q> {
        Source { cursor: None, gate }
    }

    /// Begins a pass, which is over at once where that fails.
    pub fn begin(&mut self, context: &Context<'_, Q>) {
        let cursor = context.queue.cursor();
        self.cursor = cursor.map_err(|error| context.fault(&error)).ok();
    }

    /// Claims the next entry of the pass; see [`next`].
    pub fn next(&mut self, context: &Context<'_, Q>, which: Which) -> Option<Q::Claim> {
        self.next_but(context, which, &|_| false)
    }

    /// The same, but for entries that `waits` is true for.
    pub fn next_but(
        &mut self,
        context: &Context<'_, Q>,
        which: Which,
        waits: &dyn Fn(&EntryId) -> bool,
    ) -> Option<Q::Claim> {
        next(context, self.cursor.as_mut()?, which, waits)
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
}
