//! The open log, for the holder of its lock; the only I/O of a log. The rules are at the head of [`log`](super).
//!
//! What is not known to be on disk is kept in memory as well, so that it can be written again whatever became of the pages
//! that held it: usually what one claim has written, at most the log.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use super::chain::{Chain, RECORD_MAX};
use super::record::{Answer, Record};
use super::replay::{Replay, Rows};
use crate::model::{EntryId, Micros, Reason};
use crate::sys::{dir, fault, lock, random};

/// Room is made up to a multiple of this, the size of a page.
const PAGE: u64 = 4096;
/// What a row that is begun must find room for: its answer, and a claim before it if a write failed in between.
const ROOM: u64 = 2 * RECORD_MAX as u64;
/// A log is read in pieces of this size.
const PIECE: usize = 64 << 10;

/// What came of reaching for a log.
#[derive(Debug)]
pub enum Taken {
    Ours(Locked),
    /// Somebody else has the claim, or acts on a row.
    Contended,
    /// It is not there: see [`Locked::make`].
    Missing,
}

/// A log whose lock is ours and that was not read yet: time to look at the head's name again.
#[derive(Debug)]
pub struct Locked(File);

/// Who claims a log, and when.
#[derive(Clone, Copy, Debug)]
pub struct Claimant {
    pub at: Micros,
    /// The user who acts.
    pub by: u32,
}

/// The log in its claim's hand. Dropping it ends the claim.
#[derive(Debug)]
pub struct Log {
    file: File,
    replay: Replay,
    /// The first record, as long as there is none.
    first: Option<Record>,
    claimant: Claimant,
    /// The claim's record is written, and all that followed it.
    claimed: bool,
    /// Fewer bytes were valid than the head noted.
    short: bool,
    /// Writes up to here need no space.
    room: u64,
    /// How many bytes are on disk for certain.
    durable: u64,
    /// The bytes after those.
    tail: Vec<u8>,
    /// The pages of the tail were written since they may have become clean without being on disk.
    fresh: bool,
    /// Where the log ended when [`Log::expect_sync`] was called.
    expected: u64,
    /// What was written could not be synced, nor written again.
    stuck: bool,
}

impl Locked {
    /// Takes the lock of the log `path` in `dir_fd`, without waiting.
    pub fn take(dir_fd: impl AsFd, path: &str) -> io::Result<Taken> {
        let file = match dir::open_file(dir_fd, path, dir::Open::ReadWrite) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Taken::Missing),
            Err(error) => return Err(error),
        };
        fault::point("merge.opened")?;
        Ok(if lock::try_exclusive(&file)? { Taken::Ours(Locked(file)) } else { Taken::Contended })
    }

    /// Makes a log that is missing, and takes its lock; the first to make it has it. Its name is durable when its folder
    /// was synced.
    pub fn make(dir_fd: impl AsFd, path: &str) -> io::Result<Taken> {
        let file = dir::open_file(dir_fd, path, dir::Open::Create)?;
        Ok(if lock::try_exclusive(&file)? { Taken::Ours(Locked(file)) } else { Taken::Contended })
    }

    /// Reads the log of entry `id`, which has `rows` rows; `noted` is the length that the head's name notes, `None` where
    /// there is no head. `each` is shown all records.
    ///
    /// Errors: it cannot be read, or a newer program began it ([`Newer`](crate::model::format::Newer) is inside).
    pub fn read(
        self,
        (id, rows): (&EntryId, u16),
        noted: Option<u64>,
        claimant: Claimant,
        each: &mut dyn FnMut(&Record),
    ) -> io::Result<Log> {
        let mut replay = Replay::new(id.clone(), rows);
        let mut tail = Vec::new();
        let from = noted.unwrap_or(0);
        each_piece(&self.0, &mut replay, each, &mut |at, bytes| {
            let skipped = usize::try_from(from.saturating_sub(at)).unwrap_or(usize::MAX);
            tail.extend_from_slice(bytes.get(skipped..).unwrap_or_default());
        })?;
        let end = replay.end();
        Ok(Log {
            file: self.0,
            first: (end == 0).then(|| Record::First { id: id.clone(), rows }),
            claimant,
            claimed: false,
            // A log has its first record from the job's beginning.
            short: end < noted.unwrap_or(1),
            room: end,
            durable: from.min(end),
            tail,
            fresh: end <= from,
            expected: 0,
            stuck: false,
            replay,
        })
    }
}

