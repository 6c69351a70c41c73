//! The ring: the next names of a lane in order, in memory that a queue's workers share, from which each takes the first.
//!
//! What holds:
//! - A name is taken by one worker. The lock on its file stays the truth: a name may have gone since it was read.
//! - Names lie in one of two buffers. One is handed out and never changes meanwhile; the other is filled by the one worker
//!   that holds the lane's lock, and takes its place in one step. A worker that dies while filling changes nothing.
//! - A name that was taken from the old buffer while the new one was filled is struck out of the new one.
//!
//! The bounded heap of the smallest names lies in the buffer that is being filled, so no process has a copy of its own.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::hands::{Hand, Hands};
use super::packed::{Packed, WORDS};
use crate::model::Micros;
use crate::sys::dir::Stamp;
use crate::sys::shared;

/// The words before the buffers: which buffer is handed out and how far, whether to look again, and about each buffer how
/// many names it has and what its filling saw.
const STATE: usize = 0;
const STALE: usize = 1;
const ABOUT: usize = 2;
const ABOUT_WORDS: usize = 8;
const HEAD: usize = ABOUT + 2 * ABOUT_WORDS;

/// A bit of a name's word with its numbers, which no name has: it was struck out. Single entries stay in order with it.
const STRUCK: u64 = 1 << 63;

/// What the filling of a buffer saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// When the names began to be read, on the steady clock in microseconds, and how long that took.
    pub began: u64,
    pub took: u64,
    /// `wake` before that.
    pub woken: Stamp,
    /// The time of the folder that holds the lane's folders; of one that was about to change, none.
    pub folder: Stamp,
    /// More names are due than the buffer holds.
    pub more: bool,
    /// The earliest time that a name waits for.
    pub next: Option<Micros>,
}

/// One lane's ring.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    words: &'static [AtomicU64],
    capacity: usize,
}

/// How far a buffer is handed out: its number, counted on with each filling, and its first name that nobody has taken.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    buffer: u32,
    first: u32,
}

impl State {
    fn of(word: u64) -> State {
        State { buffer: (word >> 32) as u32, first: word as u32 }
    }

    fn word(self) -> u64 {
        (u64::from(self.buffer) << 32) | u64::from(self.first)
    }
}

impl Ring {
    /// An empty ring for `capacity` names.
    pub fn new(capacity: usize) -> io::Result<Ring> {
        Ok(Ring { words: shared::words(HEAD + 2 * capacity * WORDS)?, capacity })
    }

    fn state(&self) -> State {
        State::of(self.words[STATE].load(Ordering::Acquire))
    }

    fn about(&self, buffer: u32) -> &'static [AtomicU64] {
        &self.words[ABOUT + (buffer & 1) as usize * ABOUT_WORDS..][..ABOUT_WORDS]
    }

    fn names(&self, buffer: u32) -> Names {
        Names(&self.words[HEAD + (buffer & 1) as usize * self.capacity * WORDS..][..self.capacity * WORDS])
    }

    fn len(&self, buffer: u32) -> usize {
        (self.about(buffer)[0].load(Ordering::Acquire) as usize).min(self.capacity)
    }

    /// Takes the next name, which is in `hands` from then on.
    pub fn take(&self, hands: &Hands) -> Option<(Packed, Hand)> {
        loop {
            let state = self.state();
            if state.first as usize >= self.len(state.buffer) {
                return None;
            }
            let name = self.names(state.buffer).get(state.first as usize);
            // In hand before it is taken: whoever fills meets it in one of both places.
            let hand = hands.hold(name);
            let next = State { first: state.first + 1, ..state };
            let taken =
                self.words[STATE].compare_exchange(state.word(), next.word(), Ordering::AcqRel, Ordering::Relaxed);
            if taken.is_ok() && name.0[3] & STRUCK == 0 {
                return Some((name, hand));
            }
        }
    }

    /// The name that is `after` so many others; a hint.
    pub fn peek(&self, after: usize) -> Option<Packed> {
        let state = self.state();
        let at = state.first as usize + after;
        let name = (at < self.len(state.buffer)).then(|| self.names(state.buffer).get(at))?;
        (name.0[3] & STRUCK == 0).then_some(name)
    }

    pub fn is_empty(&self) -> bool {
        let state = self.state();
        state.first as usize >= self.len(state.buffer)
    }

    /// Whether it should be filled though it is not empty: three quarters of what a filling brought are gone, and more is due.
    pub fn is_low(&self) -> bool {
        let state = self.state();
        let len = self.len(state.buffer);
        let left = len.saturating_sub(state.first as usize);
        let more = || self.about(state.buffer)[ABOUT_WORDS - 1].load(Ordering::Relaxed) & 1 == 1;
        left <= len / 4 && more()
    }

    /// Whether names that were taken are due again.
    pub fn is_stale(&self) -> bool {
        self.words[STALE].load(Ordering::Acquire) != 0
    }

    /// Has it filled anew soon: names that were taken are due again.
    pub fn look_again(&self) {
        self.words[STALE].store(1, Ordering::Release);
    }

    /// What the last filling saw.
    pub fn seen(&self) -> Seen {
        loop {
            let state = self.state();
            let about = self.about(state.buffer);
            let words: [u64; ABOUT_WORDS] = std::array::from_fn(|i| about[i].load(Ordering::Acquire));
            // Only the filling after the next writes here again.
            if self.state().buffer == state.buffer {
                return Seen {
                    began: words[1],
                    took: words[2],
                    woken: Stamp::of_words(words[3], words[4]),
                    folder: Stamp::of_words(words[5], words[6]),
                    more: words[7] & 1 == 1,
                    next: Some(Micros(words[7] >> 1)).filter(|next| *next < Micros::MAX),
                };
            }
        }
    }

    /// Begins to fill the other buffer, for the one who holds the lane's lock.
    pub fn fill(&self, hands: &Hands) -> Filling<'_> {
        // Before the hands are looked at: a name that leaves one later asks for another filling.
        self.words[STALE].swap(0, Ordering::AcqRel);
        let from = self.state();
        let names = self.names(from.buffer.wrapping_add(1));
        Filling { ring: self, names, from, len: 0, sorted: false, more: false, held: hands.all() }
    }
}

