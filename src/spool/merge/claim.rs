//! A merge's entry in somebody's hand, and how it comes there.
//!
//! The order of steps: the head is locked → the log is locked → the head's name still leads to what was locked, since the log's
//! last holder may have renamed or removed it → the log is replayed. A log that somebody holds, or a lock on
//! `want/<entry>` ([`wanted`](super::wanted)), means that one of its rows is acted on: the entry is passed over.
//!
//! What holds: while the job's window is closed no row is handed over, and the entry is let go, due when it opens
//! (`settle`). Rows that are not due stay open and are not shown. Open rows of a log that is missing or short are held before
//! anything is handed over.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::log::file::{Claimant, Locked, Log, Taken};
use super::log::replay::RowState;
use super::mail::{Mails, Source, is_put_back};
use super::pacing::Pacing;
use super::rows::Noted;
use crate::model::{EntryId, Envelope, Micros, Reason};
use crate::policy::window::Window;
use crate::queue::QueueError;
use crate::spool::freshness::Freshness;
use crate::spool::home::Home;
use crate::spool::names::{Spot, is_due};
use crate::spool::order::Hand;
use crate::spool::queue::{SpoolQueue, make_folder};
use crate::sys::{clock, dir, fault, lock, process};

/// Why the rows of a log that is missing or short are held.
pub const LOST: &str = "what came of it may be lost: its log is missing, or shorter than it was";

/// A merge's entry in somebody's hand.
#[derive(Debug)]
pub struct MergeClaim<'q> {
    pub(super) queue: &'q SpoolQueue,
    pub(super) home: Home<'q>,
    pub(super) spot: Spot,
    /// The head, locked.
    pub(super) head: Arc<File>,
    pub(super) envelope: Envelope,
    pub(super) log: Log,
    /// How many syncs of the file system had begun before it wrote to the log, or wrote it again.
    pub(super) since: u64,
    pub(super) mails: Mails,
    /// The rows that were open and due when it was claimed.
    pub(super) due: Vec<usize>,
    /// Those that were in flight when a former holder died.
    pub(super) in_flight: Vec<usize>,
    /// The window was seen to be open from the first of these to the second.
    open: Cell<(Micros, Micros)>,
    pub(super) next: NextRow,
    /// When it was last seen that nobody wants to act on its rows.
    seen_free: Cell<Option<Freshness>>,
    /// Nobody else reaches for it as long as this is here.
    pub(super) hand: Option<Hand>,
}

/// The row that is handed over next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NextRow {
    /// Its turn has not come, as far as is known.
    #[default]
    Unknown,
    /// Its turn has come: it is begun in the record of the next answer.
    Admitted(u16),
    /// It was begun there.
    Begun(u16),
}

/// What came of reaching for a head that is locked.
pub(in crate::spool) enum Reached<'q> {
    Claim(Box<MergeClaim<'q>>),
    /// Somebody acts on its rows.
    Contended,
    /// It was settled meanwhile.
    Gone,
}

impl SpoolQueue {
    /// Takes the log of a head that is locked and was read.
    pub(in crate::spool) fn take_rows<'q>(
        &'q self,
        home: Home<'q>,
        spot: &Spot,
        (head, envelope, noted): (Arc<File>, Envelope, Noted),
        hand: Option<Hand>,
    ) -> Result<Reached<'q>, QueueError> {
        let id = envelope.id.clone();
        let path = log_path(&id);
        let failed = |doing: &'static str| self.failed(doing, &path);
        let locked = match lock_log(&home, &path).map_err(failed("lock"))? {
            Taken::Ours(locked) => locked,
            Taken::Contended | Taken::Missing => {
                self.contended.fetch_add(1, Ordering::Relaxed);
                return Ok(Reached::Contended);
            }
        };
        if !is_named(&home, &head, &spot.path()).map_err(failed("look at"))? {
            return Ok(Reached::Gone);
        }
        let since = self.syncs_begun();
        let now = clock::now();
        let claimant = Claimant { at: now, by: process::real_uid() };
        // A head has 1,000 rows at most, or its log has not.
        let rows = u16::try_from(noted.rows).unwrap_or(u16::MAX);
        let mut log = locked.read((&id, rows), spot.name.log, claimant, &mut |_| {}).map_err(failed("read"))?;
        if log.is_short() {
            let open: Vec<u16> = log.rows().open().collect();
            log.hold(&open, now, &Reason::new(LOST)).map_err(failed("write"))?;
        }
        let is_due = |row: &RowState| row.due.is_none_or(|due| is_due(due, row.attempts == 0, now, self.horizon));
        let due = log.rows().iter().filter(|(_, row)| row.is_open() && is_due(row));
        // One whose mail could not be made comes after all others.
        let (later, first): (Vec<_>, Vec<_>) = due.partition(|(_, row)| is_put_back(row));
        let due = if first.is_empty() { later } else { first };
        let due = due.into_iter().map(|(row, _)| usize::from(row)).collect();
        let in_flight = log.rows().in_flight().map(usize::from).collect();
        fault::point("merge.taken").map_err(failed("claim"))?;
        Ok(Reached::Claim(Box::new(MergeClaim {
            queue: self,
            home,
            spot: spot.clone(),
            head,
            envelope,
            log,
            since,
            mails: Mails::of(noted),
            due,
            in_flight,
            open: Cell::default(),
            next: NextRow::Unknown,
            seen_free: Cell::new(None),
            hand,
        })))
    }

    /// Whether a command wants to act on rows of entry `id`: it has `want/<entry>` locked. A file that nobody has locked is
    /// one that died.
    pub(in crate::spool) fn is_wanted(&self, id: &EntryId) -> bool {
        let file = dir::open_file(&self.dir, &format!("want/{id}"), dir::Open::Read);
        file.and_then(|file| lock::try_shared(&file)).is_ok_and(|free| !free)
    }
}

