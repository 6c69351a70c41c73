//! What an entry's journal tells: what happened to it so far, for the next who claims it and for `show`.
//!
//! JSON lines, added to by the claim's holder alone. A torn last line is ignored, and the next append begins with a
//! newline. The lines:
//!
//! - `{"journal":1,"recipients":N}` comes first;
//! - `{"begun":AT,"group":[…],"status":"???","reply":"   "}` is written before a group of several recipients' entry is handed
//!   over; with `on_crash = "hold"` for every entry, and synced before the hand-over. Its status has one letter a recipient:
//!   `?` in flight, `D` delivered, `T` deferred, `F` failed, `U` unknown, `H` held, `S` suppressed, `-` none that counts. Its
//!   reply, of a fixed width, is the sink's to all deliveries of the group, if it is the same (`journal::reply`). Both are
//!   **overwritten in place** by the answer, which needs no space, so a full disk cannot refuse it;
//! - `{"attempt":N,"at":…,"waited":…,"next":…,"results":[…]}` ends an attempt that did not deliver to everybody. Replies that
//!   differ within a group are in it, too. It takes several such lines where one would be too long;
//! - `{"reopened":AT,"by":UID,"group":[…]}`: a person gave the entry another chance. These recipients are open again, and
//!   attempts and waiting time begin anew;
//! - `{"removed":AT,"by":UID}`: a person removes the entry. Every recipient is closed, and none counts as failed;
//! - `{"noticed":AT,"about":"failed","group":[…]}` says that the sender was told of these recipients, or that they will be
//!   in a summary.
//!
//! A recipient is closed when its last word is delivered, failed or suppressed. A `?` that is found later is of a worker that died
//! with the group in flight. One whose last word is held waits for a person. A journal of a newer format is not read.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::verdict::Kind;
use crate::model::{Format, Micros, Reason};
use crate::policy::notice::About;

/// More bytes than any line has, with its newline. A longer line tells nothing.
pub(super) const LINE_MAX: usize = 1 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum JournalLine {
    Begun {
        begun: Micros,
        group: Vec<usize>,
        status: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reply: Option<String>,
    },
    Attempt(AttemptLine),
    Noticed {
        noticed: Micros,
        about: About,
        group: Vec<usize>,
    },
    Reopened {
        reopened: Micros,
        by: u32,
        group: Vec<usize>,
    },
    Removed {
        removed: Micros,
        by: u32,
    },
    First {
        journal: u32,
        recipients: usize,
    },
}

/// One finished attempt, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptLine {
    /// Counted from 1.
    pub attempt: u32,
    pub at: Micros,
    /// Microseconds that count towards expiry.
    pub waited: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<Micros>,
    pub results: Vec<ResultLine>,
}

/// What came of an attempt for some recipients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultLine {
    /// Positions in the envelope.
    pub group: Vec<usize>,
    pub verdict: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Reason>,
    /// The sink's reply to a delivery.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reply: Option<String>,
}

/// A recipient's delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When it was handed over.
    pub at: Micros,
    /// The sink's reply, as far as the journal has it.
    pub reply: Option<String>,
}

/// What a journal tells, in memory that does not grow with the number of attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The last word on each recipient; `None` where there is none yet.
    pub last: Vec<Option<Kind>>,
    /// The last line about an attempt; if that gives no reason, with the results of the last one that does.
    pub attempt: Option<AttemptLine>,
    /// Of whom the sender was told.
    pub noticed: BTreeSet<(About, usize)>,
    /// Why somebody was held, as it was noted last.
    pub held: Option<Reason>,
    /// The recipients that were in flight when their worker died.
    pub in_flight: BTreeSet<usize>,
    /// A person removed the entry.
    pub removed: bool,
    /// The first line is there, which says how many recipients there are.
    pub headed: bool,
}

impl History {
    /// Nothing happened yet to `recipients` recipients.
    pub fn empty(recipients: usize) -> History {
        History { last: vec![None; recipients], ..History::default() }
    }

    pub fn is_closed(&self, recipient: usize) -> bool {
        self.removed
            || matches!(self.last.get(recipient), Some(Some(Kind::Delivered | Kind::Failed | Kind::Suppressed)))
    }

    pub fn all_closed(&self) -> bool {
        self.removed || (!self.last.is_empty() && (0..self.last.len()).all(|i| self.is_closed(i)))
    }

    /// Neither closed nor held: to be handed over.
    pub fn is_open(&self, recipient: usize) -> bool {
        !self.is_closed(recipient) && self.last.get(recipient) != Some(&Some(Kind::Held))
    }

    pub fn any(&self, kind: Kind) -> bool {
        !self.removed && self.last.contains(&Some(kind))
    }

    /// The number of the last attempt.
    pub fn attempts(&self) -> u32 {
        self.attempt.as_ref().map_or(0, |attempt| attempt.attempt)
    }

