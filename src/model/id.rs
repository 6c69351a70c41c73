//! What an entry is called.
//!
//! A single entry's id is 21 characters: eleven for the microsecond of its birth, ten random ones, in a base of 32
//! digits without look-alikes. So ids sort by age, and two that were made in the same microsecond, by whatever threads,
//! processes or containers, differ but for a chance of 2^-50; a publish never replaces an existing name besides.
//! An entry that must count once, however often it is published, has an id that follows from what it is about: a `k` and
//! 24 digits out of a hash. If it was adopted from `drop/`, its id has eleven digits for the microsecond at which it was
//! handed in, a `d`, and 13 out of a hash: 25 characters, which sort among the others. A program before this gave it a
//! `d` and 24 digits out of a hash. No other id begins with a letter before the year 2286.
//! An entry of a job is called `<job>.<n>.<k>`: the k-th entry of the job's n-th folder.
//!
//! The order of ids is that of submission: by birth, and within a job by `n` and `k`. The ids of keys tell no birth: of
//! those that are due in the same microsecond, any may be first. The jobs of one submission have the same ten random digits
//! and ascend: they are one [submission](EntryId::submission).

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Micros;
use crate::sys::random;

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What an id begins with that follows from a key.
const KEYED: char = 'k';
/// What tells an id that follows from a file in `drop/`: after its birth, or at its beginning.
const ADOPTED: char = 'd';

/// How many digits tell its birth, and how many are random.
const BORN: usize = 11;
const RANDOM: usize = 10;
/// The length of an id that follows from a file in `drop/`.
const DROPPED: usize = 25;

/// The longest id in bytes; ids are part of file names and of fixed slots in shared memory.
pub const MAX_LEN: usize = 56;

/// A valid entry id: 1 to 56 bytes out of `0-9 a-z .`, with no dot at either end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryId(String);

/// The order of submission of two ids.
pub fn in_order(one: &str, other: &str) -> Ordering {
    rank(one).cmp(&rank(other)).then_with(|| one.cmp(other))
}

/// The id itself or that of its job, which tells the birth, and its numbers there.
fn rank(id: &str) -> (&str, Option<(u32, u32)>) {
    let mut parts = id.splitn(3, '.');
    let job = parts.next().unwrap_or(id);
    let mut number = || parts.next()?.parse().ok();
    (job, number().zip(number()))
}

impl Ord for EntryId {
    /// The order of submission.
    fn cmp(&self, other: &EntryId) -> Ordering {
        in_order(&self.0, &other.0)
    }
}

impl PartialOrd for EntryId {
    fn partial_cmp(&self, other: &EntryId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

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
        let mut text = String::with_capacity(BORN + RANDOM);
        push_born(&mut text, now);
        text.extend((0..RANDOM).map(|n| digit(random >> (5 * n))));
        EntryId(text)
    }

    /// The id of what follows this one in the same submission: it sorts after it, and has its random digits. What follows
    /// an id of a key has a new one.
    pub fn after(&self, now: Micros) -> EntryId {
        let Some((born, random)) = self.born().zip(self.random()) else { return EntryId::new(now) };
        let mut text = String::with_capacity(BORN + RANDOM);
        push_born(&mut text, now.max(Micros(born.0.saturating_add(1))));
        text.push_str(random);
        EntryId(text)
    }

    /// What the jobs of one submission have in common, and no other: the random digits of this job, or of the job that
    /// this is an entry of. The whole id where it follows from a key.
    pub fn submission(&self) -> &str {
        self.random().unwrap_or_else(|| self.job().map_or(&self.0, |(job, _)| job))
    }

    fn random(&self) -> Option<&str> {
        let (job, _) = rank(&self.0);
        job.get(BORN..).filter(|random| random.len() == RANDOM && !job.starts_with([KEYED, ADOPTED]))
    }

    /// The id that follows from `parts`, always the same: an entry that must count once (see `spool::keys`).
    pub fn of_key(parts: &[&str]) -> EntryId {
        EntryId::hashed(KEYED, parts)
    }

    /// The id that follows from a file in `drop/`, which was handed in at `born`: an entry that must count once for as long
    /// as that file may be there.
    pub fn of_dropped(born: Micros, parts: &[&str]) -> EntryId {
        let mut text = String::with_capacity(DROPPED);
        push_born(&mut text, born);
        text.push(ADOPTED);
        text.extend(hash(parts).take(DROPPED - BORN - 1));
        EntryId(text)
    }

    /// What a program before this called the same.
    pub fn of_dropped_before(parts: &[&str]) -> EntryId {
        EntryId::hashed(ADOPTED, parts)
    }

    fn hashed(kind: char, parts: &[&str]) -> EntryId {
        let mut text = String::from(kind);
        text.extend(hash(parts).take(24));
        EntryId(text)
    }

    /// Whether this entry or job must count once: whoever removes it marks its key first. The entries of a job do not, for
    /// themselves.
    pub fn counts_once(&self) -> bool {
        (self.0.starts_with(KEYED) && self.job().is_none()) || self.is_adopted()
    }

    /// Whether it was adopted from `drop/`, and its user gave it no key.
    pub fn is_adopted(&self) -> bool {
        let sorts = self.0.len() == DROPPED && self.0[BORN..].starts_with(ADOPTED) && !self.0.starts_with(KEYED);
        (self.0.starts_with(ADOPTED) || sorts) && self.job().is_none()
    }

    /// The id of the `k`-th entry in the `n`-th folder of this job.
    pub fn of_job(&self, n: u32, k: u32) -> EntryId {
        EntryId(format!("{}.{n}.{k}", self.0))
    }

