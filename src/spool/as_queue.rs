//! The spool's queue as a worker knows it, behind [`Queue`]: each call goes to the file that does it.

use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::claim::Taken;
use super::claimed::Claimed;
use super::queue::SpoolQueue;
use super::scan::{Cursor, Next};
use crate::model::{Address, EntryId, Envelope, Micros};
use crate::queue::{Found, Queue, QueueError, Storm, Which};

impl<'q> Queue for &'q SpoolQueue {
    type Claim = Claimed<'q>;
    type Cursor = Cursor;

    fn cursor(&self) -> Result<Cursor, QueueError> {
        // Heads that wait are due by their names. Those that cannot be removed keep nobody from the pass.
        let left = self.remove_waiting().err();
        Ok(Cursor::new(self, self.order()?).reporting(left))
    }

    fn claim(
        &self,
        cursor: &mut Cursor,
        which: Which,
        now: Micros,
        reach: &mut dyn FnMut(&EntryId) -> bool,
    ) -> Result<Found<Claimed<'q>>, QueueError> {
        let queue: &'q SpoolQueue = self;
        let (spot, hand) = match cursor.next(queue, which, now)? {
            Some(Next::Due(spot, hand)) => (spot, hand),
            // `reach` refuses a job that is known already.
            Some(Next::Newer { job, newer }) if reach(&job) => return Ok(Found::Newer { id: job, newer }),
            Some(Next::Newer { .. } | Next::Later) => return Ok(Found::Later),
            None => return Ok(Found::Nothing),
        };
        if !reach(&spot.name.id) {
            return Ok(Found::Later);
        }
        let began = Instant::now();
        match queue.take_due(&spot, hand) {
            Ok(Taken::Claim(claim)) => {
                cursor.claimed(queue, began.elapsed());
                Ok(Found::Claim(Claimed::Entry(claim)))
            }
            Ok(Taken::Head(claim)) => {
                cursor.claimed(queue, began.elapsed());
                Ok(Found::Claim(Claimed::Head(claim)))
            }
            Ok(Taken::Contended | Taken::Gone) => Ok(Found::Later),
            Ok(Taken::Corrupt { why }) => Ok(Found::Corrupt { name: spot.name.to_string(), why }),
            Err(QueueError::Newer { newer, .. }) => Ok(Found::Newer { id: spot.name.id, newer }),
            Err(error) => Ok(Found::Fault { id: spot.name.id, error }),
        }
    }

    fn let_synced_go(&self) {
        self.remove_synced();
    }

    fn look_again(&self) {
        SpoolQueue::look_again(self);
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped_by_now()
    }

    fn tidy(&self) -> Result<(), QueueError> {
        SpoolQueue::tidy(self)
    }

    fn contended(&self) -> u64 {
        self.contended.load(Ordering::Relaxed)
    }

    fn publish(
        &self,
        envelope: &Envelope,
        due: Micros,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), QueueError> {
        let mut draft = self.draft(envelope)?;
        write(&mut draft).map_err(self.failed("write a new entry", "tmp"))?;
        draft.publish(due).map(|_| ())
    }

    fn knows(&self, id: &EntryId) -> Result<bool, QueueError> {
        self.knows_key(id)
    }

    fn admit(&self, sender: &Address, limit: u64, line: &str, now: Micros) -> Result<bool, QueueError> {
        self.admit_notice(sender, limit, line, now)
    }

    fn ended_storms(
        &self,
        now: Micros,
        each: &mut dyn FnMut(&Storm) -> Result<(), QueueError>,
    ) -> Result<(), QueueError> {
        self.end_storms(now, each)
    }
}
