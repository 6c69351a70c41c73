//! Entries one after another in the order that they have: by due time, then by submission. What is made due so keeps it.
//!
//! Kept true: entries that are made due get an instant each ([`Instants`]), which ascend. One look at all names keeps the
//! first of them ([`PASS`]), and the next look those that come after; so memory does not grow with their number. An
//! entry made due meanwhile is not met again under its new name; a command that takes an entry of a later look leaves it
//! alone if a run has tried it since ([`Instants::saw`]), for it may have had its turn.

use std::collections::BinaryHeap;
use std::time::Duration;

use crate::admin::selecting::filter::Filter;
use crate::model::{EntryId, Micros};
use crate::spool::SpoolQueue;
use crate::spool::names::{Spot, State};
use crate::sys::clock;

/// The most names of one look.
const PASS: usize = 50_000;

/// The instants at which a command makes entries due, each later than the one before.
#[derive(Clone, Copy, Debug)]
pub struct Instants {
    began: Micros,
    last: Micros,
}

impl Instants {
    /// From now on.
    pub fn begin() -> Instants {
        let began = clock::now();
        Instants { began, last: began }
    }

    /// When they began; none of them is so early.
    pub fn began(&self) -> Micros {
        self.began
    }

    /// The next one: now, unless the clock stood still or was set back.
    pub fn next(&mut self) -> Micros {
        self.last = clock::now().max(self.last.plus(Duration::from_micros(1)));
        self.last
    }

    /// Whether an attempt at this time was made since they began. One that is still to come was made by a wrong clock.
    pub fn saw(&self, attempt: Option<Micros>) -> bool {
        attempt.is_some_and(|at| self.began < at && at <= clock::now())
    }

    /// Whether `due` may be one of them.
    pub fn has(&self, due: Micros) -> bool {
        self.began < due && due <= self.last
    }
}

/// An entry whose turn comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn(pub Spot);

impl Turn {
    fn rank(&self) -> (Micros, &EntryId, State, bool) {
        let Spot { state, name } = &self.0;
        (name.due, &name.id, *state, name.at)
    }
}

impl Ord for Turn {
    fn cmp(&self, other: &Turn) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Turn) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The way through a queue's entries in order, a part at a time.
#[derive(Debug)]
pub struct InOrder<'q> {
    queue: &'q SpoolQueue,
    filter: &'q Filter,
    states: &'q [State],
    pass: usize,
    after: Option<Turn>,
    is_over: bool,
}

impl<'q> InOrder<'q> {
    /// The way through the entries in `states` whose names match.
    pub fn new(queue: &'q SpoolQueue, filter: &'q Filter, states: &'q [State]) -> InOrder<'q> {
        InOrder { queue, filter, states, pass: PASS, after: None, is_over: false }
    }

    /// Whether nothing was looked at yet.
    pub fn is_new(&self) -> bool {
        self.after.is_none() && !self.is_over
    }

    /// The next entries, of those that `wants` answers `true` for and whose due times are none of `instants`; none when all
    /// had their turn.
    pub fn next(
        &mut self,
        instants: &Instants,
        wants: &mut dyn FnMut(&Spot) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Vec<Turn>> {
        let (mut first, mut more) = (BinaryHeap::new(), false);
        if !self.is_over {
            self.filter.each_spot(self.queue, self.states, &mut |spot| {
                let turn = Turn(spot);
                if instants.has(turn.0.name.due) || self.after.as_ref().is_some_and(|after| turn <= *after) {
                    return Ok(true);
                }
                if !wants(&turn.0)? {
                    return Ok(true);
                }
                if first.len() < self.pass {
                    first.push(turn);
                } else if let Some(mut last) = first.peek_mut() {
                    more = true;
                    if turn < *last {
                        *last = turn;
                    }
                }
                Ok(true)
            })?;
        }
        let mut turns = first.into_sorted_vec();
        // One that was named twice, or listed again.
        turns.dedup();
        self.after = turns.last().cloned();
        self.is_over = !more;
        Ok(turns)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::admin::selecting::place::Place;
    use crate::admin::selecting::selection::Selection;
    use crate::model::envelope::Origin;
    use crate::model::{Envelope, Fields};
    use crate::spool::Spool;
    use crate::spool::claim::Taken;

    #[test]
    fn instants_ascend_and_know_their_own() {
        let mut instants = Instants::begin();
        let given: Vec<Micros> = (0..1_000).map(|_| instants.next()).collect();
        assert!(given.is_sorted_by(|a, b| a < b) && given[0] > instants.began());
        assert!(given.iter().all(|&due| instants.has(due)) && !instants.has(instants.began()));
        assert!(!instants.has(given[999].plus(Duration::from_micros(1))));
        let later = instants.began().plus(Duration::from_micros(1));
        while clock::now() < later {
            std::thread::yield_now();
        }
        assert!(instants.saw(Some(later)) && !instants.saw(Some(instants.began())) && !instants.saw(None));
        assert!(!instants.saw(Some(clock::now().plus(Duration::from_secs(60)))), "a clock was wrong");
    }

    #[test]
    fn looks_follow_one_another_in_order_and_meet_nothing_twice() {
        let dir = tempfile::tempdir().expect("a folder");
        let queue = Spool::create(dir.path()).expect("a spool").queue("outbound").expect("a queue");
        let far = |n: u64| clock::now().plus(Duration::from_secs(3_600 + n));
        let mut expected = Vec::new();
        for n in 0..100_u64 {
            // Some at the same instant.
            let (id, due) = (EntryId::new(Micros(1_000_000 + n)), Micros(far(0).0 / 1_000_000_000 + n * 7 % 13));
            let envelope = Envelope {
                id: id.clone(),
                sender: None,
                recipients: vec!["r@x.org".parse().expect("an address")],
                fields: Fields::default(),
                origin: Origin { submitted: due, uid: 0, body: None, notify: None, ret: None, envid: None, verp: None },
            };
            let mut draft = queue.draft(&envelope).expect("a draft");
            draft.write_all(b"x\n").expect("written");
            let due = Micros(far(1_000).0 / 1_000_000_000 * 1_000_000_000 + due.0);
            let _ = draft.publish(due).expect("published");
            expected.push((due, id));
        }
        expected.sort();
        let filter = Selection::default().filter(&[Place::Ready]).expect("a filter");
        let (mut way, mut instants) = (InOrder::new(&queue, &filter, &[State::Ready]), Instants::begin());
        way.pass = 7;
        let mut met = Vec::new();
        loop {
            let turns = way.next(&instants, &mut |_| Ok(true)).expect("a look");
            assert!(turns.len() <= 7);
            if turns.is_empty() {
                break;
            }
            for Turn(spot) in turns {
                let Taken::Claim(claim) = queue.take(&spot).expect("it is there") else { panic!("{spot:?}") };
                met.push((spot.name.due, spot.name.id));
                claim.reschedule(instants.next()).expect("renamed");
            }
        }
        assert_eq!(met, expected);
        let mut now = Vec::new();
        queue
            .each_name(State::Ready, &mut |name| {
                now.push((name.due, name.id));
                true
            })
            .expect("a look");
        now.sort();
        assert!(now.iter().map(|(_, id)| id).eq(expected.iter().map(|(_, id)| id)), "the order stays");
    }
}
