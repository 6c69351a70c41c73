//! A worker's way through what is due in a queue, without opening or looking at a single file before its turn.
//!
//! Two lanes take turns, an entry each: single entries, and jobs, which take turns among themselves. So one mail never waits
//! behind a batch, nor a small batch behind a campaign, nor the campaign behind ever more small ones. A list post's entry
//! has many groups of recipients: between two of them a worker asks for a single entry alone.
//!
//! Each lane is a ring that all workers of the queue share (`order`): this decides when it is filled anew.
//! A pass is over when both rings are empty, and were filled since the pass began and since the queue was woken.

use std::collections::VecDeque;
use std::time::Duration;

use super::names::{EntryName, Spot, State};
use super::order::{Hand, Lane, Order, fill};
use super::queue::SpoolQueue;
use super::speed::ReadAhead;
use crate::model::format::Newer;
use crate::model::{EntryId, Micros};
use crate::queue::{QueueError, Which};
use crate::sys::clock;
use crate::sys::dir::{self, Stamp};

/// A ring is not filled anew for a job that came, or for an entry whose time has come, before so many times as long have
/// passed as the last filling took.
const REST: u64 = 20;

/// A worker's way through one pass.
#[derive(Debug)]
pub struct Cursor {
    order: Order,
    /// Whose turn it was.
    lane: Lane,
    /// When the pass began, on the steady clock in microseconds.
    began: u64,
    /// `wake` before the last look at the jobs.
    jobs_woken: Stamp,
    /// What this worker met that has no place in a ring.
    odd: VecDeque<EntryName>,
    newer: Vec<(EntryId, Newer)>,
    ahead: ReadAhead,
}

/// What a worker meets next.
#[derive(Debug)]
pub(super) enum Next {
    /// An entry, by its name, in hand unless that has no packed form. It may be gone, or in other hands.
    Due(Spot, Option<Hand>),
    /// A job that a newer program made, whose entries are left alone.
    Newer { job: EntryId, newer: Newer },
    /// Another worker reads the names.
    Later,
}

/// How far a lane comes at once.
enum Step {
    Due(EntryName, Option<Hand>),
    /// Another worker fills the ring.
    Filling,
    Over,
}

impl Cursor {
    pub(super) fn new(queue: &SpoolQueue, order: Order) -> Cursor {
        Cursor {
            order,
            lane: Lane::Jobs,
            began: clock::steady(),
            jobs_woken: queue.woken(),
            odd: VecDeque::new(),
            newer: Vec::new(),
            ahead: ReadAhead::default(),
        }
    }

    /// What comes next, of what is due; `None` at the end of the pass.
    pub(super) fn next(&mut self, queue: &SpoolQueue, which: Which, now: Micros) -> Result<Option<Next>, QueueError> {
        let by_turns = [self.lane.other(), self.lane];
        let lanes = match which {
            Which::Any => &by_turns[..],
            Which::AtHand => return Ok(self.at_hand()),
            Which::Single => &[Lane::Singles],
        };
        let woken = queue.woken();
        let mut filling = None;
        for &lane in lanes {
            match self.step(queue, lane, woken, now)? {
                Step::Due(name, hand) => {
                    self.lane = lane;
                    return Ok(Some(due(name, hand)));
                }
                Step::Filling => filling = Some(lane),
                Step::Over => {}
            }
        }
        if let Some((job, newer)) = self.newer.pop() {
            return Ok(Some(Next::Newer { job, newer }));
        }
        // Between the groups of an entry nobody waits.
        let Some(lane) = filling.filter(|_| which == Which::Any) else { return Ok(None) };
        queue.await_lane(lane).map(|()| Some(Next::Later))
    }

    /// The same as [`Cursor::next`], if it is known by now.
    fn at_hand(&mut self) -> Option<Next> {
        for lane in [self.lane.other(), self.lane] {
            if let Some((name, hand)) = self.order.ring(lane).take(&self.order.hands()) {
                self.lane = lane;
                return Some(due(name.name()?, Some(hand)));
            }
        }
        None
    }

    fn step(&mut self, queue: &SpoolQueue, lane: Lane, woken: Stamp, now: Micros) -> Result<Step, QueueError> {
        let ring = *self.order.ring(lane);
        let mut filled = false;
        loop {
            let is_wanted = !filled && (ring.is_low() || (lane == Lane::Jobs && self.is_another_job(queue, woken)));
            if is_wanted && let Some(_lock) = queue.try_lane(lane)? {
                filled = true;
                self.fill(queue, lane, now)?;
            }
            if lane == Lane::Singles
                && let Some(name) = self.odd.pop_front()
            {
                return Ok(Step::Due(name, None));
            }
            if let Some((name, hand)) = ring.take(&self.order.hands()) {
                match name.name() {
                    Some(name) => return Ok(Step::Due(name, Some(hand))),
                    None => continue,
                }
            }
            if filled || self.is_over(lane, woken, now) {
                return Ok(Step::Over);
            }
            let Some(_lock) = queue.try_lane(lane)? else { return Ok(Step::Filling) };
            // Another worker may have filled it just before.
            if ring.is_empty() && !self.is_over(lane, woken, now) {
                filled = true;
                self.fill(queue, lane, now)?;
            }
        }
    }

    /// Fills the lane's ring, for the one who has the right to.
    fn fill(&mut self, queue: &SpoolQueue, lane: Lane, now: Micros) -> Result<(), QueueError> {
        let filled = fill(queue, &self.order, lane, now);
        let known: Vec<EntryName> = self.odd.drain(..).collect();
        self.odd.extend(filled.odd);
        self.odd.extend(known.into_iter().filter(|name| !self.odd.contains(name)).collect::<Vec<_>>());
        self.newer.extend(filled.newer);
        filled.fault.map_or(Ok(()), Err)
    }

    /// Whether the lane's last filling saw all that this pass is to see.
    fn is_over(&self, lane: Lane, woken: Stamp, now: Micros) -> bool {
        let seen = self.order.ring(lane).seen();
        let rests = clock::steady() < seen.began.saturating_add(seen.took.saturating_mul(REST));
        let fell_due = !rests && seen.next.is_some_and(|next| next <= now);
        seen.began >= self.began && seen.woken == woken && !seen.more && !fell_due
    }

    /// Whether a job came or went since the ring of jobs was filled: it has its turns at once.
    fn is_another_job(&mut self, queue: &SpoolQueue, woken: Stamp) -> bool {
        let seen = self.order.ring(Lane::Jobs).seen();
        let is_unknown = seen.folder == Stamp::default();
        if (woken == self.jobs_woken && !is_unknown)
            || seen.began == 0
            || clock::steady() < seen.began.saturating_add(seen.took.saturating_mul(REST))
        {
            return false;
        }
        self.jobs_woken = woken;
        let stat = dir::stat(&queue.dir, Lane::Jobs.folder()).ok().flatten();
        stat.is_some_and(|stat| Stamp::of(&stat) != seen.folder)
    }

    /// A claim took so long.
    pub(super) fn claimed(&mut self, queue: &SpoolQueue, took: Duration) {
        let (order, lane) = (self.order, self.lane);
        let next = || order.ring(lane).peek(order.workers().saturating_sub(1)).and_then(|next| next.name());
        self.ahead.claimed(queue, took, next);
    }
}

fn due(name: EntryName, hand: Option<Hand>) -> Next {
    Next::Due(Spot { state: State::Ready, name }, hand)
}
