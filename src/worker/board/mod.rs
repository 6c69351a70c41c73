//! The board of one queue's run, in memory that supervisor and workers share: counts, who has what in hand, and what
//! everybody must know at once (the sink is down; this entry kills workers; that one could not be settled).
//!
//! Each slot has one writer, its worker. A reader may see a slot in the middle of a change; it only ever shows or times
//! what it reads, and never claims by it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub mod evidence;
pub mod judge;
pub mod newer;
pub(super) mod refusal;
mod words;

use self::evidence::{Doubts, Since};
use self::newer::NewerMade;
use self::words::{ID_WORDS, WHY_WORDS, get_text, put_text};
use crate::model::verdict::Kind;
use crate::model::{EntryId, Micros};
use crate::sys::{clock, shared};

/// What is counted, a recipient at a time for the verdicts, an entry at a time for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    Delivered,
    Deferred,
    Failed,
    Unknown,
    /// Entries that left the worker's hand in good order.
    Settled,
    /// Entries that could not be settled or read.
    Faults,
    Corrupt,
    Claims,
    /// Locks that somebody else held.
    Contended,
    /// Workers that died.
    Crashes,
    /// Hand-overs that had to wait for a token of a rate.
    Paced,
    /// Recipients that get no mail, as the suppression list has it.
    Suppressed,
}

impl Counter {
    pub fn of(kind: Kind) -> Counter {
        match kind {
            Kind::Delivered => Counter::Delivered,
            Kind::Deferred => Counter::Deferred,
            Kind::Failed => Counter::Failed,
            Kind::Unknown | Kind::Held => Counter::Unknown,
            Kind::Suppressed => Counter::Suppressed,
        }
    }
}

const COUNTERS: usize = 12;
/// A slot: since when it is busy (0: idle), its deadline on the steady clock, how many claims the worker keeps in doubt,
/// the doubt in which it waits for the others' evidence, whether its way into the sink is open, whether it waits for its
/// turn to hand over, the row of its entry that is being rendered (0: none, else its number and 1), its entry's id.
const SLOT_WORDS: usize = SLOT_ID + ID_WORDS;
const KEEPS: usize = 2;
const WAITS: usize = 3;
const OPEN: usize = 4;
const PACED: usize = 5;
const ROW: usize = 6;
const SLOT_ID: usize = 7;

/// So many ids fit into a list; a queue's run ends before one is full.
pub const LISTED_MAX: usize = 64;
/// An id on a list, and before it the row of that entry which is meant, as in a slot.
const LISTED_WORDS: usize = 1 + ID_WORDS;
/// A list: how many ids it has, and the ids.
const LIST_WORDS: usize = 1 + LISTED_MAX * LISTED_WORDS;

// The words: counters, state of the run, sink flag, offline flag, why the sink is down, the lists, the doubts, what is newer, slots.
const STATE: usize = COUNTERS;
const SINK: usize = STATE + 1;
const OFFLINE: usize = SINK + 1;
const WHY: usize = OFFLINE + 1;
const LISTS: usize = WHY + WHY_WORDS;
const DOUBTS: usize = LISTS + 2 * LIST_WORDS;
const NEWER: usize = DOUBTS + evidence::WORDS;
const SLOTS: usize = NEWER + newer::WORDS;

/// Entries that every worker must know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Two workers died with it in hand: the next one holds it.
    Poisoned,
    /// It could not be claimed or settled: nobody reaches for it again in this run.
    Stuck,
}

/// How far a queue's supervisor has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Starting,
    /// Another run has the queue.
    Busy,
    /// A person stopped the queue.
    Stopped,
    Working,
    Done,
}

const PHASES: [Phase; 5] = [Phase::Starting, Phase::Busy, Phase::Stopped, Phase::Working, Phase::Done];

#[derive(Debug)]
pub struct Board {
    words: &'static [AtomicU64],
    slots: usize,
}

/// What one worker has in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InHand {
    pub id: String,
    pub since: Micros,
    /// On the steady clock, in microseconds.
    pub deadline: u64,
    /// It waits for its turn.
    pub paced: bool,
    /// The row that is being rendered, of an entry that has rows.
    pub row: Option<usize>,
}

impl Board {
    /// A board for `slots` workers, shared with every process forked from now on.
    pub fn new(slots: usize) -> io::Result<Board> {
        Ok(Board { words: shared::words(SLOTS + slots * SLOT_WORDS)?, slots })
    }

    pub fn slots(&self) -> usize {
        self.slots
    }

    pub fn add(&self, counter: Counter, by: u64) {
        self.words[counter as usize].fetch_add(by, Ordering::Relaxed);
    }

    pub fn count(&self, counter: Counter) -> u64 {
        self.words[counter as usize].load(Ordering::Relaxed)
    }

    /// Recipients that came to a verdict.
    pub fn recipients_done(&self) -> u64 {
        [Counter::Delivered, Counter::Deferred, Counter::Failed, Counter::Unknown].map(|c| self.count(c)).iter().sum()
    }

