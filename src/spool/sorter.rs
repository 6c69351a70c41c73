//! Sorting any number of addresses in constant memory: runs of bounded size are sorted and put into files without a name
//! in `tmp/`, then merged.
//!
//! The order is by reversed domain (`org.example`), so that one domain's addresses are together and near their parents';
//! then by the local part. Spellings of one address are one ([`spelling`]). Case counts in a local part alone, and there last of
//! all.
//!
//! A record is the reversed domain, the local part in lower case, both as they are spelled there, and the address, with a NUL between them, which no address
//! has; a newline ends it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::path::PathBuf;

use super::queue::SpoolQueue;
use crate::model::{Address, EntryId, spelling};
use crate::queue::QueueError;
use crate::sys::durable::Unnamed;
use crate::sys::{clock, fault};

/// Bytes of the records in memory.
const RUN: usize = 8 << 20;
/// More runs than this are merged into one before others come; each has a buffer of [`BUFFER`] bytes then.
const RUNS_MAX: usize = 64;
const BUFFER: usize = 64 << 10;

/// Addresses being gathered.
#[derive(Debug)]
pub struct Sorter<'q> {
    queue: &'q SpoolQueue,
    records: Vec<u8>,
    /// Where each record begins and ends.
    places: Vec<(u32, u32)>,
    runs: Vec<File>,
    /// Bytes of records that are held in memory.
    run: usize,
}

/// The same address, and whom a suppression list means by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Record(Vec<u8>);

/// Sorted addresses, each once.
pub struct Sorted {
    heap: BinaryHeap<Reverse<(Record, usize)>>,
    runs: Vec<BufReader<File>>,
    last: Option<Record>,
    /// Where the runs lie, for messages.
    path: PathBuf,
    /// How many were left out, because they came again.
    pub duplicates: u64,
}

impl Record {
    /// Reversed domain and local part, whatever its case.
    fn key(&self) -> &[u8] {
        let end = self.0.iter().rposition(|&b| b == 0).unwrap_or(self.0.len());
        &self.0[..end]
    }

    fn address(&self) -> &[u8] {
        &self.0[(self.key().len() + 1).min(self.0.len())..]
    }

    /// The domain's case apart, the same address.
    fn is_same(&self, other: &Record) -> bool {
        let local = |record: &Record| {
            let end = record.address().iter().rposition(|&b| b == b'@').unwrap_or(record.address().len());
            let local = String::from_utf8_lossy(&record.address()[..end]).into_owned();
            spelling::local(&local).into_owned()
        };
        self.key() == other.key() && local(self) == local(other)
    }

    fn parse(&self) -> io::Result<Address> {
        let text = std::str::from_utf8(self.address()).map_err(io::Error::other)?;
        text.parse().map_err(io::Error::other)
    }
}

/// `www.example.org` as `org.example.www`, the same for each spelling of one domain.
pub(super) fn reversed(domain: &str) -> String {
    let domain = spelling::domain(domain);
    domain.rsplit('.').collect::<Vec<_>>().join(".")
}

impl SpoolQueue {
    /// Starts to sort addresses, by means of this queue's `tmp/`.
    pub fn sorter(&self) -> Sorter<'_> {
        Sorter { queue: self, records: Vec::new(), places: Vec::new(), runs: Vec::new(), run: RUN }
    }
}

impl Sorter<'_> {
    pub fn add(&mut self, address: &Address) -> Result<(), QueueError> {
        let start = self.records.len();
        let (domain, local) =
            (reversed(address.domain()), spelling::local(&address.local().to_lowercase()).into_owned());
        for part in [domain.as_str(), "\0", &local, "\0", address.as_str(), "\n"] {
            self.records.extend_from_slice(part.as_bytes());
        }
        // RUN and one record fit into 32 bits.
        self.places.push((start as u32, self.records.len() as u32));
        if self.records.len() >= self.run {
            self.spill().map_err(self.queue.failed("sort recipients", "tmp"))?;
        }
        Ok(())
    }

    /// Those that were added, in order.
    pub fn sorted(mut self) -> Result<Sorted, QueueError> {
        let queue = self.queue;
        let merge = || -> io::Result<Sorted> {
            self.spill()?;
            Sorted::of(self.runs, queue.path("tmp"))
        };
        merge().map_err(queue.failed("sort recipients", "tmp"))
    }

    /// Puts the records in memory into a run.
    fn spill(&mut self) -> io::Result<()> {
        fault::point("post.sort")?;
        let records = &self.records;
        let record = |&(start, end): &(u32, u32)| &records[start as usize..end as usize];
        self.places.sort_unstable_by(|a, b| record(a).cmp(record(b)));
        let run = new_run(self.queue)?;
        let mut out = BufWriter::with_capacity(BUFFER, run);
        for place in &self.places {
            out.write_all(record(place))?;
        }
        self.runs.push(whole(out)?);
        self.records.clear();
        self.places.clear();
        if self.runs.len() >= RUNS_MAX {
            let mut merged = Sorted::of(std::mem::take(&mut self.runs), self.queue.path("tmp"))?;
            let mut out = BufWriter::with_capacity(BUFFER, new_run(self.queue)?);
            while let Some(record) = merged.next_record()? {
                out.write_all(&record.0)?;
                out.write_all(b"\n")?;
            }
            self.runs.push(whole(out)?);
        }
        Ok(())
    }
}

fn new_run(queue: &SpoolQueue) -> io::Result<File> {
    Unnamed::create(&queue.dir, "tmp", EntryId::new(clock::now()).as_str())?.nameless(&queue.dir)
}

