//! What the workers of a queue share: a ring for each lane, and what everybody has in hand.

use std::io;

use super::hands::{AllHands, Hands};
use super::ring::Ring;

/// Names of single entries in a ring: the more, the fewer walks through a very long queue.
const SINGLES: usize = 100_000;
/// Names of entries of jobs in a ring, of all jobs together.
const JOBS: usize = 8_192;

/// The two lanes, which take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Singles,
    Jobs,
}

impl Lane {
    pub const ALL: [Lane; 2] = [Lane::Singles, Lane::Jobs];

    pub fn other(self) -> Lane {
        match self {
            Lane::Singles => Lane::Jobs,
            Lane::Jobs => Lane::Singles,
        }
    }

    /// The folder that holds the lane's folders.
    pub fn folder(self) -> &'static str {
        match self {
            Lane::Singles => "ready",
            Lane::Jobs => "jobs",
        }
    }
}

/// What the workers of a queue share, and the number of the one that looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    singles: Ring,
    jobs: Ring,
    hands: AllHands,
    index: usize,
}

impl Order {
    /// For `workers` workers, in every process that is forked from now on.
    pub fn new(workers: usize) -> io::Result<Order> {
        let (singles, jobs) = (Ring::new(SINGLES)?, Ring::new(JOBS)?);
        Ok(Order { singles, jobs, hands: AllHands::new(workers)?, index: 0 })
    }

    /// The same as the worker number `index` sees it, which has nothing in hand.
    pub fn of_worker(self, index: usize) -> Order {
        self.hands.of(index).clear();
        Order { index, ..self }
    }

    pub fn ring(&self, lane: Lane) -> &Ring {
        match lane {
            Lane::Singles => &self.singles,
            Lane::Jobs => &self.jobs,
        }
    }

    pub fn workers(&self) -> usize {
        self.hands.workers()
    }

    /// Forgets what the worker number `index` had in hand, which has ended: it is due again. One that died may have been
    /// filling a ring.
    pub fn forget(&self, index: usize, died: bool) {
        if self.hands.of(index).clear() || died {
            self.look_again();
        }
    }

    pub fn hands(&self) -> Hands {
        self.hands.of(self.index)
    }

    /// Has both rings filled anew soon: names that were taken are due again.
    pub fn look_again(&self) {
        Lane::ALL.iter().for_each(|&lane| self.ring(lane).look_again());
    }
}
