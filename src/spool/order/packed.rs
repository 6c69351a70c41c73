//! The name of an entry in five words, which sort as the entries are handed out: by due time, then by submission.
//!
//! Ids that this program makes fit, all of whose characters are digits to the base of 32; for an entry of a job its two
//! numbers besides. Any other id has no packed form, and its entry is handed out
//! [apart](super::walk::Filled::odd).

use crate::model::{EntryId, Micros};
use crate::spool::names::{EntryName, bytes_of_log};

/// As many words as a name takes.
pub(super) const WORDS: usize = 5;

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const NO_DIGIT: u8 = 32;

/// The value of each byte as a digit of an id.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// Lengths of ids: of one that tells its birth, and of one that follows from a key or from a file in `drop/`.
const SHORT: usize = 21;
const LONG: usize = 25;
/// Random digits at the end of a short one.
const RANDOM: u32 = 10;
/// Bits of a digit.
const DIGIT: u32 = 5;

/// An entry's name: its due time; its id, or that of its job, in two words; the numbers in its job and whether a person set
/// the time; one more than the bytes of its log, or 0 where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Packed(pub(super) [u64; WORDS]);

/// An id in two words, which sort as the ids do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackedId(pub u64, pub u64);

impl PackedId {
    /// `None` if this program would not make such an id, or it is that of an entry of a job.
    pub fn parse(text: &[u8]) -> Option<PackedId> {
        let is_long = text.len() == LONG;
        if !is_long && text.len() != SHORT {
            return None;
        }
        let mut value = 0_u128;
        for &byte in text {
            let digit = VALUES[usize::from(byte)];
            if digit == NO_DIGIT {
                return None;
            }
            value = (value << DIGIT) | u128::from(digit);
        }
        // From the left, as texts are compared.
        let value = value << (DIGIT * (LONG - text.len()) as u32 + 1) | u128::from(is_long);
        Some(PackedId((value >> 64) as u64, value as u64))
    }

    fn value(self) -> u128 {
        (u128::from(self.0) << 64) | u128::from(self.1)
    }

    /// What the ids of jobs have in common that one command made: their random digits.
    pub fn submission(self) -> u128 {
        let is_long = self.1 & 1 == 1;
        let end = DIGIT * (LONG - SHORT) as u32 + 1;
        if is_long { self.value() } else { (self.value() >> end) & ((1 << (RANDOM * DIGIT)) - 1) }
    }

    pub fn text(self) -> String {
        let digits = if self.1 & 1 == 1 { LONG } else { SHORT };
        let digit = |n: usize| (self.value() >> (DIGIT * (LONG - 1 - n) as u32 + 1)) as usize & 31;
        let mut text = String::with_capacity(digits);
        text.extend((0..digits).map(|n| char::from(DIGITS[digit(n)])));
        text
    }
}

impl Packed {
    /// Reads the name of a file; `None` if it has no packed form.
    pub fn parse(name: &[u8]) -> Option<Packed> {
        let (due, rest) = name.split_at_checked(16)?;
        let at = match rest.first()? {
            b'-' => 0,
            b'@' => 1,
            _ => return None,
        };
        let due = number(due)?;
        let id = &rest[1..];
        let (id, log) = match id.iter().position(|&byte| byte == b'+') {
            Some(plus) => (&id[..plus], bytes_of_log(&id[plus + 1..])? + 1),
            None => (id, 0),
        };
        let Some(dot) = id.iter().position(|&byte| byte == b'.') else {
            let PackedId(high, low) = PackedId::parse(id)?;
            return Some(Packed([due, high, low, at, log]));
        };
        let PackedId(high, low) = PackedId::parse(&id[..dot])?;
        let mut numbers = id[dot + 1..].split(|&byte| byte == b'.');
        let (n, k) = (canonical(numbers.next()?)?, canonical(numbers.next()?)?);
        let fits = numbers.next().is_none() && n < (1 << 30) - 1 && k <= u64::from(u32::MAX);
        fits.then_some(Packed([due, high, low, ((n + 1) << 33) | (k << 1) | at, log]))
    }

    pub fn due(self) -> Micros {
        Micros(self.0[0])
    }

    /// The due time was set by a person.
    pub fn is_at(self) -> bool {
        self.0[3] & 1 == 1
    }

    /// The name; `None` of words that are none.
    pub fn name(self) -> Option<EntryName> {
        let [_, high, low, numbers, log] = self.0;
        let mut id = EntryId::try_from(PackedId(high, low).text()).ok()?;
        if let Some(n) = (numbers >> 33).checked_sub(1) {
            id = id.of_job(n as u32, (numbers >> 1) as u32);
        }
        Some(EntryName { due: self.due(), at: self.is_at(), id, log: log.checked_sub(1) })
    }
}

