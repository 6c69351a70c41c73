//! What one of the commands `hold`, `release`, `requeue` and `remove` does with what was chosen.

use crate::admin::selecting::place::Place;
use crate::events;
use crate::queue::QueueError;
use crate::spool::corrupt::Corrupt;
use crate::spool::decision::Decision;
use crate::spool::merge::claim::MergeClaim;
use crate::spool::{SpoolClaim, SpoolQueue};

/// A command's word, and its deed.
pub trait Verb {
    /// What the command is called.
    const NAME: &'static str;
    /// What is said of an entry that it was done to.
    const DONE: &'static str;
    /// Entries that it was done to are due at the instant of the decision, which is another for each, in their order.
    const MAKES_DUE: bool;
    /// Where it finds what it acts on, if nobody says.
    const PLACES: &'static [Place];
    /// Where it acts on what is named by its id.
    const PLACES_BY_ID: &'static [Place] = Self::PLACES;

    /// Acts on a claimed entry.
    fn entry(
        &self,
        queue: &SpoolQueue,
        claim: SpoolClaim<'_>,
        decision: Decision,
        events: &mut events::Log,
    ) -> Result<(), QueueError>;

    /// Acts on rows of a claimed entry of a merge, at least one.
    fn rows(
        &self,
        queue: &SpoolQueue,
        claim: MergeClaim<'_>,
        rows: &[u16],
        decision: Decision,
        events: &mut events::Log,
    ) -> Result<(), QueueError>;

    /// Whether it acts on rows that were delivered, too.
    fn again(&self) -> bool {
        false
    }

    /// Acts on a file in corrupt/; most commands are not about these.
    fn corrupt(
        &self,
        _queue: &SpoolQueue,
        _file: &Corrupt,
        _decision: Decision,
        _events: &mut events::Log,
    ) -> Result<Done, QueueError> {
        Ok(Done::No)
    }

    /// What is left to do in a queue after that, when it is on disk.
    fn finish(&self, _queue: &SpoolQueue) {}
}

/// What came of acting on a file in corrupt/.
pub enum Done {
    Yes,
    /// It is there no more, or it is not for this command.
    No,
    /// It stays; why was reported.
    Refused,
}