/// Makes the log of a new entry in a job that is not published yet, submitted at `at`. Rows in `dues` wait for times of
/// their own. Returns the length that the entry's head notes: it is on disk when the job is.
pub fn create(
    dir_fd: impl AsFd,
    path: &str,
    (id, rows): (&EntryId, u16),
    at: Micros,
    dues: &[(u16, Micros)],
) -> io::Result<u64> {
    let file = dir::open_file(dir_fd, path, dir::Open::CreateNew)?;
    let (mut chain, mut bytes) = (Chain::default(), Vec::new());
    chain.push(&Record::First { id: id.clone(), rows }, &mut bytes);
    for &(row, due) in dues {
        chain.push(&Record::Reopened { row, at, due: Some(due) }, &mut bytes);
    }
    file.write_all_at(&bytes, 0)?;
    Ok(chain.end())
}

/// Reads the log of entry `id`, which has `rows` rows, without its lock: what is being written may be missing. `each` is
/// shown all records.
///
/// Errors: it cannot be read, or a newer program began it.
pub fn look(
    dir_fd: impl AsFd,
    path: &str,
    (id, rows): (&EntryId, u16),
    each: &mut dyn FnMut(&Record),
) -> io::Result<Rows> {
    let file = dir::open_file(dir_fd, path, dir::Open::Read)?;
    let mut replay = Replay::new(id.clone(), rows);
    each_piece(&file, &mut replay, each, &mut |_, _| {})?;
    Ok(replay.rows().clone())
}

/// Replays a log; `kept` is shown the valid bytes and where they stand.
fn each_piece(
    file: &File,
    replay: &mut Replay,
    each: &mut dyn FnMut(&Record),
    kept: &mut dyn FnMut(u64, &[u8]),
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    while !replay.is_over() {
        let at = replay.end();
        let got = read_full_at(file, &mut piece, at)?;
        let used =
            replay.read(&piece[..got], each).map_err(|newer| io::Error::new(io::ErrorKind::InvalidData, newer))?;
        kept(at, &piece[..used]);
        if got < piece.len() {
            break;
        }
    }
    Ok(())
}

