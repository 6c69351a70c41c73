//! All states that can be reached, each once, the nearest first.
//!
//! A state counts as seen when its 64-bit hash was seen: for a million states the chance that one is passed over is below
//! one in thirty million.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::after::{After, Event};
use super::harm::harm;
use super::rules::Run;
use super::state::State;
use super::tape::Tape;
use super::{admin, worker, world};

/// What came of a run.
#[derive(Debug)]
pub struct Found {
    pub states: usize,
    /// The first harm, and what led to it.
    pub harm: Option<(&'static str, Vec<Event>)>,
}

/// Explores all states of `run`, up to the first harm.
pub fn explore(run: &Run) -> Found {
    let mut tape = Tape::new(run.rules.chained);
    let first = world::beginning(run);
    let mut before: HashMap<u64, u64, BuildHasherDefault<Hashed>> = HashMap::default();
    before.insert(hash(&first), 0);
    let mut queue = VecDeque::from([first]);
    while let Some(state) = queue.pop_front() {
        let after = after(run, &mut tape, state);
        if let Some(harm) = after.harm {
            let states = before.len();
            return Found { states, harm: Some((harm, story(run, &mut tape, &before, &state))) };
        }
        let from = hash(&state);
        for (_, next) in after.states {
            if let std::collections::hash_map::Entry::Vacant(new) = before.entry(hash(&next)) {
                new.insert(from);
                queue.push_back(next);
            }
        }
    }
    Found { states: before.len(), harm: None }
}

fn after<'r>(run: &'r Run, tape: &'r mut Tape, from: State) -> After<'r> {
    let seen = tape.read(&from);
    let mut after = After { run, tape, from, seen, states: Vec::new(), harm: harm(run, &from, &seen) };
    if after.harm.is_none() {
        worker::steps(&mut after);
        admin::steps(&mut after);
        world::steps(&mut after);
    }
    after
}

/// What led from the beginning to `last`.
fn story(
    run: &Run,
    tape: &mut Tape,
    before: &HashMap<u64, u64, BuildHasherDefault<Hashed>>,
    last: &State,
) -> Vec<Event> {
    let mut way = vec![hash(last)];
    while let Some(&from) = way.last().and_then(|at| before.get(at)).filter(|&&from| from != 0) {
        way.push(from);
    }
    let (mut state, mut events) = (world::beginning(run), Vec::new());
    for &next in way.iter().rev().skip(1) {
        let found = after(run, tape, state).states.into_iter().find(|(_, state)| hash(state) == next);
        let (event, found) = found.expect("the same states as before");
        events.push(event);
        state = found;
    }
    events
}

fn hash(state: &State) -> u64 {
    let mut hasher = Mixed(0x9e37_79b9_7f4a_7c15, 0, 0);
    state.hash(&mut hasher);
    hasher.finish().max(1)
}

/// A fast hash of small numbers, up to eight bytes at a time. Each step is one to one.
struct Mixed(u64, u64, u32);

impl Mixed {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        self.0 ^= self.0 >> 29;
    }

    fn gather(&mut self, value: u64, bits: u32) {
        self.1 = (self.1 << bits) | value;
        self.2 += bits;
        if self.2 > 48 {
            self.mix(self.1);
            (self.1, self.2) = (0, 0);
        }
    }
}

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        let mut last = Mixed(self.0, 0, 0);
        last.mix(self.1);
        last.mix(u64::from(self.2));
        last.0 ^ (last.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.gather(byte.into(), 8));
    }

    fn write_u8(&mut self, value: u8) {
        self.gather(value.into(), 8);
    }

    fn write_u16(&mut self, value: u16) {
        self.gather(value.into(), 16);
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.gather(value as u64 & 0xffff, 16);
    }

    fn write_isize(&mut self, value: isize) {
        self.gather(value.cast_unsigned() as u64 & 0xffff, 16);
    }
}

/// The hash of what is one already.
#[derive(Default)]
pub struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}
