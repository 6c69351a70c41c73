//! What a person does with the rows of an entry that he has claimed: sets them aside, gives them another chance, removes them,
//! or makes them due.
//!
//! The order of steps: rows that become due sooner: the head is renamed → its folder is synced → the log is written. Then, in any
//! case: the log is synced → the entry is let go. So a kill leaves a head that is early, and never one that is late.

use std::io;

use super::claim::MergeClaim;
use super::log::record::Answer;
use super::log::replay::RowState;
use crate::model::{Micros, Reason, Verdict};
use crate::queue::QueueError;
use crate::spool::decision::Decision;
use crate::spool::names::{EntryName, Spot};
use crate::sys::{dir, durable, fault};

impl MergeClaim<'_> {
    /// Makes the open rows due at `due` that are due later. Attempts and waiting time stay.
    pub fn reschedule(mut self, due: Micros) -> Result<(), QueueError> {
        self.on_disk(|claim| {
            claim.bring_forward(due)?;
            let rows = claim.log.rows().iter().filter(|(_, row)| row.is_open() && row.due.is_some_and(|own| own > due));
            let answers: Vec<Answer> = rows
                .map(|(row, state)| {
                    let reason = state.reason.clone().unwrap_or_else(|| Reason::new("it was made due"));
                    let (attempt, waited) = (state.attempts, claim.waited_of(state, due));
                    Answer { row, at: due, attempt, waited, next: Some(due), verdict: Verdict::Deferred(reason) }
                })
                .collect();
            answers.into_iter().try_for_each(|answer| claim.log.answer(answer))
        })?;
        self.release()
    }

    /// The rows whose number, and what is known of it, `meant` answers `true` for.
    pub fn rows_that(&self, meant: impl Fn(usize, &RowState) -> bool) -> Vec<u16> {
        let rows = self.log.rows().iter().filter(|(row, state)| meant(usize::from(*row), state));
        rows.map(|(row, _)| row).collect()
    }

    /// Sets rows aside.
    pub fn hold_rows(mut self, rows: &[u16], decision: Decision, why: &str) -> Result<(), QueueError> {
        self.on_disk(|claim| claim.log.hold(rows, decision.at, &Reason::new(why)))?;
        self.release()
    }

    /// Removes rows.
    pub fn remove_rows(mut self, rows: &[u16], decision: Decision) -> Result<(), QueueError> {
        self.on_disk(|claim| claim.log.remove(rows, decision.at))?;
        self.forget_held();
        self.release()
    }

    /// Makes rows due at `decision.at`, with no attempt made and no time waited.
    pub fn reopen_rows(mut self, rows: &[u16], decision: Decision) -> Result<(), QueueError> {
        self.on_disk(|claim| {
            claim.bring_forward(decision.at)?;
            claim.log.reopen(rows, decision.at, Some(decision.at))
        })?;
        self.forget_held();
        self.release()
    }

    /// Has the logs of its job read again at the job's end.
    fn forget_held(&self) {
        if let Some((job, _)) = self.spot.name.id.job() {
            self.queue.forget_held(&format!("jobs/{job}"));
        }
    }

    /// Does it, and waits until the log is on disk.
    fn on_disk(&mut self, change: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), QueueError> {
        let changed = change(self).and_then(|()| self.log.sync());
        changed.map_err(self.log_failed("write"))
    }

    fn release(self) -> Result<(), QueueError> {
        self.let_go().map_err(|stuck| stuck.error)
    }

    /// Renames the head, if it is due later, durably.
    fn bring_forward(&mut self, due: Micros) -> io::Result<()> {
        let EntryName { due: own, ref id, log, .. } = self.spot.name;
        if own <= due {
            return Ok(());
        }
        let name = EntryName { due, at: false, id: id.clone(), log };
        let to = Spot { state: self.spot.state, name };
        fault::point("merge.early")?;
        let (old, new) = (self.spot.path(), to.path());
        dir::rename_new(self.home.dir(), self.home.inner(&old), self.home.inner(&new))?;
        self.spot = to;
        durable::sync_dir(self.home.dir(), self.home.inner(&self.spot.folder()))
    }
}
