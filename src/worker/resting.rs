//! Claims that wait for a token of their job's own rate, while their worker hands other mail over.
//!
//! What holds: nothing of them is announced, and each is still due. Their worker claims no other entry of their jobs, and so
//! keeps at most a few. One whose token has come has its turn between two groups of another job's entry, as a single mail has.

use std::time::Duration;

use super::context::Context;
use super::hand::Hand;
use crate::model::EntryId;
use crate::queue::{Claim, Queue};

/// With so many nothing else is claimed.
const MOST: usize = 8;

/// A worker's.
pub(super) struct Resting<C> {
    hands: Vec<Hand<C>>,
}

impl<C: Claim> Resting<C> {
    pub fn new() -> Resting<C> {
        Resting { hands: Vec::new() }
    }

    pub fn put(&mut self, hand: Hand<C>) {
        self.hands.push(Hand { rested: true, ..hand });
    }

    /// The first that does not have to wait any longer: its token has come, or its job was paused or is closed.
    pub fn take<Q: Queue<Claim = C>>(&mut self, context: &Context<'_, Q>) -> Option<Hand<C>> {
        let is_over = |hand: &Hand<C>| {
            let claim = &hand.claim;
            claim.job_was_moved() || claim.is_closed().unwrap_or(true) || context.pace.has_tokens(claim.bucket())
        };
        let at = self.hands.iter().position(is_over)?;
        Some(self.hands.remove(at))
    }

    /// How long until one of them may have a token; `None` if there is none.
    pub fn wait<Q: Queue<Claim = C>>(&self, context: &Context<'_, Q>) -> Option<Duration> {
        self.hands.iter().map(|hand| context.pace.wait(hand.claim.bucket(), 0)).min()
    }

    /// Whether entry `id` belongs to a job that waits here.
    pub fn has_job_of(&self, id: &EntryId) -> bool {
        let job = id.job().map(|(job, _)| job);
        job.is_some() && self.hands.iter().any(|hand| hand.claim.id().job().map(|(job, _)| job) == job)
    }

    pub fn is_full(&self) -> bool {
        self.hands.len() >= MOST
    }

    /// Lets them go; `true` if there was one.
    pub fn forget(&mut self) -> bool {
        !std::mem::take(&mut self.hands).is_empty()
    }
}
