//! Removing mail that somebody takes back: an entry of the queue, or a file that is not an entry yet.
//!
//! An entry is claimed first, as whoever removes one must; what a worker has in hand stays. The line in the events follows
//! when it is gone: a kill in between leaves no line of what did not happen.

use crate::events::{self, EventContext, EventLine};
use crate::model::EntryId;
use crate::queue::{Claim, QueueError};
use crate::spool::claim::Taken;
use crate::spool::decision::Decision;
use crate::spool::merge::claim::MergeClaim;
use crate::spool::{SpoolClaim, SpoolQueue};
use crate::sys::output::warning;
use crate::sys::{clock, nss};

/// An entry may move so often between being found and being claimed.
const TRIES: usize = 3;

/// What came of taking an entry back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    Removed,
    /// There is no entry of this id, or it is another's.
    NotThere,
    /// A worker has it.
    InHand,
}

/// Takes back the entry `id`, if it is a mail of the user `decision.by`.
pub fn take_back(
    queue: &SpoolQueue,
    id: &EntryId,
    decision: Decision,
    events: &mut events::Log,
) -> Result<Back, QueueError> {
    for _ in 0..TRIES {
        let Some(spot) = queue.locate(id)? else { return Ok(Back::NotThere) };
        match queue.take(&spot)? {
            Taken::Claim(claim) if claim.envelope().origin.uid != decision.by => return Ok(Back::NotThere),
            Taken::Claim(claim) => return remove(queue, *claim, decision, events).map(|()| Back::Removed),
            // A merge is none of one mail's owner to take back.
            Taken::Head(_) => return Ok(Back::NotThere),
            Taken::Contended => return Ok(Back::InHand),
            Taken::Corrupt { why } => {
                warning!("{}: {}: {why}; moved to corrupt/", queue.name(), spot.name);
                return Ok(Back::NotThere);
            }
            Taken::Gone => {}
        }
    }
    // It moves all the time, so somebody works on it.
    Ok(Back::InHand)
}

/// Removes a claimed entry, and tells of it.
pub fn remove(
    queue: &SpoolQueue,
    claim: SpoolClaim<'_>,
    decision: Decision,
    events: &mut events::Log,
) -> Result<(), QueueError> {
    let (envelope, whom, attempt) = (claim.envelope().clone(), claim.undelivered(), claim.attempts());
    claim.discard(decision)?;
    let (at, reason) = (decision.at.rfc3339(), removed_by(decision));
    let removal = EventContext { at, queue: queue.name(), envelope: &envelope, attempt, transport: "", ms: 0 };
    let lines: Vec<EventLine<'_>> = whom.iter().map(|&recipient| removal.removed(recipient, &reason)).collect();
    events.write(clock::now(), &lines);
    Ok(())
}

/// Removes rows of a claimed entry of a merge, and tells of them.
pub fn remove_rows(
    queue: &SpoolQueue,
    claim: MergeClaim<'_>,
    rows: &[u16],
    decision: Decision,
    events: &mut events::Log,
) -> Result<(), QueueError> {
    let envelope = claim.envelope().clone();
    claim.remove_rows(rows, decision)?;
    let (at, reason) = (decision.at.rfc3339(), removed_by(decision));
    let removal = EventContext { at, queue: queue.name(), envelope: &envelope, attempt: 0, transport: "", ms: 0 };
    let lines: Vec<EventLine<'_>> = rows.iter().map(|&row| removal.removed(row.into(), &reason)).collect();
    events.write(clock::now(), &lines);
    Ok(())
}

/// Tells of a file that was removed, and was no entry.
pub fn removed_file(queue: &SpoolQueue, id: &str, file: &str, decision: Decision, events: &mut events::Log) {
    let line = EventLine::removed_file(decision.at, queue.name(), id, file, removed_by(decision));
    events.write(clock::now(), &[line]);
}

fn removed_by(decision: Decision) -> String {
    format!("removed by {}", nss::user_name(decision.by))
}
