//! What a log tells of each row of its entry.
//!
//! Kept true: the same records give the same states to every reader. A record about a row that the entry does not have, or a
//! second first one, is none. What is known of a row does not grow with the number of its attempts.

use std::time::Duration;

use super::chain::{Chain, Step};
use super::record::{Answer, ROWS_MAX, Record};
use crate::model::format::Newer;
use crate::model::{EntryId, Micros, Reason, Verdict};

/// Where a row stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Standing {
    /// To be handed over, now or later.
    #[default]
    Open,
    Delivered,
    Failed,
    /// Its address is on the suppression list.
    Suppressed,
    /// Waits for a person.
    Held,
    /// A person removed it.
    Removed,
}

/// What is known of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowState {
    pub standing: Standing,
    /// It was begun, and what came of that is not known.
    pub in_flight: bool,
    /// How many attempts were made since it was opened last.
    pub attempts: u32,
    /// When the last word on it was said.
    pub at: Micros,
    /// What counts towards expiry up to the last attempt.
    waited: Duration,
    /// When an open row is due; `None`: at its own time.
    pub due: Option<Micros>,
    /// Why the last attempt did not succeed, or why it is held.
    pub reason: Option<Reason>,
}

/// The rows of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows(Vec<RowState>);

/// A log being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    id: EntryId,
    pub(super) chain: Chain,
    pub(super) rows: Rows,
    over: bool,
}

impl RowState {
    pub fn is_open(&self) -> bool {
        self.standing == Standing::Open
    }

    /// The waiting time at `now`: what was counted, and the smaller of the real and the scheduled gap since then.
    pub fn waited(&self, now: Micros) -> Duration {
        self.waited_in(now, &|from, to| to.since(from))
    }

    /// The same, where `open` tells how much of the time between two instants counts.
    pub fn waited_in(&self, now: Micros, open: &dyn Fn(Micros, Micros) -> Duration) -> Duration {
        let until = self.due.filter(|_| self.attempts > 0).map_or(self.at, |due| due.min(now));
        self.waited.saturating_add(open(self.at, until))
    }

    fn answer(&mut self, answer: &Answer) {
        *self = RowState {
            standing: match answer.verdict {
                Verdict::Delivered(_) => Standing::Delivered,
                Verdict::Deferred(_) | Verdict::Unknown(_) => Standing::Open,
                Verdict::Failed(_) => Standing::Failed,
                Verdict::Held(_) => Standing::Held,
                Verdict::Suppressed(_) => Standing::Suppressed,
            },
            in_flight: false,
            attempts: answer.attempt,
            at: answer.at,
            waited: answer.waited,
            due: answer.next,
            reason: answer.verdict.reason().cloned(),
        };
    }

    /// A person's word on it, or that it is held. What was counted stays.
    fn decide(&mut self, standing: Standing, at: Micros, reason: Option<Reason>) {
        (self.standing, self.in_flight, self.at, self.due, self.reason) = (standing, false, at, None, reason);
    }
}

impl Rows {
    /// `count` rows to which nothing happened yet.
    pub fn new(count: u16) -> Rows {
        Rows(vec![RowState::default(); count.min(ROWS_MAX).into()])
    }

    pub fn get(&self, row: u16) -> Option<&RowState> {
        self.0.get(usize::from(row))
    }

    /// All of them, in order, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &RowState)> {
        (0..).zip(&self.0)
    }

    /// The rows that are open, in order.
    pub fn open(&self) -> impl Iterator<Item = u16> {
        self.iter().filter(|(_, row)| row.is_open()).map(|(number, _)| number)
    }

    /// The rows that were in flight when a former claim ended.
    pub fn in_flight(&self) -> impl Iterator<Item = u16> {
        self.iter().filter(|(_, row)| row.in_flight).map(|(number, _)| number)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a record other than the first is about rows that are there.
    pub(super) fn knows(&self, record: &Record) -> bool {
        let has = |row: u16| usize::from(row) < self.0.len();
        match record {
            Record::First { .. } => false,
            Record::Claimed { .. } => true,
            Record::Answer { answer, begun } => has(answer.row) && begun.is_none_or(has),
            Record::Begun { row }
            | Record::TakenBack { row }
            | Record::Held { row, .. }
            | Record::Removed { row, .. }
            | Record::Reopened { row, .. } => has(*row),
        }
    }

    /// Takes note of a record that it knows.
    pub(super) fn take(&mut self, record: &Record) {
        match record {
            Record::First { .. } | Record::Claimed { .. } => {}
            Record::Begun { row } => self.with(*row, |row| row.in_flight = true),
            Record::Answer { answer, begun } => {
                self.with(answer.row, |row| row.answer(answer));
                if let Some(begun) = begun {
                    self.with(*begun, |row| row.in_flight = true);
                }
            }
            Record::TakenBack { row } => self.with(*row, |row| row.in_flight = false),
            Record::Held { row, at, reason } => {
                self.with(*row, |row| row.decide(Standing::Held, *at, Some(reason.clone())));
            }
            Record::Removed { row, at } => self.with(*row, |row| row.decide(Standing::Removed, *at, None)),
            Record::Reopened { row, at, due } => {
                self.with(*row, |row| *row = RowState { at: *at, due: *due, ..RowState::default() });
            }
        }
    }

    fn with(&mut self, row: u16, change: impl FnOnce(&mut RowState)) {
        self.0.get_mut(usize::from(row)).map(change);
    }
}

impl Replay {
    /// The beginning of the log of entry `id` with `rows` rows.
    pub fn new(id: EntryId, rows: u16) -> Replay {
        Replay { id, chain: Chain::default(), rows: Rows::new(rows), over: false }
    }

    /// The rows, as far as was read.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// How many bytes of the log are valid, as far as was read.
    pub fn end(&self) -> u64 {
        self.chain.end()
    }

    /// Whether a bad record has ended the log.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Reads the whole records at the beginning of `bytes`, which follow what was read so far, and shows them to `each`.
    /// Returns how many bytes they have. The rest is shown again with what follows it, unless the log is over.
    ///
    /// Errors: a newer program began the log.
    pub fn read(&mut self, bytes: &[u8], each: &mut dyn FnMut(&Record)) -> Result<usize, Newer> {
        let mut used = 0;
        while !self.over {
            let mut chain = self.chain.clone();
            match chain.step(&bytes[used..]) {
                Step::More => break,
                Step::Bad => self.over = true,
                Step::Newer(newer) => return Err(newer),
                Step::Record(record, len) => {
                    if self.belongs(&record) {
                        self.rows.take(&record);
                        each(&record);
                        self.chain = chain;
                        used += len;
                    } else {
                        self.over = true;
                    }
                }
            }
        }
        Ok(used)
    }

    fn belongs(&self, record: &Record) -> bool {
        match record {
            Record::First { id, rows } => self.end() == 0 && *id == self.id && usize::from(*rows) == self.rows.len(),
            Record::Claimed { .. }
            | Record::Begun { .. }
            | Record::Answer { .. }
            | Record::TakenBack { .. }
            | Record::Held { .. }
            | Record::Removed { .. }
            | Record::Reopened { .. } => self.end() > 0 && self.rows.knows(record),
        }
    }
}
