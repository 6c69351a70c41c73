//! Names of entries in the order in which listings have them: by due time, those of one time by their ids. Within a job the
//! numbers count, so the tenth entry follows the ninth.
//!
//! Kept true: a roster has room for a fixed number of names, some 46 bytes each. When it is full it forgets the later half,
//! and its bound says from where on names are missing.

use std::cmp::Ordering;

use super::names::EntryName;
use crate::model::Micros;
use crate::model::id::in_order;

/// Bytes of an id that are in its key: as many as 64 bits hold in [`BASE`].
const IN_KEY: usize = 12;
/// The bytes that an id can have, and none, but for dots.
const BASE: u64 = 37;
/// The bit beside a length that says that the time was asked for.
const ASKED: u8 = 0x80;
/// The bit beside a length that says that eight bytes follow the id: how much of the entry's log is on disk.
const LOG: u8 = 0x40;

/// What decides about most pairs of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    due: Micros,
    /// The first bytes of its id, or of that of its job.
    head: u64,
}

impl Key {
    fn of(due: Micros, id: &str) -> Key {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => 1 + u64::from(byte - b'0'),
            b'a'..=b'z' => 11 + u64::from(byte - b'a'),
            _ => 0,
        };
        let job = id.split('.').next().unwrap_or_default();
        let ends = job.bytes().map(digit).chain(std::iter::repeat(0));
        Key { due, head: ends.take(IN_KEY).fold(0, |head, digit| head * BASE + digit) }
    }
}

/// The order of two names in a listing.
pub(super) fn order(one: &EntryName, other: &EntryName) -> Ordering {
    let key = |name: &EntryName| Key::of(name.due, name.id.as_str());
    key(one).cmp(&key(other)).then_with(|| one.id.cmp(&other.id))
}

/// Names, in order once they are [sorted](Roster::sort).
#[derive(Debug)]
pub(super) struct Roster {
    /// And where in the text each name has its id.
    keys: Vec<(Key, u32)>,
    /// Ids, with their lengths before them, and what heads note of their logs behind them.
    text: Vec<u8>,
    most: usize,
    bound: Option<EntryName>,
}

impl Roster {
    /// One with room for `most` names.
    pub fn new(most: usize) -> Roster {
        Roster { keys: Vec::new(), text: Vec::new(), most: most.max(2), bound: None }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Names from this one on may be missing.
    pub fn bound(&self) -> Option<&EntryName> {
        self.bound.as_ref()
    }

    /// Adds a name, if it lies before what was forgotten.
    pub fn add(&mut self, name: &EntryName) {
        if self.bound.as_ref().is_some_and(|bound| order(name, bound) != Ordering::Less) {
            return;
        }
        let id = name.id.as_str();
        // Ids have 56 bytes at most, so the text of a roster's names has fewer than 4 GiB.
        self.keys.push((Key::of(name.due, id), self.text.len() as u32));
        let has_log = if name.log.is_some() { LOG } else { 0 };
        self.text.push(id.len() as u8 | if name.at { ASKED } else { 0 } | has_log);
        self.text.extend_from_slice(id.as_bytes());
        self.text.extend(name.log.iter().flat_map(|log| log.to_le_bytes()));
        if self.keys.len() >= self.most {
            self.forget_half();
        }
    }

    pub fn sort(&mut self) {
        let text = &self.text;
        self.keys.sort_unstable_by(|one, other| {
            one.0.cmp(&other.0).then_with(|| in_order(id_at(text, one.1).id, id_at(text, other.1).id))
        });
    }

    fn forget_half(&mut self) {
        self.sort();
        let half = self.keys.len() / 2;
        self.bound = self.get(half);
        self.keys.truncate(half);
        let mut text = Vec::with_capacity(self.text.len());
        for (_, at) in &mut self.keys {
            let start = *at as usize;
            let end = start + id_at(&self.text, *at).len;
            *at = text.len() as u32;
            text.extend_from_slice(&self.text[start..end]);
        }
        self.text = text;
    }

    /// The name at the position `n`.
    pub fn get(&self, n: usize) -> Option<EntryName> {
        let &(Key { due, .. }, at) = self.keys.get(n)?;
        let Kept { id, asked, log, .. } = id_at(&self.text, at);
        Some(EntryName { due, at: asked, id: id.parse().ok()?, log })
    }
}

/// What a text has of one name.
struct Kept<'t> {
    id: &'t str,
    asked: bool,
    log: Option<u64>,
    /// How many bytes it takes.
    len: usize,
}

/// What stands at the place `at` of a text.
fn id_at(text: &[u8], at: u32) -> Kept<'_> {
    let (&length, rest) = text.get(at as usize..).and_then(<[u8]>::split_first).unwrap_or((&0, &[]));
    let (id, rest) = rest.split_at_checked(usize::from(length & !(ASKED | LOG))).unwrap_or_default();
    let log = rest.first_chunk().filter(|_| length & LOG != 0).map(|&log| u64::from_le_bytes(log));
    let len = 1 + id.len() + if log.is_some() { 8 } else { 0 };
    Kept { id: std::str::from_utf8(id).unwrap_or_default(), asked: length & ASKED != 0, log, len }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EntryId;

    fn name(due: u64, id: &str) -> EntryName {
        let log = due.is_multiple_of(3).then_some(due * 1_000);
        EntryName { due: Micros(due), at: due.is_multiple_of(2), id: id.parse().expect("an id"), log }
    }

    #[test]
    fn names_are_in_order_and_whole() {
        let job = EntryId::new(Micros(7));
        let mut names: Vec<EntryName> = (0..200).map(|n| name(5, job.of_job(n / 20, n % 20).as_str())).collect();
        names.extend((0..100).map(|n| name(n / 10, EntryId::new(Micros(n * 37 % 100)).as_str())));
        names.extend(
            ["a", "a.0.1", "zz", "k0eyfktnq83sj7n4g6w5rzrtw", "k0eyfktnq83sj7n4g6w5rzrtw.3.4"].map(|id| name(5, id)),
        );
        let mut sorted = names.clone();
        sorted.sort_by(order);
        let mut roster = Roster::new(1_000);
        names.iter().rev().for_each(|name| roster.add(name));
        roster.sort();
        let all: Vec<EntryName> = (0..roster.len()).filter_map(|n| roster.get(n)).collect();
        assert_eq!((all, roster.bound()), (sorted.clone(), None));
        let jobs: Vec<&EntryName> = sorted.iter().filter(|name| name.id.as_str().starts_with(job.as_str())).collect();
        assert!((0..200).all(|n| jobs[n].id == job.of_job(n as u32 / 20, n as u32 % 20)), "{jobs:?}");
    }

    #[test]
    fn a_full_roster_has_the_first_names_and_says_where_it_ends() {
        let names: Vec<EntryName> =
            (0..1_000).map(|n| name(n * 617 % 1_000, EntryId::new(Micros(n)).as_str())).collect();
        let mut roster = Roster::new(64);
        names.iter().for_each(|name| roster.add(name));
        roster.sort();
        let bound = roster.bound().cloned().expect("a bound");
        let mut before: Vec<EntryName> =
            names.into_iter().filter(|name| order(name, &bound) == Ordering::Less).collect();
        before.sort_by(order);
        let all: Vec<EntryName> = (0..roster.len()).filter_map(|n| roster.get(n)).collect();
        assert_eq!(all, before);
        assert!((32..64).contains(&all.len()));
    }
}
