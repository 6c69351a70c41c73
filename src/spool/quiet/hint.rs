//! `SPOOL/<queue>/quiet`: what one run knew of quiet folders, for the next. Only its form is here.
//!
//! Words of 8 bytes, the lowest byte first: the form's own mark, how many folders there are, 8 words for each, and a sum over
//! all before it. What is torn, cut short or of another form is no hint at all.

use super::folder::QuietFolder;
use crate::model::Micros;
use crate::sys::dir::Print;

/// "bmquiet" and the number of the form.
const MARK: u64 = u64::from_le_bytes(*b"bmquiet1");
/// No time.
const NONE: u64 = u64::MAX;
const WORDS: usize = 8;

/// How many folders are remembered: the 256 of single entries, and those of jobs with some millions.
pub(super) const FOLDERS_MAX: usize = 4_096;
/// The longest file that is a hint.
pub(super) const BYTES_MAX: usize = 8 * (3 + WORDS * FOLDERS_MAX);

/// The file's bytes.
pub(super) fn to_bytes<'f>(folders: impl Iterator<Item = (u64, &'f QuietFolder)>) -> Vec<u8> {
    let mut words = vec![MARK, 0];
    for (key, QuietFolder { print, at, next, furthest }) in folders.take(FOLDERS_MAX) {
        let time = |time: &Option<Micros>| time.map_or(NONE, |time| time.0);
        let Print { device, inode, modified, changed } = print;
        let times = [modified.cast_unsigned(), changed.cast_unsigned(), at.0, time(next), time(furthest)];
        words.extend([key, *device, *inode]);
        words.extend(times);
        words[1] += 1;
    }
    words.push(sum(words.iter().copied()));
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What the file says; `None` if it is no hint.
pub(super) fn of_bytes(bytes: &[u8]) -> Option<impl Iterator<Item = (u64, QuietFolder)>> {
    let (words, rest) = bytes.as_chunks::<8>();
    let (claimed, summed) = words.split_last()?;
    let (&[mark, count], records) = summed.split_first_chunk::<2>()?;
    let (records, more) = records.as_chunks::<WORDS>();
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let is_whole = rest.is_empty() && more.is_empty() && word(claimed) == sum(summed.iter().map(word));
    if !is_whole || word(&mark) != MARK || usize::try_from(word(&count)) != Ok(records.len()) {
        return None;
    }
    let time = |word: u64| (word != NONE).then_some(Micros(word));
    let folder = move |record: &[[u8; 8]; WORDS]| {
        let [key, device, inode, modified, changed, at, next, furthest] = record.map(u64::from_le_bytes);
        let print = Print { device, inode, modified: modified.cast_signed(), changed: changed.cast_signed() };
        (key, QuietFolder { print, at: Micros(at), next: time(next), furthest: time(furthest) })
    };
    Some(records.iter().map(folder))
}

/// A sum in which each word and its place count.
fn sum(words: impl Iterator<Item = u64>) -> u64 {
    words.fold(0, |sum: u64, word| (sum.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<(u64, QuietFolder)> {
        let print = |n| Print { device: 1, inode: n, modified: -5, changed: i64::MAX };
        let folder = |n| QuietFolder { print: print(n), at: Micros(n), next: None, furthest: Some(Micros(n + 1)) };
        (0..9).map(|n| (n * n, folder(n))).collect()
    }

    fn bytes() -> Vec<u8> {
        to_bytes(some().iter().map(|(key, folder)| (*key, folder)))
    }

    fn read(bytes: &[u8]) -> Option<Vec<(u64, QuietFolder)>> {
        of_bytes(bytes).map(Iterator::collect)
    }

    #[test]
    fn it_reads_back() {
        assert_eq!(read(&bytes()), Some(some()));
        assert_eq!(read(&to_bytes(std::iter::empty())), Some(Vec::new()));
    }

    #[test]
    fn what_is_torn_cut_short_or_of_another_form_is_none() {
        let whole = bytes();
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "{length} bytes");
        }
        for at in 0..whole.len() {
            let mut wrong = whole.clone();
            wrong[at] ^= 0x10;
            assert_eq!(read(&wrong), None, "byte {at}");
            // A page that never came to the disk.
            let mut torn = whole.clone();
            torn[at..].fill(0);
            assert!(read(&torn).is_none_or(|_| torn == whole), "from byte {at}");
        }
        let mut longer = whole.clone();
        longer.extend([0; 64]);
        assert_eq!(read(&longer), None);
    }
}
