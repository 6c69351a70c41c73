//! What the workers of a queue have in hand, in memory that they share: whoever fills a ring leaves these names out, so that
//! nobody tries a lock that is held.
//!
//! A name is here from before it is taken until its [`Hand`] is dropped, with the claim. What a dead worker had is
//! forgotten by its supervisor, and again by the next worker with its number. Nothing but time depends on it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::packed::{Packed, WORDS};
use crate::sys::shared;

/// Names that one worker can have in hand, bounces that wait for their commit above all. More are not noted.
const EACH: usize = 128;

/// The hands of all workers.
#[derive(Clone, Copy, Debug)]
pub struct AllHands {
    words: &'static [AtomicU64],
}

impl AllHands {
    pub fn new(workers: usize) -> io::Result<AllHands> {
        Ok(AllHands { words: shared::words(workers.max(1) * EACH * WORDS)? })
    }

    pub fn workers(self) -> usize {
        self.words.len() / (EACH * WORDS)
    }

    /// Those of the worker number `index`; of one that is unknown, the last one's.
    pub fn of(self, index: usize) -> Hands {
        let index = index.min(self.workers() - 1);
        Hands { all: self, own: &self.words[index * EACH * WORDS..][..EACH * WORDS] }
    }
}

/// A worker's hands, as it sees them among the others'.
#[derive(Clone, Copy, Debug)]
pub struct Hands {
    all: AllHands,
    own: &'static [AtomicU64],
}

/// A name in hand, until this is dropped.
#[derive(Debug)]
pub struct Hand(Option<&'static AtomicU64>);

impl Hands {
    /// Notes `name`, where there is a place.
    pub fn hold(&self, name: Packed) -> Hand {
        // A due time of 0, which only a person writes, reads as an empty place.
        let place = self.own.chunks_exact(WORDS).find(|place| place[0].load(Ordering::Relaxed) == 0);
        if let Some(place) = place {
            place.iter().zip(name.0).for_each(|(word, value)| word.store(value, Ordering::Release));
        }
        Hand(place.map(|place| &place[0]))
    }

    /// Forgets what this worker had in hand; `true` if it had something.
    pub fn clear(&self) -> bool {
        let places = self.own.chunks_exact(WORDS);
        places.map(|place| place[0].swap(0, Ordering::AcqRel)).filter(|&due| due != 0).count() > 0
    }

    /// What all workers have in hand, sorted.
    pub fn all(&self) -> Vec<Packed> {
        let places = self.all.words.chunks_exact(WORDS);
        let read = |place: &[AtomicU64]| Packed(std::array::from_fn(|i| place[i].load(Ordering::Acquire)));
        let mut held: Vec<Packed> = places.map(read).filter(|name| name.0[0] != 0).collect();
        held.sort_unstable();
        held
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        if let Some(word) = self.0 {
            word.store(0, Ordering::Release);
        }
    }
}
