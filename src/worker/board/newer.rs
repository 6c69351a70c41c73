//! What newer programs made, as the workers of a run met it: it is counted once, and nobody reaches for it again in this run.
//!
//! Kept true: an entry or job is counted when its hash comes into the set, so by one worker alone. Where the set is full,
//! more is met again and again, and not counted.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use super::words::{ID_WORDS, WHY_WORDS, get_text, put_text};
use crate::model::EntryId;
use crate::model::format::{Format, Newer};

/// Places in the set; it is full with half of them taken, so that a search is short.
const PLACES: usize = 1 << 14;
const FULL: u64 = PLACES as u64 / 2;

/// Of entries, then of jobs of either sort: how many there are, the id of the first, and what is newer about it.
const KIND_WORDS: usize = 1 + ID_WORDS + WHY_WORDS;
const SET: usize = 3 * KIND_WORDS;
pub(super) const WORDS: usize = SET + PLACES;

/// What is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    Entry,
    Job,
    /// A job whose window is in a time zone that this host does not know.
    Elsewhere,
}

/// What was met of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    pub count: u64,
    /// The id of the first.
    pub first: String,
    pub why: String,
}

/// The part of the board that is about this.
#[derive(Clone, Copy, Debug)]
pub struct NewerMade<'b> {
    pub(super) words: &'b [AtomicU64],
}

impl NewerMade<'_> {
    /// Takes note of entry or job `id`.
    pub fn note(&self, id: &EntryId, newer: &Newer) {
        let words = self.kind(match newer {
            Newer::Number { format: Format::Job, .. } | Newer::Kind { format: Format::Job, .. } => Made::Job,
            Newer::Number { .. } | Newer::Kind { .. } => Made::Entry,
            Newer::Zone { .. } => Made::Elsewhere,
        });
        if self.is_full() || !self.insert(hash(id.as_str())) {
            return;
        }
        if words[0].fetch_add(1, Ordering::AcqRel) == 0 {
            put_text(&words[1..=ID_WORDS], id.as_str());
            put_text(&words[1 + ID_WORDS..], &newer.to_string());
        }
    }

    /// Whether `id`, or the job that it belongs to, was met.
    pub fn has(&self, id: &EntryId) -> bool {
        !self.is_empty()
            && (self.contains(hash(id.as_str())) || id.job().is_some_and(|(job, _)| self.contains(hash(job))))
    }

    /// What was met; to be asked when no worker lives.
    pub fn met(&self, made: Made) -> Option<Met> {
        let words = self.kind(made);
        let count = words[0].load(Ordering::Acquire);
        let (first, why) = (get_text(&words[1..=ID_WORDS]), get_text(&words[1 + ID_WORDS..]));
        (count > 0).then_some(Met { count, first, why })
    }

    fn count(&self) -> u64 {
        [Made::Entry, Made::Job, Made::Elsewhere].map(|made| self.kind(made)[0].load(Ordering::Acquire)).iter().sum()
    }

    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// There may be more than are counted.
    pub fn is_full(&self) -> bool {
        self.count() >= FULL
    }

    fn kind(&self, made: Made) -> &[AtomicU64] {
        &self.words[made as usize * KIND_WORDS..][..KIND_WORDS]
    }

    /// The places where `hash` may be, the likely one first.
    fn places(&self, hash: u64) -> impl Iterator<Item = &AtomicU64> {
        (0..PLACES).map(move |i| &self.words[SET + (hash as usize).wrapping_add(i) % PLACES])
    }

    fn contains(&self, hash: u64) -> bool {
        let taken = self.places(hash).map(|place| place.load(Ordering::Acquire)).take_while(|&place| place != 0);
        taken.into_iter().any(|place| place == hash)
    }

    /// `false` if it was there.
    fn insert(&self, hash: u64) -> bool {
        for place in self.places(hash) {
            match place.compare_exchange(0, hash, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(other) if other == hash => return false,
                Err(_) => {}
            }
        }
        false
    }
}

/// Never 0, which is a free place.
fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Micros;
    use crate::worker::board::Board;

    #[test]
    fn each_is_counted_once_and_the_set_is_bounded() {
        let board = Board::new(1).expect("shared memory");
        let (newer, job) = (board.newer(), EntryId::new(Micros(1)));
        let number = |format| Newer::Number { format, found: 9 };
        assert!(newer.is_empty() && !newer.has(&job));
        newer.note(&job, &number(Format::Job));
        assert!(newer.has(&job.of_job(0, 7)) && newer.has(&job) && !newer.has(&EntryId::new(Micros(2))));
        let ids: Vec<EntryId> = (0..20).map(|n| EntryId::new(Micros(3)).of_job(n, 0)).collect();
        for id in ids.iter().chain(&ids) {
            newer.note(id, &number(Format::Journal));
        }
        let met = newer.met(Made::Entry).expect("some");
        assert_eq!((met.count, met.first.as_str()), (20, ids[0].as_str()));
        assert!(met.why.starts_with("this journal has format 9"), "{}", met.why);
        assert_eq!(newer.met(Made::Job).map(|met| met.count), Some(1));
        (0..20_000).for_each(|n| newer.note(&job.of_job(n, 1), &number(Format::Entry)));
        assert!(newer.is_full() && newer.count() == FULL);
    }
}
