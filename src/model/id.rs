//! What an entry is called.
//!
//! A single entry's id is 21 characters: eleven for the microsecond of its birth, ten random ones, in a base of 32
//! digits without look-alikes. So ids sort by age, and two that were made in the same microsecond, by whatever threads,
//! processes or containers, differ but for a chance of 2^-50; a publish never replaces an existing name besides.
//! An entry that must count once, however often it is published, has an id that follows from what it is about: a `k` and
//! 24 digits out of a hash; a `d` and 24 if it was adopted from `drop/`. No other id begins with a letter before the year
//! 2286.
//! An entry of a job is called `<job>.<n>.<k>`: the k-th entry of the job's n-th folder.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Micros;
use crate::sys::random;

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What an id begins with that follows from a key.
const KEYED: char = 'k';
/// What an id begins with that follows from a file in `drop/`.
const ADOPTED: char = 'd';

/// The longest id in bytes; ids are part of file names and of fixed slots in shared memory.
pub const MAX_LEN: usize = 56;

/// A valid entry id: 1 to 56 bytes out of `0-9 a-z .`, with no dot at either end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryId(String);

/// Text that is no entry id.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no entry id: ids are what 'bulkmailer list' prints, lower-case letters and digits")]
pub struct BadId(String);

impl EntryId {
    /// A new id, unique without any coordination.
    pub fn new(now: Micros) -> EntryId {
        let random = random::number().unwrap_or_else(|| {
            let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let nanos = clock.map_or(0, |d| d.as_nanos() as u64);
            nanos ^ (u64::from(std::process::id()) << 32)
        });
        let mut text = String::with_capacity(21);
        for shift in (0..11).rev() {
            text.push(digit(now.0 >> (5 * shift)));
        }
        for shift in 0..10 {
            text.push(digit(random >> (5 * shift)));
        }
        EntryId(text)
    }

    /// The id that follows from `parts`, always the same: an entry that must count once (see `spool::keys`).
    pub fn of_key(parts: &[&str]) -> EntryId {
        EntryId::hashed(KEYED, parts)
    }

    /// The id that follows from a file in `drop/`: an entry that must count once for as long as that file may be there.
    pub fn of_dropped(parts: &[&str]) -> EntryId {
        EntryId::hashed(ADOPTED, parts)
    }

