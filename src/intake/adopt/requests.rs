//! What a user asks for: to take back mail of his, adopted or not.

use std::collections::HashSet;

use super::{Adopter, Taken};
use crate::intake::withdraw::{self, Back, Gone};
use crate::queue::QueueError;
use crate::spool::drop::DropName;
use crate::spool::hand::Hand;
use crate::sys::{clock, fault, output};

impl Adopter<'_> {
    /// Does what a request says. It goes when that is done; killed before, the next adopter does it again. One look at
    /// `drop/` serves for all its ids, so that nobody else waits for long.
    pub(super) fn request(&mut self, file: &DropName) -> Result<Taken, QueueError> {
        let (uid, ids) = match self.queue.open_request(&file.name) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(Taken::Gone),
            Err(unfit) => return Ok(Taken::Unfit(unfit)),
        };
        let ids: HashSet<_> = ids.into_iter().collect();
        let hand = Hand { at: clock::now(), by: uid };
        for (dropped, id) in self.queue.dropped_as(uid, &ids, self.bounds.limits.recipients)? {
            let gone = self.queue.undrop(&dropped.name)?;
            let name = output::name(&dropped.name);
            self.events.note(clock::now(), &Gone::of(self.queue, id.as_str(), &name, hand));
            // It may have been adopted before a kill.
            self.removed.extend(gone.then_some(id));
        }
        let mut in_hand = false;
        for id in &ids {
            in_hand |= withdraw::take_back(self.queue, id, hand, &mut self.events)? == Back::InHand;
        }
        // What was removed is gone for good before the request is.
        self.queue.sync()?;
        self.queue.tidy()?;
        if in_hand {
            return Ok(Taken::InHand);
        }
        fault::instant("adopt.withdrawn");
        self.queue.undrop(&file.name)?;
        Ok(Taken::Adopted)
    }
}
