//! Which of any number of rows name an address that a row before them names. The first in order wins. Two addresses are one
//! as for a list post: its spelling does not count ([`spelling`]), but the local part's case.
//!
//! An address is kept as 128 bits of its SHA-256 and its row's place, in one of 256 parts; the parts lie in one file without a
//! name, in chunks. One part is looked through at a time, in order, so the first of an address is the first that is met. Two
//! addresses that share the bits would be a mail that is not sent: among ten million that happens once in 10^24 merges.
//!
//! Memory: 4 MiB for the chunks that are being filled, a bit a row, and 32 bytes for each address of one part: 8 MiB at ten
//! million rows, 30 MiB at a hundred million. Disk: 24 bytes a row meanwhile.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::error::unwritten;
use crate::model::{Address, spelling};
use crate::queue::QueueError;
use crate::spool::queue::SpoolQueue;
use crate::spool::sorter::reversed;

/// One for each value of a hash's first byte.
const PARTS: usize = 256;
/// Bytes of what is kept of an address: its hash and its row's place.
const RECORD: usize = 24;
/// Bytes of a chunk.
const CHUNK: usize = 680 * RECORD;
/// How many duplicates are named.
const NAMED: usize = 5;

/// What an address is known by.
pub(super) type Identity = [u8; 16];
/// The place of an address that no row has.
pub(super) const NO_ROW: u64 = u64::MAX;

/// Addresses that are being added.
#[derive(Debug)]
pub struct DuplicateSearch {
    file: File,
    /// Where the file lies, for messages.
    path: PathBuf,
    parts: Vec<Part>,
    /// Bytes of the file.
    written: u64,
    /// One more than the last place.
    places: u64,
}

/// The addresses whose hashes begin with one byte.
#[derive(Debug, Default)]
struct Part {
    /// The chunk that is being filled.
    filling: Vec<u8>,
    /// Where its full chunks begin in the file.
    chunks: Vec<u64>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Duplicates {
    /// A bit for each place.
    bits: Vec<u64>,
    count: u64,
    named: BTreeMap<u64, u64>,
}

impl SpoolQueue {
    /// Starts to look for duplicates, by means of this queue's `tmp/`.
    pub fn duplicate_search(&self) -> Result<DuplicateSearch, QueueError> {
        let parts = (0..PARTS).map(|_| Part::default()).collect();
        Ok(DuplicateSearch { file: self.scratch()?, path: self.path("tmp"), parts, written: 0, places: 0 })
    }
}

/// What is the same for all spellings of the address `local`@`domain`, and for nothing else.
pub(super) fn identity(local: &str, domain: &str) -> Identity {
    let mut hash = Sha256::new();
    hash.update(spelling::local(local).as_bytes());
    // No domain has one.
    hash.update(b"\0");
    hash.update(reversed(domain));
    let hash = hash.finalize();
    std::array::from_fn(|at| hash[at])
}

impl DuplicateSearch {
    /// Adds the address of the row at `place`; places grow from call to call.
    pub fn add(&mut self, place: u64, address: &Address) -> Result<(), QueueError> {
        self.put(place, identity(address.local(), address.domain()))
    }

    /// Adds what an address is known by. A place of [`NO_ROW`] is no row's.
    pub(super) fn put(&mut self, place: u64, hash: Identity) -> Result<(), QueueError> {
        if place != NO_ROW {
            self.places = self.places.max(place.saturating_add(1));
        }
        let part = &mut self.parts[usize::from(hash[0])];
        part.filling.extend_from_slice(&hash);
        part.filling.extend_from_slice(&place.to_le_bytes());
        if part.filling.len() >= CHUNK {
            self.file.write_all_at(&part.filling, self.written).map_err(unwritten(self.path.clone()))?;
            part.chunks.push(self.written);
            self.written += part.filling.len() as u64;
            part.filling.clear();
        }
        Ok(())
    }

    /// Finds those that came again.
    pub fn finish(self) -> Result<Duplicates, QueueError> {
        self.find(false)
    }

    /// Finds those that came again; if `no_row` is set, those alone that came with [`NO_ROW`] before.
    pub(super) fn find(self, no_row: bool) -> Result<Duplicates, QueueError> {
        let words = usize::try_from(self.places.div_ceil(64)).unwrap_or(usize::MAX);
        let mut found = Duplicates { bits: vec![0; words], ..Duplicates::default() };
        let (mut seen, mut chunk) = (HashMap::new(), vec![0; CHUNK]);
        for part in self.parts {
            seen.clear();
            for at in part.chunks {
                self.file.read_exact_at(&mut chunk, at).map_err(|source: io::Error| QueueError::Io {
                    doing: "look for duplicates",
                    path: self.path.clone(),
                    source,
                })?;
                found.look_through(&chunk, &mut seen, no_row);
            }
            found.look_through(&part.filling, &mut seen, no_row);
        }
        Ok(found)
    }
}

impl Duplicates {
    /// Looks through records, with what was seen before them.
    fn look_through(&mut self, records: &[u8], seen: &mut HashMap<Identity, u64>, no_row: bool) {
        for record in records.chunks_exact(RECORD) {
            let Some((hash, place)) = record.split_first_chunk::<16>() else { continue };
            let place = place.try_into().map_or(0, u64::from_le_bytes);
            match seen.entry(*hash) {
                // The first ones are those without a row.
                Entry::Vacant(_) if no_row && place != NO_ROW => {}
                Entry::Vacant(new) => {
                    new.insert(place);
                }
                Entry::Occupied(_) if place == NO_ROW => {}
                Entry::Occupied(first) => self.note(place, *first.get()),
            }
        }
    }

