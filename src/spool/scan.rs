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

/// A ring that is not empty is not filled anew for a job that came, or for names that were let go, before so many times as
/// long have passed as the last filling took; nor is an empty one for an entry whose time has come.
const REST: u64 = 20;
/// One step fills a ring at most so often: others may empty it meanwhile.
const FILLINGS: u32 = 3;

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
    /// Names without a packed form, which have no place in a ring.
    odd: VecDeque<EntryName>,
    newer: Vec<(EntryId, Newer)>,
    /// What failed and was not reported yet. In each lane one fault is reported in a pass.
    fault: Option<QueueError>,
    faulty: Vec<Lane>,
    /// Lanes whose folder cannot be opened: they are over for this pass.
    shut: Vec<Lane>,
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
            fault: None,
            faulty: Vec::new(),
            shut: Vec::new(),
            ahead: ReadAhead::default(),
        }
    }

    /// The same, with something to report first.
    pub(super) fn reporting(self, fault: Option<QueueError>) -> Cursor {
        Cursor { fault, ..self }
    }

    /// What comes next, of what is due; `None` at the end of the pass.
    ///
    /// Errors: a folder cannot be read. The others can, and what is in them comes with the next calls.
    pub(super) fn next(&mut self, queue: &SpoolQueue, which: Which, now: Micros) -> Result<Option<Next>, QueueError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let by_turns = [self.lane.other(), self.lane];
        let lanes = match which {
            Which::Any => &by_turns[..],
            Which::AtHand => return Ok(self.at_hand()),
            Which::Single => &[Lane::Singles],
        };
        let woken = queue.woken();
        let mut filling = None;
        for &lane in lanes {
            match self.step(queue, lane, woken, now) {
                Step::Due(name, hand) => {
                    self.lane = lane;
                    return Ok(Some(due(name, hand)));
                }
                Step::Filling => filling = Some(lane),
                Step::Over => {}
            }
        }
        if let Some(fault) = self.fault.take() {
            return Err(fault);
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

    fn step(&mut self, queue: &SpoolQueue, lane: Lane, woken: Stamp, now: Micros) -> Step {
        if self.shut.contains(&lane) {
            return Step::Over;
        }
        let ring = *self.order.ring(lane);
        let mut fillings = 0;
        if self.is_wanted(queue, lane, woken) && self.fill(queue, lane, now, &|_| true) {
            fillings += 1;
        }
        loop {
            if lane == Lane::Singles
                && let Some(name) = self.odd.pop_front()
            {
                return Step::Due(name, None);
            }
            if let Some((name, hand)) = ring.take(&self.order.hands()) {
                match name.name() {
                    Some(name) => return Step::Due(name, Some(hand)),
                    None => continue,
                }
            }
            let is_over = (fillings > 0 && !ring.seen().more) || fillings >= FILLINGS || self.is_over(lane, woken, now);
            if self.shut.contains(&lane) || (is_over && ring.is_empty()) {
                return Step::Over;
            }
            if !is_over {
                // Another worker may have filled it just before.
                let is_needed = |cursor: &Cursor| ring.is_empty() && !cursor.is_over(lane, woken, now);
                if !self.fill(queue, lane, now, &is_needed) {
                    return if self.shut.contains(&lane) { Step::Over } else { Step::Filling };
                }
                fillings += 1;
            }
        }
    }

    /// Fills the lane's ring if that `is_needed`, once this worker has the right to; `false` if another has it.
    fn fill(&mut self, queue: &SpoolQueue, lane: Lane, now: Micros, is_needed: &dyn Fn(&Cursor) -> bool) -> bool {
        let _lock = match queue.try_lane(lane) {
            Ok(Some(lock)) => lock,
            Ok(None) => return false,
            Err(error) => {
                self.shut.push(lane);
                self.failed(lane, error);
                return false;
            }
        };
        if !is_needed(self) {
            return true;
        }
        let woken = queue.woken();
        let filled = fill(queue, &self.order, lane, now);
        if lane == Lane::Jobs {
            self.jobs_woken = woken;
        }
        let known = std::mem::take(&mut self.odd);
        self.odd.extend(filled.odd);
        let left: Vec<EntryName> = known.into_iter().filter(|name| !self.odd.contains(name)).collect();
        self.odd.extend(left);
        self.newer.extend(filled.newer);
        if let Some(fault) = filled.fault {
            self.failed(lane, fault);
        }
        true
    }

    fn failed(&mut self, lane: Lane, error: QueueError) {
        if !self.faulty.contains(&lane) {
            self.faulty.push(lane);
            self.fault.get_or_insert(error);
        }
    }

    /// Whether the lane's ring should be filled though it is not empty.
    fn is_wanted(&mut self, queue: &SpoolQueue, lane: Lane, woken: Stamp) -> bool {
        let ring = self.order.ring(lane);
        ring.is_low()
            || (ring.is_stale() && !self.rests(lane))
            || (lane == Lane::Jobs && self.is_another_job(queue, woken))
    }

    /// Whether the lane's last filling saw all that this pass is to see.
    fn is_over(&self, lane: Lane, woken: Stamp, now: Micros) -> bool {
        let ring = self.order.ring(lane);
        let seen = ring.seen();
        let fell_due = !self.rests(lane) && seen.next.is_some_and(|next| next <= now);
        seen.began >= self.began && seen.woken == woken && !seen.more && !fell_due && !ring.is_stale()
    }

    /// Whether the last filling was just now, as long as fillings take here.
    fn rests(&self, lane: Lane) -> bool {
        let seen = self.order.ring(lane).seen();
        clock::steady() < seen.began.saturating_add(seen.took.saturating_mul(REST))
    }

    /// Whether a job came or went since the ring of jobs was filled: it has its turns at once.
    fn is_another_job(&mut self, queue: &SpoolQueue, woken: Stamp) -> bool {
        let seen = self.order.ring(Lane::Jobs).seen();
        let is_unknown = seen.folder == Stamp::default();
        if (woken == self.jobs_woken && !is_unknown) || seen.began == 0 || self.rests(Lane::Jobs) {
            return false;
        }
        let stat = dir::stat(&queue.dir, Lane::Jobs.folder()).ok().flatten();
        let is_same = stat.is_none_or(|stat| Stamp::of(&stat) == seen.folder);
        if is_same {
            self.jobs_woken = woken;
        }
        !is_same
    }

    /// Notes how long a claim took.
    pub(super) fn claimed(&mut self, queue: &SpoolQueue, took: Duration) {
        let (order, lane) = (self.order, self.lane);
        let next = || order.ring(lane).peek(order.workers().saturating_sub(1)).and_then(|next| next.name());
        self.ahead.claimed(queue, took, next);
    }
}

fn due(name: EntryName, hand: Option<Hand>) -> Next {
    Next::Due(Spot { state: State::Ready, name }, hand)
}