    pub fn set_phase(&self, phase: Phase) {
        self.words[STATE].store(phase as u64, Ordering::Release);
    }

    pub fn phase(&self) -> Phase {
        let stored = self.words[STATE].load(Ordering::Acquire);
        PHASES.into_iter().find(|&phase| phase as u64 == stored).unwrap_or(Phase::Starting)
    }

    /// Says that the sink is down; the first reason stands.
    pub fn sink_down(&self, why: &str) {
        if self.words[SINK].compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            put_text(&self.words[WHY..WHY + WHY_WORDS], why);
            self.words[SINK].store(2, Ordering::Release);
        }
    }

    /// Says that the sink is not to be reached because this host is offline: no outage of the sink's.
    pub fn go_offline(&self) {
        self.words[OFFLINE].store(1, Ordering::Release);
        self.sink_down("this host is offline");
    }

    pub fn is_offline(&self) -> bool {
        self.words[OFFLINE].load(Ordering::Acquire) != 0
    }

    /// The sink is tried again; only while no worker lives.
    pub fn sink_may_be_up(&self) {
        self.doubts().end();
        self.words[OFFLINE].store(0, Ordering::Release);
        self.words[SINK].store(0, Ordering::Release);
    }

    pub fn sink_is_down(&self) -> bool {
        self.words[SINK].load(Ordering::Acquire) != 0
    }

    /// Why the sink is down.
    pub fn sink_why(&self) -> String {
        get_text(&self.words[WHY..WHY + WHY_WORDS])
    }

    /// What the workers know of refusals that may be the sink's fault.
    pub fn doubts(&self) -> Doubts<'_> {
        Doubts { words: &self.words[DOUBTS..NEWER] }
    }

    /// What newer programs made.
    pub fn newer(&self) -> NewerMade<'_> {
        NewerMade { words: &self.words[NEWER..SLOTS] }
    }

    fn list(&self, list: List) -> &[AtomicU64] {
        &self.words[LISTS + list as usize * LIST_WORDS..][..LIST_WORDS]
    }

    /// Puts an entry on a list, and the `row` of it that is meant, if one is. Several may do so at once.
    pub fn put(&self, list: List, id: &str, row: Option<usize>) {
        let words = self.list(list);
        let at = words[0].fetch_add(1, Ordering::AcqRel) as usize;
        if at < LISTED_MAX {
            let words = &words[1 + at * LISTED_WORDS..][..LISTED_WORDS];
            words[0].store(word_of(row), Ordering::Relaxed);
            put_text(&words[1..], id);
        }
    }

    /// How many entries a list has.
    pub fn listed(&self, list: List) -> usize {
        self.list(list)[0].load(Ordering::Acquire) as usize
    }

    pub fn is_listed(&self, list: List, id: &EntryId) -> bool {
        self.listed_as(list, id).is_some()
    }

    /// The row of an entry that is meant where a list has the entry; `None` if it has not.
    pub fn listed_as(&self, list: List, id: &EntryId) -> Option<Option<usize>> {
        let words = self.list(list)[1..].chunks_exact(LISTED_WORDS).take(self.listed(list));
        let mut found = words.filter(|words| get_text(&words[1..]) == id.as_str());
        found.next().map(|words| row_of(&words[0]))
    }

    /// The slot of the worker number `index`, which is below [`Board::slots`].
    pub fn slot(&self, index: usize) -> Slot<'_> {
        Slot { words: &self.words[SLOTS + index * SLOT_WORDS..][..SLOT_WORDS] }
    }

    /// Whether another worker than that of `slot` has an open way into the sink.
    pub fn another_is_open(&self, slot: Slot<'_>) -> bool {
        let mut others =
            (0..self.slots).map(|index| self.slot(index)).filter(|other| !std::ptr::eq(other.words, slot.words));
        others.any(|other| other.words[OPEN].load(Ordering::Acquire) != 0)
    }
}

fn word_of(row: Option<usize>) -> u64 {
    row.map_or(0, |row| row as u64 + 1)
}

fn row_of(word: &AtomicU64) -> Option<usize> {
    word.load(Ordering::Relaxed).checked_sub(1).map(|row| row as usize)
}

/// One worker's part of the board.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'b> {
    words: &'b [AtomicU64],
}

