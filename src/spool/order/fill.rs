//! Filling a lane's ring: one walk through its names, by the one worker that has the lane's lock. Only names that are due when
//! it begins count.

use std::fs::File;
use std::io;

use super::ring::Seen;
use super::rings::{Lane, Order};
use super::walk::{Filled, Walk};
use super::{jobs, singles};
use crate::model::Micros;
use crate::queue::QueueError;
use crate::spool::queue::SpoolQueue;
use crate::sys::{clock, dir, lock};

/// Fills the lane's ring anew, for the one who has its lock, with what is due at `now`.
pub(in crate::spool) fn fill(queue: &SpoolQueue, order: &Order, lane: Lane, now: Micros) -> Filled {
    let seen = Seen { began: clock::steady(), woken: queue.woken(), ..Seen::default() };
    let filling = order.ring(lane).fill(&order.hands());
    let mut walk = Walk { queue, now, filling, filled: Filled::default(), seen };
    match lane {
        Lane::Singles => singles::walk(&mut walk),
        Lane::Jobs => jobs::walk(&mut walk),
    }
    let Walk { filling, mut filled, mut seen, .. } = walk;
    filled.odd.sort_by(|a, b| (a.due, &a.id).cmp(&(b.due, &b.id)));
    seen.took = clock::steady().saturating_sub(seen.began);
    filling.finish(seen);
    filled
}

impl SpoolQueue {
    /// The right to fill the lane's ring, until it is closed; `None` if another worker has it.
    pub(in crate::spool) fn try_lane(&self, lane: Lane) -> Result<Option<File>, QueueError> {
        let locked = self.lane_lock(lane).and_then(|folder| Ok(lock::try_exclusive(&folder)?.then_some(folder)));
        locked.map_err(self.failed("lock", lane.folder()))
    }

    /// Waits until nobody fills the lane's ring, or a signal comes.
    pub(in crate::spool) fn await_lane(&self, lane: Lane) -> Result<(), QueueError> {
        let waited = self.lane_lock(lane).and_then(|folder| lock::await_exclusive(&folder));
        waited.map(|_| ()).map_err(self.failed("lock", lane.folder()))
    }

    /// The lane's folder is its lock.
    fn lane_lock(&self, lane: Lane) -> io::Result<File> {
        match dir::open_at(&self.dir, lane.folder()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.ensure_folder(lane.folder())?;
                dir::open_at(&self.dir, lane.folder())
            }
            other => other,
        }
    }
}
