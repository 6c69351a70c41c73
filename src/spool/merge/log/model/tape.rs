//! The records of the model: real ones, written and read by the real code. Each has a page of its own, so that old records
//! always lie where they could chain on.

use std::collections::HashMap;
use std::time::Duration;

use super::super::chain::{Chain, Step};
use super::super::record::{Answer, Record};
use super::super::replay::{Replay, Rows, Standing};
use super::state::{SLOTS, State, Word};
use crate::model::{EntryId, Micros, Reason, Verdict};

/// A page without anything, one with half a record, and the first record of the log.
pub const NOTHING: u16 = 0;
pub const TORN: u16 = 1;
pub const FIRST: u16 = 2;
/// Rows of the entry.
pub const ROWS: u16 = 2;

/// What a record says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Says {
    Claimed(u8),
    Begun(u8),
    Answer(u8, Word, Option<u8>),
    TakenBack(u8),
    Held(u8),
    Removed(u8),
    Reopened(u8),
    /// The same, due later.
    Waits(u8),
}

/// Where a row stands, as far as the model tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowSeen {
    pub standing: Standing,
    pub tried: bool,
    pub later: bool,
    /// It has no time of its own.
    pub with_head: bool,
    pub in_flight: bool,
}

/// What a log tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    pub end: u8,
    pub rows: [RowSeen; 2],
    /// The last claim, by its epoch, and the last record.
    pub claim: u8,
    pub last: u16,
}

pub struct Tape {
    /// Each record's CRC covers the one before.
    chained: bool,
    bytes: Vec<Vec<u8>>,
    chains: Vec<Chain>,
    numbers: HashMap<(u16, Says), u16>,
    seen: HashMap<[u16; SLOTS], Seen>,
}

fn id() -> EntryId {
    EntryId::of_key(&["model"]).of_job(0, 0)
}

impl Tape {
    pub fn new(chained: bool) -> Tape {
        let (mut chain, mut first) = (Chain::default(), Vec::new());
        chain.push(&Record::First { id: id(), rows: ROWS }, &mut first);
        Tape {
            chained,
            bytes: vec![vec![0; 8], vec![9, 1, 2, 3], first],
            chains: vec![Chain::default(), Chain::default(), chain],
            numbers: HashMap::new(),
            seen: HashMap::new(),
        }
    }

    /// The record that says this behind `last`.
    pub fn write(&mut self, last: u16, says: Says) -> u16 {
        let last = if self.chained { last } else { FIRST };
        if let Some(&number) = self.numbers.get(&(last, says)) {
            return number;
        }
        let (mut chain, mut bytes) = (self.chains[usize::from(last)].clone(), Vec::new());
        chain.push(&record(says), &mut bytes);
        let number = u16::try_from(self.bytes.len()).expect("few records");
        self.bytes.push(bytes);
        self.chains.push(chain);
        self.numbers.insert((last, says), number);
        number
    }

    /// The log as a reader finds it now.
    pub fn read(&mut self, state: &State) -> Seen {
        let mut pages = [NOTHING; SLOTS];
        for (page, slot) in pages.iter_mut().zip(state.pages()) {
            *page = slot.kept.newest();
        }
        if let Some(seen) = self.seen.get(&pages) {
            return *seen;
        }
        let seen = if self.chained { self.replay(&pages) } else { self.replay_unchained(&pages) };
        self.seen.insert(pages, seen);
        seen
    }

    fn replay(&self, pages: &[u16]) -> Seen {
        let mut replay = Replay::new(id(), ROWS);
        let (mut end, mut claim, mut last) = (0, 0, NOTHING);
        for &page in pages {
            let bytes = &self.bytes[usize::from(page)];
            let used = replay.read(bytes, &mut |record| claim = claim_of(record).unwrap_or(claim));
            if used.expect("no newer one") != bytes.len() {
                break;
            }
            (end, last) = (end + 1, page);
        }
        seen(replay.rows(), end, claim, last)
    }

    /// With records of which each stands for itself.
    fn replay_unchained(&self, pages: &[u16]) -> Seen {
        let (mut rows, mut end, mut claim, mut last) = (Rows::new(ROWS), 0, 0, NOTHING);
        for &page in pages {
            let mut chain = self.chains[usize::from(if page == FIRST { NOTHING } else { FIRST })].clone();
            let Step::Record(record, _) = chain.step(&self.bytes[usize::from(page)]) else { break };
            rows.take(&record);
            claim = claim_of(&record).unwrap_or(claim);
            (end, last) = (end + 1, page);
        }
        seen(&rows, end, claim, last)
    }
}

fn claim_of(record: &Record) -> Option<u8> {
    if let Record::Claimed { by, .. } = record { u8::try_from(*by).ok() } else { None }
}

fn seen(rows: &Rows, end: u8, claim: u8, last: u16) -> Seen {
    let row = |number| {
        let row = rows.get(number).expect("a row");
        RowSeen {
            standing: row.standing,
            tried: row.attempts > 0,
            later: row.due == Some(Micros(1)),
            with_head: row.due.is_none(),
            in_flight: row.in_flight,
        }
    };
    Seen { end, rows: [row(0), row(1)], claim, last }
}

fn record(says: Says) -> Record {
    let (at, reason) = (Micros(0), || Reason::new("busy"));
    match says {
        Says::Claimed(epoch) => {
            Record::Claimed { at, by: epoch.into(), random: 0x9e37_79b9_u32.wrapping_mul(u32::from(epoch) + 1) }
        }
        Says::Begun(row) => Record::Begun { row: row.into() },
        Says::Answer(row, word, begun) => {
            let (verdict, next) = match word {
                Word::Delivered => (Verdict::Delivered(None), None),
                Word::Deferred => (Verdict::Deferred(reason()), Some(Micros(1))),
                Word::Failed => (Verdict::Failed(reason()), None),
            };
            let answer = Answer { row: row.into(), at, attempt: 1, waited: Duration::ZERO, next, verdict };
            Record::Answer { answer, begun: begun.map(u16::from) }
        }
        Says::TakenBack(row) => Record::TakenBack { row: row.into() },
        Says::Held(row) => Record::Held { row: row.into(), at, reason: reason() },
        Says::Removed(row) => Record::Removed { row: row.into(), at },
        Says::Reopened(row) => Record::Reopened { row: row.into(), at, due: Some(at) },
        Says::Waits(row) => Record::Reopened { row: row.into(), at, due: Some(Micros(1)) },
    }
}