impl Slot<'_> {
    /// The worker takes `id` in hand, and will have let it go when `limit` has passed.
    pub fn begin(&self, id: &EntryId, limit: Duration) {
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        put_text(&self.words[SLOT_ID..], id.as_str());
        self.words[ROW].store(0, Ordering::Relaxed);
        self.words[PACED].store(0, Ordering::Relaxed);
        let now = clock::steady();
        self.words[1].store(now.saturating_add(limit), Ordering::Relaxed);
        self.words[0].store(now.max(1), Ordering::Release);
    }

    /// Names `row` of entry `id` while `render` renders it, which may be in the middle of the hand-over of `in_hand`: a worker
    /// that dies then dies of that row.
    pub fn rendering<T>(&self, id: &EntryId, row: usize, in_hand: &EntryId, render: impl FnOnce() -> T) -> T {
        if id != in_hand {
            put_text(&self.words[SLOT_ID..], id.as_str());
        }
        self.words[ROW].store(word_of(Some(row)), Ordering::Release);
        let rendered = render();
        self.words[ROW].store(0, Ordering::Release);
        if id != in_hand {
            put_text(&self.words[SLOT_ID..], in_hand.as_str());
        }
        rendered
    }

    /// Whether the worker's way into the sink is open.
    pub fn keeps_open(&self, open: bool) {
        self.words[OPEN].store(u64::from(open), Ordering::Release);
    }

    /// The worker waits for its turn with what it has in hand, and will have looked again when `limit` has passed.
    pub fn paced(&self, limit: Duration) {
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        self.words[1].store(clock::steady().saturating_add(limit), Ordering::Relaxed);
        self.words[PACED].store(1, Ordering::Relaxed);
    }

    /// The worker has nothing in hand.
    pub fn idle(&self) {
        self.words[0].store(0, Ordering::Release);
    }

    /// The slot is nobody's.
    pub fn clear(&self) {
        self.idle();
        self.keeps(0);
        self.waits(None);
        self.keeps_open(false);
    }

    /// The worker keeps so many claims until a doubt is over.
    pub fn keeps(&self, count: usize) {
        self.words[KEEPS].store(count as u64, Ordering::Release);
    }

    pub fn kept(&self) -> usize {
        self.words[KEEPS].load(Ordering::Acquire) as usize
    }

    /// The worker finds nothing else that is due, and waits for evidence about what it keeps.
    pub fn waits(&self, doubt: Option<Since>) {
        self.words[WAITS].store(doubt.unwrap_or(0), Ordering::Release);
    }

    pub fn is_waiting(&self, doubt: Since) -> bool {
        self.words[WAITS].load(Ordering::Acquire) == doubt
    }

    pub fn in_hand(&self) -> Option<InHand> {
        match self.words[0].load(Ordering::Acquire) {
            0 => None,
            since => Some(InHand {
                id: get_text(&self.words[SLOT_ID..]),
                since: clock::now().minus(Duration::from_micros(clock::steady().saturating_sub(since))),
                deadline: self.words[1].load(Ordering::Relaxed),
                paced: self.words[PACED].load(Ordering::Relaxed) != 0,
                row: row_of(&self.words[ROW]),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_tells_what_was_put_on_it() {
        let board = Board::new(2).expect("shared memory");
        let id = EntryId::new(Micros(9)).of_job(3, 999);
        board.slot(1).begin(&id, Duration::from_secs(5));
        let seen = board.slot(1).in_hand().expect("busy");
        assert_eq!(seen.id, id.as_str());
        assert!(seen.deadline > clock::steady() && !seen.paced);
        board.slot(1).paced(Duration::from_secs(9));
        let waits = board.slot(1).in_hand().expect("busy");
        assert!(waits.deadline > seen.deadline && waits.paced && waits.id == seen.id);
        board.slot(1).begin(&id, Duration::from_secs(5));
        assert!(board.slot(1).in_hand().is_some_and(|hand| !hand.paced));
        assert_eq!(board.slot(0).in_hand(), None);
        let other = EntryId::new(Micros(8)).of_job(0, 0);
        let row = |slot: Slot<'_>| slot.in_hand().map(|hand| (hand.id, hand.row));
        let seen = board.slot(1).rendering(&other, 7, &id, || row(board.slot(1)));
        assert_eq!(seen, Some((other.to_string(), Some(7))));
        assert_eq!(row(board.slot(1)), Some((id.to_string(), None)));
        board.put(List::Poisoned, other.as_str(), Some(7));
        board.put(List::Poisoned, id.as_str(), None);
        let listed = |id| board.listed_as(List::Poisoned, id);
        assert_eq!((listed(&other), listed(&id)), (Some(Some(7)), Some(None)));
        assert_eq!(listed(&EntryId::new(Micros(7))), None);
        board.put(List::Stuck, id.as_str(), None);
        assert!(board.is_listed(List::Stuck, &id) && !board.is_listed(List::Stuck, &EntryId::new(Micros(9))));
        assert_eq!((board.listed(List::Stuck), board.listed(List::Poisoned)), (1, 2));
        board.sink_down("no\u{e9}");
        board.sink_down("later");
        assert_eq!(board.sink_why(), "no\u{e9}");
        board.set_phase(Phase::Busy);
        assert_eq!(board.phase(), Phase::Busy);
        board.add(Counter::Crashes, 2);
        assert_eq!((board.count(Counter::Crashes), board.recipients_done()), (2, 0));
    }
}
