//! What was settled, on its way to the disk: a power cut costs what was settled since the last sync, about a second.

use std::time::{Duration, Instant};

use super::plan::Plan;
use crate::model::Exit;
use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::spool::syncs::BegunSync;
use crate::sys::fault;
use crate::sys::output::warning;
use crate::sys::process::{self, Ended};
use crate::worker::board::Counter;

const EVERY: Duration = Duration::from_secs(1);

/// The syncs of one holding of the lock, one at a time.
pub(super) struct Syncer<'p, 'a> {
    plan: &'p Plan<'a>,
    queue: &'p SpoolQueue,
    child: Option<i32>,
    /// The sync that it makes.
    begun: Option<BegunSync>,
    /// What was done when the last sync began, and when that was.
    synced: u64,
    last: Instant,
    failed: bool,
}

impl<'p, 'a> Syncer<'p, 'a> {
    pub fn new(plan: &'p Plan<'a>, queue: &'p SpoolQueue) -> Syncer<'p, 'a> {
        Syncer { plan, queue, child: None, begun: None, synced: done(plan), last: Instant::now(), failed: false }
    }

    pub fn is_at_work(&self) -> bool {
        self.child.is_some()
    }

    /// Once a second while anything was settled: a child syncs, so that a slow disk stops neither us nor the workers.
    pub fn keep_safe(&mut self) {
        let done = done(self.plan);
        if self.child.is_some() || done == self.synced || self.last.elapsed() < EVERY {
            return;
        }
        self.synced = done;
        self.last = Instant::now();
        // Before the fork: what workers write from now on is not waited for.
        let begun = self.queue.sync_begins();
        self.begun = begun;
        let child = process::fork(|| {
            fault::instant("syncer.forked");
            let synced = self.sync();
            self.queue.sync_ended(begun, synced);
            if synced { Exit::Ok.code() } else { Exit::IoErr.code() }
        });
        // Without room for a process it is tried again; the last sync needs none.
        self.child = child.ok();
    }

    /// Takes note of the end of a child; `false` if it was not this one.
    pub fn ended(&mut self, pid: i32, how: Ended) -> bool {
        if self.child != Some(pid) {
            return false;
        }
        self.child = None;
        // The kernel tells of a failed write once, so the next sync would seem to succeed.
        if how != Ended::Exited(0) {
            self.queue.sync_ended(self.begun, false);
        }
        match how {
            Ended::Exited(0) => {}
            // It was said.
            Ended::Exited(_) => self.failed = true,
            // It was killed, and what came of its sync is not known. The next one makes up for it.
            Ended::Signalled(_) => self.synced = u64::MAX,
        }
        true
    }

    /// The last sync, by ourselves; whether all of them succeeded.
    pub fn close(&mut self) -> bool {
        self.failed |= done(self.plan) != self.synced && !self.sync();
        !self.failed
    }

    /// Waits until what was settled is on disk; says once if that fails.
    fn sync(&self) -> bool {
        let failed = |source| QueueError::Io { doing: "sync", path: self.queue.path(""), source };
        let synced = fault::point("syncer.sync").map_err(failed).and_then(|()| self.queue.sync());
        if let Err(error) = &synced
            && !self.failed
        {
            let what = "after a power cut, mail that was delivered may be delivered again: look after the disk";
            warning!("{}: {error}; {what}", self.plan.name);
        }
        synced.is_ok()
    }
}

/// What was settled so far, entries and recipients together: if it changes there is something to sync.
fn done(plan: &Plan<'_>) -> u64 {
    plan.board.recipients_done() + plan.board.count(Counter::Settled)
}