    fn hashed(kind: char, parts: &[&str]) -> EntryId {
        use sha2::Digest;
        let mut hash = sha2::Sha256::new();
        for part in parts {
            // With its length before it, no part can pass for another's end.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut text = String::from(kind);
        text.extend(hash.finalize().iter().take(24).map(|&byte| digit(u64::from(byte))));
        EntryId(text)
    }

    /// Whether this entry or job must count once: whoever removes it marks its key first. The entries of a job do not, for
    /// themselves.
    pub fn counts_once(&self) -> bool {
        self.0.starts_with([KEYED, ADOPTED]) && self.job().is_none()
    }

    /// Whether it was adopted from `drop/`, and its user gave it no key.
    pub fn is_adopted(&self) -> bool {
        self.0.starts_with(ADOPTED) && self.job().is_none()
    }

    /// The id of the `k`-th entry in the `n`-th folder of this job.
    pub fn of_job(&self, n: u32, k: u32) -> EntryId {
        EntryId(format!("{}.{n}.{k}", self.0))
    }

    /// For an entry of a job: the job's id and the number of its folder.
    pub fn job(&self) -> Option<(&str, &str)> {
        let mut parts = self.0.splitn(3, '.');
        let (job, n, _) = (parts.next()?, parts.next()?, parts.next()?);
        Some((job, n))
    }

    /// For an entry of a job: the numbers of its folder and of itself in there.
    pub fn number_in_job(&self) -> Option<(u32, u32)> {
        let mut parts = self.0.splitn(3, '.').skip(1).map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    }

    /// Which of the 256 hash buckets a single entry lies in (FNV-1a of the id, folded to a byte).
    pub fn bucket(&self) -> u8 {
        let hash = self.0.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        (hash ^ (hash >> 8) ^ (hash >> 16) ^ (hash >> 24)) as u8
    }

    /// When the entry was made, as its first eleven digits tell; `None` if its id follows from a key.
    pub fn born(&self) -> Option<Micros> {
        let value = |b: u8| DIGITS.iter().position(|&d| d == b).unwrap_or(0) as u64;
        let born = || Micros(self.0.bytes().take(11).fold(0, |sum, b| (sum << 5) | value(b)));
        (!self.0.starts_with([KEYED, ADOPTED])).then(born)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn digit(value: u64) -> char {
    DIGITS[(value & 31) as usize] as char
}

impl std::str::FromStr for EntryId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<EntryId, BadId> {
        let plain = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'.';
        let dots = text.starts_with('.') || text.ends_with('.') || text.contains("..");
        if text.is_empty() || text.len() > MAX_LEN || dots || !text.bytes().all(plain) {
            return Err(BadId(text.chars().take(80).collect()));
        }
        Ok(EntryId(text.to_owned()))
    }
}

impl TryFrom<String> for EntryId {
    type Error = BadId;

    fn try_from(text: String) -> Result<EntryId, BadId> {
        text.parse()
    }
}

impl From<EntryId> for String {
    fn from(id: EntryId) -> String {
        id.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_one_microsecond_differ_on_all_threads() {
        let now = Micros(1_795_526_824_000_001);
        let made: Vec<_> = (0..8)
            .map(|_| std::thread::spawn(move || (0..5_000).map(|_| EntryId::new(now)).collect::<Vec<_>>()))
            .flat_map(|t| t.join().expect("the thread only makes ids"))
            .collect();
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
    }

    #[test]
    fn ids_sort_by_birth_and_read_back() {
        let (old, new) = (EntryId::new(Micros(1)), EntryId::new(Micros(1_795_526_824_000_001)));
        assert!(old < new);
        assert_eq!(new.as_str().len(), 21);
        assert_eq!(new.as_str().parse::<EntryId>().expect("our own id"), new);
        assert_eq!(new.born(), Some(Micros(1_795_526_824_000_001)));
        assert!(!EntryId::new(Micros::MAX).counts_once());
        assert_eq!(new.job(), None);
        assert_eq!(new.of_job(2, 7).job(), Some((new.as_str(), "2")));
        assert_eq!((new.of_job(2, 7).number_in_job(), new.number_in_job()), (Some((2, 7)), None));
    }

    #[test]
    fn an_id_of_a_key_is_the_same_each_time_and_no_other() {
        let id = EntryId::of_key(&["order", "17"]);
        assert_eq!(id.as_str(), "k0eyfktnq83sj7n4g6w5rzrtw");
        assert_eq!(id, EntryId::of_key(&["order", "17"]));
        assert_eq!(id.as_str().parse::<EntryId>().expect("our own id"), id);
        assert!(id.counts_once() && id.born().is_none() && id.job().is_none());
        assert!(!id.of_job(0, 1).counts_once() && id.of_job(0, 1).born().is_none());
        for other in [&["order1", "7"][..], &["order17"], &["order", "17", ""], &["order", "18"]] {
            assert_ne!(EntryId::of_key(other), id);
        }
    }

    #[test]
    fn what_could_leave_a_folder_is_no_id() {
        for bad in ["", ".", "..", "a..b", ".a", "a.", "a/b", "A", "a\0", "a b", &"a".repeat(57)] {
            assert!(bad.parse::<EntryId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn buckets_are_even() {
        let mut counts = [0u32; 256];
        for i in 0..25_600 {
            counts[EntryId::new(Micros(i)).bucket() as usize] += 1;
        }
        assert!(counts.iter().all(|&c| (40..200).contains(&c)), "{counts:?}");
    }
}
