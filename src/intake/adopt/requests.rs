//! What a user asks for: to take back mail of his, adopted or not.

use std::collections::HashSet;

use super::fate::Fate;
use crate::events;
use crate::intake::withdraw::{self, Back};
use crate::model::EntryId;
use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::spool::decision::Decision;
use crate::spool::drop::DropName;
use crate::sys::{clock, fault, output};

/// Does what a request says. It goes when that is done; killed before, the next adopter does it again. One look at
/// `drop/` serves for all its ids, so that nobody else waits for long. One message may have
/// `recipients` at most. The ids of the files that were removed are added to `removed`.
pub(super) fn serve(
    queue: &SpoolQueue,
    recipients: usize,
    file: &DropName,
    events: &mut events::Log,
    removed: &mut Vec<EntryId>,
) -> Result<Fate, QueueError> {
    let (uid, ids) = match queue.open_request(&file.name) {
        Ok(Some(request)) => request,
        Ok(None) => return Ok(Fate::Gone),
        Err(unfit) => return Ok(Fate::Unfit(unfit)),
    };
    let ids: HashSet<_> = ids.into_iter().collect();
    let decision = Decision { at: clock::now(), by: uid };
    for (dropped, id) in queue.dropped_as(uid, &ids, recipients)? {
        let gone = queue.undrop(&dropped.name)?;
        let name = output::name(&dropped.name);
        withdraw::removed_file(queue, id.as_str(), &name, decision, events);
        // It may have been adopted before a kill.
        removed.extend(gone.then_some(id));
    }
    let mut in_hand = false;
    for id in &ids {
        in_hand |= withdraw::take_back(queue, id, decision, events)? == Back::InHand;
    }
    // What was removed is gone for good before the request is.
    queue.sync()?;
    queue.tidy()?;
    if in_hand {
        return Ok(Fate::InHand);
    }
    fault::instant("adopt.withdrawn");
    queue.undrop(&file.name)?;
    Ok(Fate::Adopted)
}
