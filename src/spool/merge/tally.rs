//! `JOB/tally`: what each log of a merge told when it was read last, so that `jobs` reads only those that changed since.
//!
//! Kept true: a log's numbers count as long as the log is as it was before it was read, by its inode and times, and these lay
//! far enough back then. A tally of before the host's last start counts for nothing: a power cut may have kept a log's time
//! and not its end. It is a hint, and not synced: one that is missing, torn or of another job costs a reading of all logs.
//!
//! Words of 8 bytes, the lowest byte first: the form's own mark, the two of the host's start, how many logs, 4 words for each
//! (inode, times, six counts of 10 bits; all 0 where nothing is known), and a CRC-32 over all before it.

use std::fs::File;
use std::io::{self, Read};

use super::claim::log_path;
use super::counts::count_of;
use super::log::file::look;
use super::log::replay::Standing;
use crate::model::EntryId;
use crate::policy::notice::MergeCounts;
use crate::spool::job::JobFile;
use crate::spool::queue::SpoolQueue;
use crate::spool::quiet::is_settled;
use crate::sys::dir::Print;
use crate::sys::{boot, clock, dir};

const NAME: &str = "tally";
/// "bmtally" and the number of the form.
const MARK: u64 = u64::from_le_bytes(*b"bmtally1");
/// Words before those of the logs.
const HEAD: usize = 4;
const EACH: usize = 4;
/// The most logs that are remembered: 100 million rows.
const LOGS_MAX: usize = 100_000;
/// With fewer news it is not written again.
const NEWS_MIN: usize = 16;

/// What is counted, in the order of the file.
const STANDINGS: [Standing; 6] =
    [Standing::Open, Standing::Delivered, Standing::Failed, Standing::Suppressed, Standing::Held, Standing::Removed];
/// An entry has 1,000 rows at most.
const BITS: u32 = 10;
const ROWS: u64 = (1 << BITS) - 1;

type Words = [u64; EACH];

impl SpoolQueue {
    /// Where the rows of the merge `job` stand, whose folder is `top`. Those of a log that is missing count as held: they will
    /// be.
    pub(in crate::spool) fn count_rows(&self, top: &str, job: &EntryId, file: &JobFile) -> io::Result<MergeCounts> {
        let (folder, began, boot) = (dir::open_at(&self.dir, top)?, clock::now(), boot::id());
        let before = boot.map_or_else(Vec::new, |boot| read(&folder, boot));
        let mut counts = MergeCounts { rows: file.count(), ..MergeCounts::default() };
        let (mut words, mut news) = (Vec::new(), 0);
        for (at, id) in file.entry_ids(job).enumerate() {
            let log = Look { folder: &folder, id: &id, rows: file.recipients_of(&id) };
            let print = dir::stat(&folder, &log_path(&id))?.map(|stat| Print::of(&stat));
            let known = before.get(at).filter(|known| print.is_some_and(|print| is_of(known, &print)));
            let found = known.map_or_else(|| log.counts(), |known| Ok(unpacked(known[3])))?;
            STANDINGS.into_iter().zip(found).for_each(|(standing, rows)| *count_of(&mut counts, standing) += rows);
            let settled = print.filter(|print| is_settled(print, began));
            news += usize::from(known.is_none() && settled.is_some());
            words.push(settled.map_or([0; EACH], |print| words_of(&print, found)));
        }
        if let Some(boot) = boot.filter(|_| news >= NEWS_MIN && words.len() <= LOGS_MAX) {
            // Without it the next who counts reads what this one read.
            let _ = self.write_bytes(&format!("{top}/{NAME}"), &to_bytes(boot, &words));
        }
        Ok(counts)
    }
}

/// A log to be counted.
struct Look<'l> {
    folder: &'l File,
    id: &'l EntryId,
    rows: u64,
}

impl Look<'_> {
    fn counts(&self) -> io::Result<[u64; STANDINGS.len()]> {
        let count = u16::try_from(self.rows).unwrap_or(u16::MAX);
        let found = look(self.folder, &log_path(self.id), (self.id, count), &mut |_| {});
        let number = |of: Standing| match &found {
            Ok(states) => states.iter().filter(|(_, row)| row.standing == of).count() as u64,
            Err(_) if of == Standing::Held => self.rows,
            Err(_) => 0,
        };
        let counts = STANDINGS.map(number);
        match found {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(counts),
        }
    }
}

fn words_of(print: &Print, counts: [u64; STANDINGS.len()]) -> Words {
    let packed = counts.iter().rev().fold(0, |packed, count| (packed << BITS) | (count & ROWS));
    [print.inode, print.modified.cast_unsigned(), print.changed.cast_unsigned(), packed]
}

fn unpacked(packed: u64) -> [u64; STANDINGS.len()] {
    std::array::from_fn(|at| (packed >> (BITS * at as u32)) & ROWS)
}

fn is_of(words: &Words, print: &Print) -> bool {
    words[..3] == words_of(print, [0; STANDINGS.len()])[..3]
}

fn to_bytes(boot: u128, logs: &[Words]) -> Vec<u8> {
    let head = [MARK, boot as u64, (boot >> 64) as u64, logs.len() as u64];
    let words = head.iter().chain(logs.iter().flatten());
    let mut bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).collect();
    let sum = u64::from(crc32fast::hash(&bytes));
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// What the file says; nothing, if it is no tally of this start of the host.
fn of_bytes(boot: u128, bytes: &[u8]) -> Option<Vec<Words>> {
    let (summed, sum) = bytes.split_last_chunk::<8>()?;
    if u64::from_le_bytes(*sum) != u64::from(crc32fast::hash(summed)) {
        return None;
    }
    let words: Vec<u64> = summed.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let (head, logs) = words.split_first_chunk::<HEAD>()?;
    let (logs, rest) = logs.as_chunks::<EACH>();
    let is_ours = *head == [MARK, boot as u64, (boot >> 64) as u64, logs.len() as u64];
    (is_ours && rest.is_empty()).then(|| logs.to_vec())
}

fn read(folder: &File, boot: u128) -> Vec<Words> {
    let most = (8 * (HEAD + EACH * LOGS_MAX + 1)) as u64;
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        dir::open_file(folder, NAME, dir::Open::Read)?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().ok().and_then(|bytes| of_bytes(boot, &bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: u128 = (1 << 70) | 5;

    #[test]
    fn it_reads_back_and_what_is_torn_or_of_before_the_start_is_none() {
        let print = |n| Print { device: 1, inode: n, modified: -5, changed: i64::MAX };
        let counts = |n| [n, 1_000, 0, 3, 1_000 - n, 7];
        let logs: Vec<Words> = (0..9).map(|n| words_of(&print(n), counts(n))).collect();
        let bytes = to_bytes(BOOT, &logs);
        assert_eq!(of_bytes(BOOT, &bytes), Some(logs.clone()));
        assert_eq!(of_bytes(5, &bytes), None);
        for length in 0..bytes.len() {
            assert_eq!(of_bytes(BOOT, &bytes[..length]), None, "{length} bytes");
        }
        for (n, log) in (0..).zip(&logs) {
            assert_eq!((unpacked(log[3]), is_of(log, &print(n)), is_of(log, &print(n + 1))), (counts(n), true, false));
        }
    }
}