fn whole(out: BufWriter<File>) -> io::Result<File> {
    let mut run = out.into_inner()?;
    run.rewind()?;
    Ok(run)
}

impl Sorted {
    fn of(runs: Vec<File>, path: PathBuf) -> io::Result<Sorted> {
        let runs = runs.into_iter().map(|run| BufReader::with_capacity(BUFFER, run)).collect();
        let mut sorted = Sorted { heap: BinaryHeap::new(), runs, last: None, path, duplicates: 0 };
        for run in 0..sorted.runs.len() {
            sorted.advance(run)?;
        }
        Ok(sorted)
    }

    /// Brings the next record of a run into the heap.
    fn advance(&mut self, run: usize) -> io::Result<()> {
        let mut line = Vec::new();
        self.runs[run].read_until(b'\n', &mut line)?;
        if line.pop().is_some() {
            self.heap.push(Reverse((Record(line), run)));
        }
        Ok(())
    }

    fn next_record(&mut self) -> io::Result<Option<Record>> {
        let Some(Reverse((record, run))) = self.heap.pop() else { return Ok(None) };
        self.advance(run)?;
        Ok(Some(record))
    }

    /// The next record that is no duplicate.
    fn next_distinct(&mut self) -> io::Result<Option<Record>> {
        while let Some(record) = self.next_record()? {
            if self.last.as_ref().is_some_and(|last| last.is_same(&record)) {
                self.duplicates += 1;
                continue;
            }
            self.last = Some(record.clone());
            return Ok(Some(record));
        }
        Ok(None)
    }

    /// Shows `each` every address that is not in `but`, where the case of local parts does not count. Returns how many were.
    pub fn each_but(
        &mut self,
        but: &mut Sorted,
        each: &mut dyn FnMut(Address) -> Result<(), QueueError>,
    ) -> Result<u64, QueueError> {
        let path = self.path.clone();
        let failed = |source| QueueError::Io { doing: "sort recipients", path: path.clone(), source };
        let (mut left_out, mut other) = (0, but.next_record().map_err(failed)?);
        while let Some(record) = self.next_distinct().map_err(failed)? {
            while other.as_ref().is_some_and(|other| other.key() < record.key()) {
                other = but.next_record().map_err(failed)?;
            }
            if other.as_ref().is_some_and(|other| other.key() == record.key()) {
                left_out += 1;
            } else {
                each(record.parse().map_err(failed)?)?;
            }
        }
        Ok(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Spool;

    /// What comes out, the duplicates, and how many were suppressed.
    fn sort(addresses: &[String], but: &[String], run: usize) -> (Vec<String>, u64, u64) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let queue = Spool::create(temp.path()).and_then(|spool| spool.queue("outbound")).expect("a queue");
        let fill = |list: &[String]| {
            let mut sorter = queue.sorter();
            sorter.run = run;
            for text in list {
                sorter.add(&text.parse().expect("an address")).expect("added");
            }
            sorter.sorted().expect("sorted")
        };
        let (mut sorted, mut found) = (fill(addresses), Vec::new());
        let each = &mut |address: Address| {
            found.push(address.to_string());
            Ok(())
        };
        let left_out = sorted.each_but(&mut fill(but), each).expect("merged");
        assert_eq!(std::fs::read_dir(queue.path("tmp")).expect("a folder").count(), 0);
        (found, sorted.duplicates, left_out)
    }

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn one_domains_addresses_are_together_and_each_is_there_once() {
        let list = [
            "b@example.org",
            "a@mail.example.org",
            "x@example.com",
            "a@Example.ORG",
            "a@example.org",
            "A@example.org",
            "root",
            "z@example.org.",
            "b@example.org",
        ];
        let (found, duplicates, _) = sort(&texts(&list), &[], RUN);
        let expected = [
            "root",
            "x@example.com",
            "A@example.org",
            "a@Example.ORG",
            "b@example.org",
            "z@example.org.",
            "a@mail.example.org",
        ];
        assert_eq!((found, duplicates), (texts(&expected), 2));
    }

    #[test]
    fn whom_the_suppression_list_has_gets_nothing_whatever_the_case() {
        let list = texts(&["Bob@x.org", "al@x.org", "bob@X.org", "eve@y.org"]);
        let (found, _, left_out) = sort(&list, &texts(&["zed@x.org", "BOB@x.ORG", "al@y.org"]), RUN);
        assert_eq!((found, left_out), (texts(&["al@x.org", "eve@y.org"]), 2));
    }

    #[test]
    fn all_spellings_of_an_address_are_one() {
        let list = texts(&["anna@xn--bcher-kva.example", "\"bob\"@y.org", "anna@b\u{fc}cher.example", "bob@y.org"]);
        let (found, duplicates, _) = sort(&list, &[], RUN);
        assert_eq!((found.len(), duplicates), (2, 2), "{found:?}");
        let but = texts(&["\"Bob\"@Y.org.", "anna@B\u{dc}CHER.example"]);
        assert_eq!(sort(&list, &but, RUN), (Vec::new(), 2, 2));
    }

    #[test]
    fn many_runs_make_the_same_order_as_one() {
        let numbers = (0..20_000_u32).map(|n| n.wrapping_mul(2_654_435_761) % 15_000);
        let list: Vec<String> = numbers.map(|n| format!("r{n}@d{}.example", n % 97)).collect();
        let once = sort(&list, &list[..500], RUN);
        // Each record is about 40 bytes: some 800 runs, which are merged more than once.
        assert_eq!(sort(&list, &list[..500], 1_000), once);
        assert!(once.1 > 0 && once.2 > 0 && once.0.len() as u64 + once.1 + once.2 == 20_000);
    }
}