    fn note(&mut self, place: u64, first: u64) {
        if let Some(word) = self.bits.get_mut((place / 64) as usize) {
            *word |= 1 << (place % 64);
        }
        self.count += 1;
        self.named.insert(place, first);
        if self.named.len() > NAMED {
            self.named.pop_last();
        }
    }

    /// Whether the row at `place` names an address that one before it names.
    pub fn contains(&self, place: u64) -> bool {
        self.bits.get((place / 64) as usize).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    /// How many do.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first five of them, in order, each with the place of the row that named the address first.
    pub fn first_ones(&self) -> impl Iterator<Item = (u64, u64)> {
        self.named.iter().map(|(&place, &first)| (place, first))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spool::Spool;

    fn search<T>(work: impl FnOnce(&SpoolQueue) -> T) -> T {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let queue = Spool::create(temp.path()).and_then(|spool| spool.queue("outbound")).expect("a queue");
        let result = work(&queue);
        assert_eq!(std::fs::read_dir(queue.path("tmp")).expect("a folder").count(), 0);
        result
    }

    fn duplicates(queue: &SpoolQueue, addresses: impl Iterator<Item = String>) -> Duplicates {
        let mut search = queue.duplicate_search().expect("a search");
        for (place, text) in addresses.enumerate() {
            search.add(place as u64, &text.parse().expect("an address")).expect("added");
        }
        search.finish().expect("finished")
    }

    #[test]
    fn the_first_in_order_wins_whatever_the_domains_case() {
        let list = ["a@x.org", "b@x.org", "A@x.org", "a@X.ORG", "root", "a@x.org.", "Root", "root", "a@b.x.org"];
        let found = search(|queue| duplicates(queue, list.iter().map(|&text| text.to_owned())));
        let places: Vec<u64> = (0..list.len() as u64 + 70).filter(|&place| found.contains(place)).collect();
        assert_eq!((places, found.count()), (vec![3, 5, 7], 3));
        assert_eq!(found.first_ones().collect::<Vec<_>>(), [(3, 0), (5, 0), (7, 4)]);
    }

    #[test]
    fn two_hundred_thousand_of_one_address_take_no_more_memory_than_one() {
        let found = search(|queue| duplicates(queue, (0..200_000).map(|_| "info@x.org".to_owned())));
        assert_eq!((found.count(), found.contains(0), found.contains(199_999)), (199_999, false, true));
        assert_eq!(found.first_ones().collect::<Vec<_>>(), [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)]);
    }

    #[test]
    fn many_are_found_across_chunks_with_few_bytes_kept_of_each() {
        let (distinct, all) = (180_000, 400_000_u64);
        search(|queue| {
            let mut search = queue.duplicate_search().expect("a search");
            for place in 0..all {
                let address = format!("r{}@d.example", place % distinct);
                search.add(place, &address.parse().expect("an address")).expect("added");
            }
            // What is in memory before the end: full chunks are in the file.
            let filling: usize = search.parts.iter().map(|part| part.filling.capacity()).sum();
            assert!(filling <= PARTS * 2 * CHUNK, "{filling}");
            assert_eq!(
                search.written + search.parts.iter().map(|part| part.filling.len() as u64).sum::<u64>(),
                all * RECORD as u64
            );
            let found = search.finish().expect("finished");
            assert_eq!(found.count(), all - distinct);
            assert!((0..all).all(|place| found.contains(place) == (place >= distinct)));
            assert_eq!(found.bits.len() as u64, all.div_ceil(64));
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn list_posts_find_as_many(list in proptest::collection::vec("[aAé]{1,2}(@[xX]\\.(Org|org|É)\\.?)?", 1..60)) {
            let (count, expected) = search(|queue| {
                let mut sorter = queue.sorter();
                list.iter().for_each(|text| sorter.add(&text.parse().expect("an address")).expect("added"));
                let mut sorted = sorter.sorted().expect("sorted");
                let mut none = queue.sorter().sorted().expect("sorted");
                sorted.each_but(&mut none, &mut |_| Ok(())).expect("merged");
                (duplicates(queue, list.iter().cloned()).count(), sorted.duplicates)
            });
            prop_assert_eq!(count, expected);
        }
    }
}