    /// For an entry of a job: the job's id and the number of its folder.
    pub fn job(&self) -> Option<(&str, &str)> {
        let (job, rest) = self.0.split_at(dot_in(&self.0)?);
        let n = rest.get(1..)?;
        Some((job, &n[..dot_in(n)?]))
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
        let born = || Micros(self.0.bytes().take(BORN).fold(0, |sum, b| (sum << 5) | value(b)));
        (!self.0.starts_with([KEYED, ADOPTED])).then(born)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where the first dot is. Not by the crate memchr, which asks the processor what it can do (CPUID): in a virtual machine
/// that takes 65 µs, and each start pays it.
fn dot_in(text: &str) -> Option<usize> {
    // Most ids have none, and `contains` looks at sixteen bytes at once.
    if text.as_bytes().contains(&b'.') { text.bytes().position(|byte| byte == b'.') } else { None }
}

/// Digits out of a hash of `parts`.
fn hash(parts: &[&str]) -> impl Iterator<Item = char> + use<> {
    use sha2::Digest;
    let mut hash = sha2::Sha256::new();
    for part in parts {
        // With its length before it, no part can pass for another's end.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into_iter().map(|byte| digit(u64::from(byte)))
}

fn push_born(text: &mut String, born: Micros) {
    text.extend((0..BORN).rev().map(|n| digit(born.0 >> (5 * n))));
}

fn digit(value: u64) -> char {
    DIGITS[(value & 31) as usize] as char
}

impl std::str::FromStr for EntryId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<EntryId, BadId> {
        EntryId::try_from(text.to_owned())
    }
}

impl TryFrom<String> for EntryId {
    type Error = BadId;

    fn try_from(text: String) -> Result<EntryId, BadId> {
        let plain = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'.';
        let dots = text.starts_with('.') || text.ends_with('.') || text.contains("..");
        if text.is_empty() || text.len() > MAX_LEN || dots || !text.bytes().all(plain) {
            return Err(BadId(text.chars().take(80).collect()));
        }
        Ok(EntryId(text))
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
    fn what_follows_in_a_submission_sorts_after_it_and_is_part_of_it() {
        let first = EntryId::new(Micros(1_795_526_824_000_001));
        // The clock may stand still or be set back.
        let later = [1_795_526_824_000_001, 7, 1_795_526_824_000_900].map(Micros);
        let mut last = first.clone();
        for (now, born) in later.into_iter().zip([2, 3, 900]) {
            let next = last.after(now);
            assert!(next > last && next.as_str().len() == 21);
            assert_eq!(next.born(), Some(Micros(1_795_526_824_000_000 + born)));
            assert_eq!((next.submission(), next.of_job(3, 999).submission()), (first.submission(), first.submission()));
            last = next;
        }
        assert_eq!(first.submission(), &first.as_str()[11..]);
        assert_ne!(EntryId::new(Micros(1)).submission(), first.submission());
    }

    #[test]
    fn the_lane_of_a_keyed_id_is_its_own() {
        let key = EntryId::of_key(&["order", "17"]);
        assert_eq!((key.submission(), key.of_job(0, 7).submission()), (key.as_str(), key.as_str()));
        assert_eq!(key.after(Micros(8)).born(), Some(Micros(8)));
        // Of a spool that somebody else wrote.
        for odd in ["a", "0123456789", "01234567890", "01234567890123456789012"] {
            let odd: EntryId = odd.parse().expect("an id");
            assert_eq!((odd.submission(), odd.of_job(0, 1).submission()), (odd.as_str(), odd.as_str()));
        }
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
    fn an_adopted_id_follows_from_its_file_and_sorts_with_the_others() {
        let (now, file) = (Micros(1_795_526_824_000_001), ["1", "2", "3", "4", "outbound.x"]);
        let id = EntryId::of_dropped(now, &file);
        assert_eq!((id.clone(), id.as_str().len()), (EntryId::of_dropped(now, &file), 25));
        assert_eq!(id.as_str().parse::<EntryId>().expect("our own id"), id);
        assert!(EntryId::new(Micros(now.0 - 1)) < id && id < EntryId::new(Micros(now.0 + 1)));
        assert_eq!((id.born(), id.submission()), (Some(now), id.as_str()));
        let before = EntryId::of_dropped_before(&file);
        assert!(before.as_str().starts_with('d') && before.born().is_none());
        for id in [&id, &before] {
            assert!(id.counts_once() && id.is_adopted() && !id.of_job(0, 1).is_adopted());
        }
        assert!(!EntryId::of_key(&["order", "17"]).is_adopted() && !EntryId::new(now).is_adopted());
        // A dot is at the place of the mark, or around it.
        for odd in ["01234567890.d.01234567890", "01234567890d0.234567890.23"] {
            assert!(!odd.parse::<EntryId>().expect("an id").is_adopted());
        }
    }

    #[test]
    fn ids_sort_by_submission() {
        let at = |n: u64| Micros(1_795_526_824_000_000 + n);
        let (job, drop) = (EntryId::new(at(2)), |n: u64| EntryId::of_dropped(at(n), &["file"]));
        let sorted = [drop(0), EntryId::new(at(1)), job.clone(), job.of_job(0, 9), job.of_job(0, 10), job.of_job(2, 0)];
        let sorted = sorted.into_iter().chain([job.of_job(10, 0), drop(3), EntryId::new(at(4))]);
        let sorted: Vec<EntryId> = sorted.collect();
        assert!(sorted.is_sorted(), "{sorted:?}");
        // Equal are those alone that are the same.
        let odd = ["a.1.2", "a.01.2", "a.1.02", "a.b.2", "a"].map(|text| text.parse::<EntryId>().expect("an id"));
        for (n, id) in odd.iter().enumerate() {
            assert!(odd.iter().enumerate().all(|(m, other)| (n == m) == (id.cmp(other) == Ordering::Equal)));
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