/// A number without a sign.
fn number(digits: &[u8]) -> Option<u64> {
    let digit = |byte: u8| byte.is_ascii_digit().then_some(u64::from(byte & 15));
    digits.iter().try_fold(0_u64, |sum, &byte| sum.checked_mul(10)?.checked_add(digit(byte)?))
}

/// The same as it would be written.
fn canonical(digits: &[u8]) -> Option<u64> {
    let plain = digits == b"0" || digits.first().is_some_and(|&first| first != b'0');
    if plain { number(digits) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(due: u64, at: bool, id: &EntryId) -> EntryName {
        EntryName { due: Micros(due), at, id: id.clone(), log: None }
    }

    #[test]
    fn every_name_of_ours_packs_and_reads_back() {
        let born = EntryId::new(Micros(1_795_526_824_000_001));
        for id in [
            &born,
            &EntryId::new(Micros::MAX),
            &EntryId::of_key(&["a"]),
            &EntryId::of_dropped(Micros(7), &["b"]),
            &EntryId::of_dropped_before(&["b"]),
        ] {
            for id in [id.clone(), id.of_job(0, 0), id.of_job(9_999_999, u32::MAX), id.of_job(17, 999)] {
                for at in [false, true] {
                    let name = name(1_795_526_824_000_001, at, &id);
                    let packed = Packed::parse(name.to_string().as_bytes()).expect("it packs");
                    assert_eq!((packed.name(), packed.is_at()), (Some(name.clone()), at));
                    let head = EntryName { log: Some(72), ..name };
                    let packed = Packed::parse(head.to_string().as_bytes()).expect("it packs");
                    assert_eq!(packed.name(), Some(head));
                }
            }
        }
    }

    #[test]
    fn packed_names_sort_by_due_time_then_submission_then_number() {
        let (old, new) = (EntryId::new(Micros(5)), EntryId::new(Micros(6)));
        let sorted = [
            name(1, false, &new),
            name(2, false, &old),
            name(2, true, &old),
            name(2, false, &old.of_job(0, 9)),
            name(2, false, &old.of_job(0, 10)),
            name(2, false, &old.of_job(2, 0)),
            name(2, false, &old.of_job(10, 0)),
            name(2, false, &new),
            name(2, false, &EntryId::of_dropped(Micros(7), &["z"])),
            name(2, false, &EntryId::new(Micros(8))),
            name(2, false, &EntryId::of_dropped_before(&["a"])),
            name(2, false, &EntryId::of_key(&["a"])),
            name(3, false, &old),
        ];
        let packed: Vec<Packed> =
            sorted.iter().map(|name| Packed::parse(name.to_string().as_bytes()).expect("it packs")).collect();
        assert!(packed.is_sorted(), "{packed:?}");
    }

    #[test]
    fn what_this_program_would_not_write_has_no_packed_form() {
        let id = "0123456789abcdefghjkm";
        assert!(Packed::parse(format!("1795526824000001-{id}").as_bytes()).is_some());
        for bad in [
            "",
            "1795526824000001",
            "1795526824000001-",
            "1795526824000001-a",
            "1795526824000001-0123456789abcdefghjkl",
            "1795526824000001-0123456789abcdefghjkm.1",
            "1795526824000001-0123456789abcdefghjkm.1.2.3",
            "1795526824000001-0123456789abcdefghjkm.01.2",
            "1795526824000001-0123456789abcdefghjkm.1.",
            "1795526824000001-0123456789abcdefghjkm.1073741823.1",
            "1795526824000001-0123456789abcdefghjkmnpq",
            "179552682400000x-0123456789abcdefghjkm",
            "1795526824000001+0123456789abcdefghjkm",
            "1795526824000001-0123456789abcdefghjkm.1.2+",
            "1795526824000001-0123456789abcdefghjkm.1.2+07",
        ] {
            assert_eq!(Packed::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn the_jobs_of_a_submission_are_those_of_one_lane() {
        let packed = |id: &EntryId| PackedId::parse(id.as_str().as_bytes()).expect("it packs").submission();
        let first = EntryId::new(Micros(1_795_526_824_000_001));
        let next = first.after(Micros(1_795_526_824_000_009));
        let others = [EntryId::new(Micros(1_795_526_824_000_001)), EntryId::of_key(&["a"]), EntryId::of_key(&["b"])];
        for id in [&next].into_iter().chain(&others) {
            assert_eq!(packed(id) == packed(&first), id.submission() == first.submission(), "{id}");
        }
        assert_eq!(packed(&next), packed(&first));
    }
}
