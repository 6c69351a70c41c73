//! Removing mail that somebody takes back: an entry of the queue, or a file that is not an entry yet.
//!
//! An entry is claimed first, as whoever removes one must; what a worker has in hand stays. The line in the events follows
//! when it is gone: a kill in between leaves no line of what did not happen.

use serde::Serialize;

use crate::events::{self, Event};
use crate::model::{EntryId, Micros};
use crate::queue::{Claim, QueueError};
use crate::spool::claim::Taken;
use crate::spool::decision::Decision;
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
    let (at, by) = (decision.at.rfc3339(), by(decision.by));
    let event = |i: &usize| Event {
        at: at.clone(),
        queue: queue.name(),
        id: &envelope.id,
        sender: envelope.sender_text(),
        recipient: &envelope.recipients[*i],
        verdict: "removed",
        attempt,
        transport: "",
        ms: 0,
        status: None,
        reason: Some(&by),
    };
    events.write(clock::now(), &whom.iter().map(event).collect::<Vec<_>>());
    Ok(())
}

fn by(uid: u32) -> String {
    format!("removed by {}", nss::user_name(uid))
}

/// The event of a file that was removed, and was no entry.
#[derive(Serialize)]
pub struct RemovedFile<'a> {
    at: String,
    queue: &'a str,
    id: &'a str,
    file: &'a str,
    verdict: &'static str,
    reason: String,
}

impl<'a> RemovedFile<'a> {
    pub fn of(queue: &'a SpoolQueue, id: &'a str, file: &'a str, decision: Decision) -> RemovedFile<'a> {
        let at = Micros::rfc3339(decision.at);
        RemovedFile { at, queue: queue.name(), id, file, verdict: "removed", reason: by(decision.by) }
    }
}
