//! A walk through the names of a lane, and what it notes besides the names that go into the ring.

use std::io;

use super::packed::Packed;
use super::ring::{Filling, Seen};
use crate::model::format::Newer;
use crate::model::{EntryId, Micros};
use crate::queue::QueueError;
use crate::spool::names::{EntryName, is_due};
use crate::spool::queue::SpoolQueue;
use crate::sys::dir;

/// Names without a packed form that one walk brings.
const ODD: usize = 1_024;

/// What a walk met besides the names that are in the ring now.
#[derive(Debug, Default)]
pub(in crate::spool) struct Filled {
    /// Names that are due and have no packed form, sorted: this program did not make them.
    pub odd: Vec<EntryName>,
    /// Jobs that a newer program made, whose entries are left alone.
    pub newer: Vec<(EntryId, Newer)>,
    /// The first folder that could not be listed; the others were.
    pub fault: Option<QueueError>,
}

/// A walk through the names.
pub(super) struct Walk<'q, 'f> {
    pub queue: &'q SpoolQueue,
    pub now: Micros,
    pub filling: Filling<'f>,
    pub filled: Filled,
    pub seen: Seen,
}

/// What a name says at this time.
pub(super) enum Name {
    /// It is due.
    Due(Packed),
    /// It is due, and was noted.
    Noted,
    /// It waits for this time, which a person set if it is `at`.
    Waits { due: Micros, at: bool },
}

impl Walk<'_, '_> {
    /// Takes note of a time that something waits for.
    pub fn waits(&mut self, next: Option<Micros>) {
        self.seen.next = self.seen.next.into_iter().chain(next).min();
    }

    pub fn fault(&mut self, folder: &str, error: io::Error) {
        let error = self.queue.failed("list", folder)(error);
        self.filled.fault.get_or_insert(error);
    }

    /// Reads the name of a file.
    pub fn read(&mut self, name: &[u8]) -> Name {
        let horizon = self.queue.horizon;
        if let Some(packed) = Packed::parse(name) {
            return if is_due(packed.due(), packed.is_at(), self.now, horizon) {
                Name::Due(packed)
            } else {
                Name::Waits { due: packed.due(), at: packed.is_at() }
            };
        }
        match std::str::from_utf8(name).ok().and_then(EntryName::parse) {
            Some(name) if name.is_due(self.now, horizon) => {
                if self.filled.odd.len() < ODD {
                    self.filled.odd.push(name);
                }
                Name::Noted
            }
            Some(name) => Name::Waits { due: name.due, at: name.at },
            // None of ours: it makes no folder unquiet.
            None => Name::Waits { due: Micros::MAX, at: true },
        }
    }
}

/// The names in a folder; `None` if it is not there.
pub(super) fn open(queue: &SpoolQueue, folder: &str) -> io::Result<Option<dir::Names>> {
    match dir::Names::open(&queue.dir, folder) {
        Ok(names) => Ok(Some(names)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