/// Reads until `bytes` is full or the file ends. Returns how many bytes came.
fn read_full_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < bytes.len() {
        match file.read_at(&mut bytes[got..], at + got as u64) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

impl Log {
    pub fn rows(&self) -> &Rows {
        self.replay.rows()
    }

    /// Whether the log was missing or shorter than its head noted when it was read: what came of its open rows may be lost.
    /// They are to be held.
    pub fn is_short(&self) -> bool {
        self.short
    }

    /// How many bytes are valid and on disk for certain: what the head's name may note.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// How many bytes are valid. It grows with each record.
    pub fn end(&self) -> u64 {
        self.replay.end()
    }

    /// Whether all that was written is on disk for certain.
    pub fn is_durable(&self) -> bool {
        self.durable == self.replay.end()
    }

    /// Notes that `row` is handed over next, with room for its answer.
    ///
    /// Errors: nothing may be handed over.
    pub fn begin(&mut self, row: u16) -> io::Result<()> {
        self.append(&[Record::Begun { row }], ROOM)
    }

    /// Notes what came of a row.
    ///
    /// Errors: it is not noted. To go on would hand the row over again: the claim is kept to the run's end, or this is
    /// tried again.
    pub fn answer(&mut self, answer: Answer) -> io::Result<()> {
        self.append(&[Record::Answer { answer, begun: None }], 0)
    }

    /// Notes what came of a row, and that `next` is handed over next, in one record. Without room for that, the answer
    /// alone is noted. Returns whether `next` is begun.
    ///
    /// Errors: as with [`Log::answer`].
    pub fn answer_and_begin(&mut self, answer: Answer, next: u16) -> io::Result<bool> {
        let both = [Record::Answer { answer: answer.clone(), begun: Some(next) }];
        match self.append(&both, ROOM) {
            Ok(()) => Ok(true),
            Err(_) => self.answer(answer).map(|()| false),
        }
    }

    /// Notes that a row that was begun was not handed over after all.
    pub fn take_back(&mut self, row: u16) -> io::Result<()> {
        self.append(&[Record::TakenBack { row }], 0)
    }

    /// Holds rows until a person decides.
    pub fn hold(&mut self, rows: &[u16], at: Micros, reason: &Reason) -> io::Result<()> {
        self.append_each(rows, |row| Record::Held { row, at, reason: reason.clone() })
    }

    /// Closes rows that a person removes.
    pub fn remove(&mut self, rows: &[u16], at: Micros) -> io::Result<()> {
        self.append_each(rows, |row| Record::Removed { row, at })
    }

    /// Opens rows again, with no attempt made and no time waited; due at `due`, or at their own time. The head is published
    /// or renamed, and its folder synced, before.
    pub fn reopen(&mut self, rows: &[u16], at: Micros, due: Option<Micros>) -> io::Result<()> {
        self.append_each(rows, |row| Record::Reopened { row, at, due })
    }

    fn append_each(&mut self, rows: &[u16], record: impl Fn(u16) -> Record) -> io::Result<()> {
        self.append(&rows.iter().map(|&row| record(row)).collect::<Vec<_>>(), 0)
    }

    /// Writes records in one piece, with room for `room` bytes behind them.
    fn append(&mut self, records: &[Record], room: u64) -> io::Result<()> {
        if self.stuck {
            return Err(io::Error::other("what was written to the log before could not be synced"));
        }
        if records.is_empty() {
            return Ok(());
        }
        // A record about a row that is not there would end the log.
        if !records.iter().all(|record| self.rows().knows(record)) {
            return Err(io::Error::other("the log has no such row"));
        }
        let mut bytes = Vec::with_capacity(128);
        let mut chain = self.replay.chain.clone();
        let claimed = if self.claimed { None } else { Some(self.claim()?) };
        for record in self.first.iter().chain(&claimed).chain(records) {
            chain.push(record, &mut bytes);
        }
        let (len, end) = (bytes.len(), self.replay.end());
        if room > 0 && chain.end() + room > self.room {
            let to = (chain.end() + room).next_multiple_of(PAGE);
            bytes.resize(usize::try_from(to - end).map_err(io::Error::other)?, 0);
        }
        // What a write that fails leaves in the file is not known: the next begins with another random number.
        self.claimed = false;
        fault::point("merge.append")?;
        self.file.write_all_at(&bytes, end)?;
        self.claimed = true;
        fault::instant("merge.appended");
        self.room = self.room.max(end + bytes.len() as u64);
        self.tail.extend_from_slice(&bytes[..len]);
        (self.first, self.replay.chain) = (None, chain);
        records.iter().for_each(|record| self.replay.rows.take(record));
        Ok(())
    }

    fn claim(&self) -> io::Result<Record> {
        let Claimant { at, by } = self.claimant;
        let random = random::number().ok_or_else(|| io::Error::other("the kernel has no random number"))?;
        Ok(Record::Claimed { at, by, random: random as u32 })
    }

    /// Waits until all that was written is on disk.
    ///
    /// Errors: it is not, and was not after it was written again. Nothing more is written; the claim is kept to the run's end.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.is_durable() {
            return Ok(());
        }
        let first = self.refresh().and_then(|()| self.sync_once());
        if first.is_err() {
            self.sync_failed();
            let again = self.refresh().and_then(|()| self.sync_once());
            self.stuck |= again.is_err();
            again?;
        }
        self.is_on_disk(self.replay.end());
        fault::instant("merge.synced");
        Ok(())
    }

    fn sync_once(&self) -> io::Result<()> {
        fault::point("merge.sync")?;
        self.file.sync_data()
    }

    /// Prepares for a sync by others: one of the file system that begins after this makes what is written so far durable, and
    /// [`Log::synced`] is called when it succeeded.
    pub fn expect_sync(&mut self) -> io::Result<()> {
        self.refresh()?;
        self.expected = self.replay.end();
        Ok(())
    }

    /// A sync of the file system that began after [`Log::expect_sync`] has succeeded.
    pub fn synced(&mut self) {
        // One that failed meanwhile has made the expectation void.
        if self.fresh {
            self.is_on_disk(self.expected);
        }
    }

    /// A sync of the file system has failed: what is not durable is written again before the next.
    pub fn sync_failed(&mut self) {
        self.fresh = self.is_durable();
        self.expected = 0;
    }

    /// Writes what is not on disk for certain again, unless that was done since it may have been lost.
    fn refresh(&mut self) -> io::Result<()> {
        if !self.fresh {
            fault::point("merge.rewrite")?;
            self.file.write_all_at(&self.tail, self.durable)?;
            self.fresh = true;
        }
        Ok(())
    }

    fn is_on_disk(&mut self, end: u64) {
        if let Some(len) = end.checked_sub(self.durable) {
            self.tail.drain(..usize::try_from(len).unwrap_or(usize::MAX).min(self.tail.len()));
            self.durable = end;
        }
    }
}