    /// The waiting time at `now`: what was counted, and the smaller of the real and the scheduled gap since then.
    pub fn waited(&self, now: Micros) -> Duration {
        let Some(last) = &self.attempt else { return Duration::ZERO };
        let scheduled = last.next.map_or(Duration::ZERO, |next| next.since(last.at));
        Duration::from_micros(last.waited) + now.since(last.at).min(scheduled)
    }

    pub(super) fn set(&mut self, recipient: usize, kind: Kind) {
        if let Some(last) = self.last.get_mut(recipient) {
            *last = Some(kind);
            // Who fails again, after a person had it tried again, is a new matter.
            self.noticed.remove(&(About::Failed, recipient));
        }
        self.in_flight.remove(&recipient);
    }

    pub(super) fn take(&mut self, line: JournalLine) {
        match line {
            JournalLine::First { recipients, .. } => {
                self.headed = true;
                if self.last.is_empty() {
                    self.last = vec![None; recipients.min(1 << 20)];
                }
            }
            JournalLine::Begun { group, status, .. } => {
                for (recipient, letter) in group.into_iter().zip(status.chars()) {
                    match (kind_of(letter), letter) {
                        (Some(kind), _) => self.set(recipient, kind),
                        (None, '?') if recipient < self.last.len() => {
                            self.in_flight.insert(recipient);
                        }
                        (None, _) => {
                            self.in_flight.remove(&recipient);
                        }
                    }
                }
            }
            JournalLine::Attempt(mut attempt) => {
                for result in &attempt.results {
                    for &recipient in &result.group {
                        if let Some(kind) = kind_named(&result.verdict) {
                            self.set(recipient, kind);
                        }
                    }
                    if result.verdict == Kind::Held.name() {
                        self.held = result.reason.clone();
                    }
                }
                if attempt.results.iter().all(|result| result.reason.is_none())
                    && let Some(before) = self.attempt.take()
                {
                    attempt.results = before.results;
                }
                self.attempt = Some(attempt);
            }
            JournalLine::Noticed { about, group, .. } => self.noticed.extend(group.into_iter().map(|i| (about, i))),
            JournalLine::Reopened { group, .. } => {
                for &recipient in &group {
                    if let Some(last) = self.last.get_mut(recipient) {
                        *last = None;
                    }
                    self.in_flight.remove(&recipient);
                }
                let again: BTreeSet<usize> = group.into_iter().collect();
                self.noticed.retain(|(_, recipient)| !again.contains(recipient));
                (self.attempt, self.held, self.removed) = (None, None, false);
            }
            JournalLine::Removed { .. } => {
                self.removed = true;
                self.in_flight.clear();
            }
        }
    }
}

pub(super) fn letter_of(kind: Kind) -> char {
    match kind {
        Kind::Delivered => 'D',
        Kind::Deferred => 'T',
        Kind::Failed => 'F',
        Kind::Unknown => 'U',
        Kind::Held => 'H',
        Kind::Suppressed => 'S',
    }
}

const KINDS: [Kind; 6] = [Kind::Delivered, Kind::Deferred, Kind::Failed, Kind::Unknown, Kind::Held, Kind::Suppressed];

pub(super) fn kind_of(letter: char) -> Option<Kind> {
    KINDS.into_iter().find(|&kind| letter_of(kind) == letter)
}

fn kind_named(name: &str) -> Option<Kind> {
    KINDS.into_iter().find(|kind| kind.name() == name)
}

/// Reads the history out of a journal; `recipients` may be 0 where it is not known. Each attempt is shown to `each`.
/// Returns whether the last line is torn, too.
pub fn read_history(
    journal: impl Read,
    recipients: usize,
    each: &mut dyn FnMut(&AttemptLine),
) -> io::Result<(History, bool)> {
    let mut history = History::empty(recipients);
    let torn = each_line(journal, &mut |line| {
        if let JournalLine::Attempt(attempt) = &line {
            each(attempt);
        }
        history.take(line);
    })?;
    Ok((history, torn))
}

/// Shows `each` line of a journal. Returns whether the last one is torn.
///
/// Errors: it cannot be read, or a newer program began it.
pub(super) fn each_line(journal: impl Read, each: &mut dyn FnMut(JournalLine)) -> io::Result<bool> {
    let mut reader = BufReader::new(journal);
    let mut text = Vec::new();
    let mut torn = false;
    loop {
        text.clear();
        if reader.by_ref().take(LINE_MAX as u64).read_until(b'\n', &mut text)? == 0 {
            return Ok(torn);
        }
        torn = text.last() != Some(&b'\n');
        // A torn line, or one of a later version, tells nothing.
        if let Ok(line) = serde_json::from_slice::<JournalLine>(&text) {
            if let JournalLine::First { journal, .. } = line {
                Format::Journal.age(journal).map_err(|newer| io::Error::new(io::ErrorKind::InvalidData, newer))?;
            }
            each(line);
        }
    }
}
