//! How a merge's entry leaves the hand of its claim: by what its log tells.
//!
//! The order of steps: an open row is left: the log is synced → the head is renamed to the earliest time that a row is due at,
//! with the log's length in its name. None is left: the head waits, under both locks, for a sync that begins later → the log is
//! on disk → the head is unlinked. A kill before the last step leaves a head whose name is early or notes too little, which
//! the next claim puts right. Where the job's window is closed then, the head gets the time that it opens at; a row's own time
//! stays as it is in the log.

use std::io;

use super::claim::MergeClaim;
use super::waiting::WaitingHead;
use crate::model::Micros;
use crate::queue::{Claim, QueueError, Stuck};
use crate::spool::names::{EntryName, Spot};
use crate::spool::queue::SpoolQueue;
use crate::sys::mutex::locked;
use crate::sys::{clock, dir, fault};

/// How many heads wait for the supervisor's sync of each second at most. With more the worker makes one itself.
const WAITING_MAX: usize = 32;

impl MergeClaim<'_> {
    /// Lets it go.
    pub(super) fn let_go(mut self) -> Result<(), Box<Stuck<Self>>> {
        if let Some((due, at)) = self.next_due() {
            return match self.defer(due, at) {
                Ok(()) => Ok(()),
                Err(error) => {
                    let error = self.queue.failed("settle", &self.spot.path())(error);
                    Err(Box::new(Stuck { claim: self, error }))
                }
            };
        }
        let Some(job) = self.home.job() else {
            let error = self.queue.failed("settle", &self.spot.path())(io::ErrorKind::NotFound.into());
            return Err(Box::new(Stuck { claim: self, error }));
        };
        let queue = self.queue;
        let path = self.home.inner(&self.spot.path()).to_owned();
        // If it cannot be written again, its own sync tries once more, and reports that.
        let expected = self.log.expect_sync().is_ok();
        let begun = queue.syncs.get().filter(|_| expected).map(|syncs| syncs.begun());
        let head = WaitingHead { job, path, log: self.log, begun, _head: self.head, _hand: self.hand };
        let count = {
            let mut waiting = locked(&queue.waiting.0);
            waiting.push(head);
            waiting.len()
        };
        queue.remove_synced();
        if count >= WAITING_MAX {
            // What cannot be removed waits on, and is reported at the next pass.
            let _ = queue.remove_waiting();
        }
        Ok(())
    }

    /// When the first of the open rows is due, and whether a person asked for that time, as also for the window's opening;
    /// `None` if none is open.
    fn next_due(&self) -> Option<(Micros, bool)> {
        let EntryName { due: head, at, .. } = self.spot.name;
        let rows = self.log.rows().iter().filter(|(_, row)| row.is_open());
        let first = rows.map(|(_, row)| row.due.map_or((head, at), |due| (due, row.attempts == 0))).min()?;
        let opens = self.window().and_then(|window| window.defers(first.0, clock::now()));
        Some(opens.map_or(first, |opens| (opens, true)))
    }

    /// Renames the head.
    pub(super) fn defer(&mut self, due: Micros, at: bool) -> io::Result<()> {
        self.log.sync()?;
        let name = EntryName { due, at, id: self.id().clone(), log: Some(self.log.durable()) };
        let to = Spot { state: self.spot.state, name };
        if to != self.spot {
            fault::point("merge.rename")?;
            let (old, new) = (self.spot.path(), to.path());
            dir::rename_new(self.home.dir(), self.home.inner(&old), self.home.inner(&new))?;
            fault::instant("merge.renamed");
            self.spot = to;
        }
        Ok(())
    }
}

impl SpoolQueue {
    /// Removes the heads whose logs a sync of the supervisor has made durable.
    fn remove_synced(&self) {
        let Some(syncs) = self.syncs.get() else { return };
        let heads = std::mem::take(&mut *locked(&self.waiting.0));
        for mut head in heads {
            match head.begun {
                Some(begun) if syncs.has_failed(begun) => {
                    head.log.sync_failed();
                    head.begun = None;
                }
                Some(begun) if syncs.has_come(begun) => head.log.synced(),
                Some(_) | None => {}
            }
            if !head.log.is_durable() || self.remove_head(&head).is_err() {
                locked(&self.waiting.0).push(head);
            }
        }
    }

    /// Removes heads whose rows are all closed, after one sync for all of their logs.
    ///
    /// Errors: a log that is not on disk, a head that cannot be unlinked; it waits on, locked.
    pub(in crate::spool) fn remove_waiting(&self) -> Result<(), QueueError> {
        let mut heads = std::mem::take(&mut *locked(&self.waiting.0));
        if heads.is_empty() {
            return Ok(());
        }
        let expected: Vec<bool> = heads.iter_mut().map(|head| head.log.expect_sync().is_ok()).collect();
        fault::instant("merge.waiting");
        let synced = self.sync();
        let mut fault = Ok(());
        for (mut head, expected) in heads.into_iter().zip(expected) {
            match (&synced, expected) {
                (Ok(()), true) => head.log.synced(),
                (Ok(()), false) | (Err(_), _) => head.log.sync_failed(),
            }
            if let Err(error) = head.log.sync().and_then(|()| self.remove_head(&head)) {
                fault = Err(self.failed("settle", &format!("{}/{}", head.job.path, head.path))(error));
                locked(&self.waiting.0).push(head);
            }
        }
        fault
    }

    fn remove_head(&self, head: &WaitingHead) -> io::Result<()> {
        fault::point("merge.unlink")?;
        match dir::unlink(&head.job.dir, &head.path) {
            // Its job was cancelled long ago, and is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }?;
        fault::instant("merge.unlinked");
        Ok(())
    }
}