/// The log of entry `id`, relative to its job's folder.
pub(super) fn log_path(id: &EntryId) -> String {
    id.number_in_job().map_or(String::new(), |(n, k)| format!("log/{n}/{k}"))
}

/// Locks the log at `path`; one that is missing is made, and has lost everything.
pub(super) fn lock_log(home: &Home<'_>, path: &str) -> io::Result<Taken> {
    match Locked::take(home.dir(), path)? {
        Taken::Missing => {
            for (at, _) in path.match_indices('/') {
                make_folder(home.dir(), &path[..at])?;
            }
            Locked::make(home.dir(), path)
        }
        taken => Ok(taken),
    }
}

/// Whether the head's name still leads to `head`.
fn is_named(home: &Home<'_>, head: &File, path: &str) -> io::Result<bool> {
    let (ours, named) = (head.metadata()?, dir::stat(home.dir(), home.inner(path))?);
    Ok(named.is_some_and(|named| named.st_ino == ours.ino() && named.st_dev == ours.dev()))
}

impl MergeClaim<'_> {
    /// Names the log where a step on it failed, and not before.
    pub(super) fn log_failed(&self, doing: &'static str) -> impl FnOnce(io::Error) -> QueueError + use<> {
        let id = &self.envelope.id;
        let job = id.job().map_or("", |(job, _)| job);
        let path = self.queue.path(&format!("jobs/{job}/{}", log_path(id)));
        move |source| QueueError::Io { doing, path, source }
    }

    /// Has what it wrote written again before the next sync, if a sync of the file system has failed since.
    pub(super) fn heed_failed_syncs(&mut self) {
        let begun = self.queue.syncs_begun();
        if self.queue.sync_has_failed(self.since) {
            self.log.sync_failed();
            self.since = begun;
        }
    }

    /// What its mails are made of.
    pub(super) fn source(&self) -> Source<'_> {
        Source { queue: self.queue, home: &self.home, id: &self.envelope.id }
    }

    /// Whether somebody wants to act on its rows. Looked at again when the queue was woken since.
    pub(super) fn rows_are_wanted(&self) -> bool {
        let woken = self.queue.woken();
        if self.seen_free.get().is_some_and(|seen| seen.holds(woken)) {
            return false;
        }
        let wanted = self.queue.is_wanted(&self.envelope.id);
        self.seen_free.set((!wanted).then(|| Freshness::new(woken)));
        wanted
    }

    /// The window and the rate of its job.
    pub(super) fn pacing(&self) -> io::Result<&Pacing> {
        self.home.job_here().ok_or(io::ErrorKind::NotFound)?.pacing()
    }

    /// Its job's window, if it has one that is known.
    pub(super) fn window(&self) -> Option<&Window> {
        self.pacing().ok()?.window.as_ref()
    }

    /// Whether its job's window is closed now.
    pub(super) fn is_shut(&self) -> io::Result<bool> {
        let Some(window) = &self.pacing()?.window else { return Ok(false) };
        let (now, (from, to)) = (clock::now(), self.open.get());
        if from <= now && now < to {
            return Ok(false);
        }
        let until = window.open_until(now);
        self.open.set(until.map_or_else(Default::default, |until| (now, until)));
        Ok(until.is_none())
    }

    /// The time of a row that counts towards expiry at `now`: closed hours age nothing.
    pub(super) fn waited_of(&self, row: &RowState, now: Micros) -> Duration {
        match self.window() {
            Some(window) => row.waited_in(now, &|from, to| window.open_between(from, to)),
            None => row.waited(now),
        }
    }

    pub(super) fn row(&self, recipient: usize) -> Option<&RowState> {
        self.log.rows().get(u16::try_from(recipient).ok()?)
    }
}