/// The names of a buffer.
#[derive(Clone, Copy)]
struct Names(&'static [AtomicU64]);

impl Names {
    fn get(self, at: usize) -> Packed {
        let words = &self.0[at * WORDS..][..WORDS];
        Packed(std::array::from_fn(|i| words[i].load(Ordering::Relaxed)))
    }

    fn set(self, at: usize, name: Packed) {
        let words = &self.0[at * WORDS..][..WORDS];
        words.iter().zip(name.0).for_each(|(word, value)| word.store(value, Ordering::Relaxed));
    }

    /// Brings what lies at `at` down to its place in the heap of the first `len`, whose first is the greatest.
    fn sift(self, mut at: usize, len: usize) {
        let name = self.get(at);
        loop {
            let mut child = 2 * at + 1;
            if child >= len {
                break;
            }
            if child + 1 < len && self.get(child + 1) > self.get(child) {
                child += 1;
            }
            let greater = self.get(child);
            if greater <= name {
                break;
            }
            self.set(at, greater);
            at = child;
        }
        self.set(at, name);
    }

    fn make_heap(self, len: usize) {
        (0..len / 2).rev().for_each(|at| self.sift(at, len));
    }

    /// Sorts the heap of the first `len`.
    fn sort_heap(self, len: usize) {
        for last in (1..len).rev() {
            let (greatest, other) = (self.get(0), self.get(last));
            self.set(last, greatest);
            self.set(0, other);
            self.sift(0, last);
        }
    }
}

/// A buffer that is being filled.
pub struct Filling<'r> {
    ring: &'r Ring,
    names: Names,
    /// Where the other one was when this began.
    from: State,
    len: usize,
    sorted: bool,
    more: bool,
    /// The names in hand when the filling began, sorted.
    held: Vec<Packed>,
}

impl Filling<'_> {
    pub fn capacity(&self) -> usize {
        self.ring.capacity
    }

    /// Whether somebody has it in hand.
    pub fn is_held(&self, name: Packed) -> bool {
        self.held.binary_search(&name).is_ok()
    }

    /// Keeps it if it is among the smallest; see [`Filling::sort`].
    pub fn offer(&mut self, name: Packed) {
        let full = self.len == self.ring.capacity;
        if (full && name >= self.names.get(0)) || self.is_held(name) {
            self.more |= full && !self.is_held(name);
            return;
        }
        if full {
            self.more = true;
            self.names.set(0, name);
            self.names.sift(0, self.len);
            return;
        }
        self.names.set(self.len, name);
        self.len += 1;
        if self.len == self.ring.capacity {
            self.names.make_heap(self.len);
        }
    }

    /// Puts those that were offered into order.
    pub fn sort(&mut self) {
        if self.len < self.ring.capacity {
            self.names.make_heap(self.len);
        }
        self.names.sort_heap(self.len);
        self.sorted = true;
    }

    /// Adds it behind the others; a full buffer has `more`.
    pub fn push(&mut self, name: Packed) {
        if self.len == self.ring.capacity {
            self.more = true;
            return;
        }
        self.names.set(self.len, name);
        self.len += 1;
    }

    /// Hands this buffer out from now on, in place of the other.
    pub fn finish(self, mut seen: Seen) {
        seen.more |= self.more;
        let buffer = self.from.buffer.wrapping_add(1);
        let next = seen.next.map_or(Micros::MAX.0, |next| next.0.min(Micros::MAX.0));
        let (woken, folder) = (seen.woken.words(), seen.folder.words());
        let about = [
            self.len as u64,
            seen.began,
            seen.took,
            woken.0,
            woken.1,
            folder.0,
            folder.1,
            (next << 1) | u64::from(seen.more),
        ];
        self.ring.about(buffer).iter().zip(about).for_each(|(word, value)| word.store(value, Ordering::Release));
        let (old, mut struck) = (self.ring.names(self.from.buffer), self.from.first);
        loop {
            let state = self.ring.state();
            for at in struck..state.first {
                self.strike(old.get(at as usize));
            }
            struck = state.first;
            let next = State { buffer, first: 0 }.word();
            let word = &self.ring.words[STATE];
            if word.compare_exchange(state.word(), next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return;
            }
        }
    }

    /// Strikes out a name that was taken meanwhile.
    fn strike(&self, taken: Packed) {
        let at = if self.sorted { self.search(taken) } else { (0..self.len).find(|&at| self.names.get(at) == taken) };
        if let Some(at) = at {
            let [due, high, low, numbers, log] = taken.0;
            self.names.set(at, Packed([due, high, low, numbers | STRUCK, log]));
        }
    }

    /// Where a name is among the sorted.
    fn search(&self, name: Packed) -> Option<usize> {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low.midpoint(high);
            match self.names.get(middle).cmp(&name) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}
