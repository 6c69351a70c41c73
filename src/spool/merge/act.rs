//! What a person does with the rows of an entry that he has claimed: sets them aside, gives them another chance, removes them,
//! or makes them due.
//!
//! The order of steps: rows that become due sooner: the other rows that wait with the head for a time that was asked for get
//! that time as their own, in the log, which is synced → the head is renamed → its folder is synced → the log is written. Then,
//! in any case: the log is synced → the entry is let go. So a kill leaves a head that is early, and never one that is late;
//! and at `merge.early` and `merge.earlier` rows that were not meant still wait for their time.

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
    /// Makes these of the open rows due at `due`, if they are due later. Attempts and waiting time stay.
    pub fn reschedule(mut self, meant: &[u16], due: Micros) -> Result<(), QueueError> {
        self.on_disk(|claim| {
            claim.bring_forward(meant, due)?;
            let is_later = |row: &RowState| row.is_open() && row.due.is_some_and(|own| own > due);
            let rows = claim.log.rows().iter().filter(|(number, row)| meant.contains(number) && is_later(row));
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
            claim.bring_forward(rows, decision.at)?;
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

    /// Renames the head, if it is due later than `due`, durably. Rows that wait with it go on waiting, but for those `meant`.
    fn bring_forward(&mut self, meant: &[u16], due: Micros) -> io::Result<()> {
        let EntryName { due: own, at, ref id, log } = self.spot.name;
        if own <= due {
            return Ok(());
        }
        let name = EntryName { due, at: false, id: id.clone(), log };
        let to = Spot { state: self.spot.state, name };
        if at {
            // One that is in flight was due.
            let waits = |row: &RowState| row.is_open() && row.due.is_none() && !row.in_flight;
            let others = self.rows_that(|_, row| waits(row));
            let others: Vec<u16> = others.into_iter().filter(|row| !meant.contains(row)).collect();
            self.log.reopen(&others, due, Some(own))?;
            self.log.sync()?;
        }
        fault::point("merge.early")?;
        let (old, new) = (self.spot.path(), to.path());
        dir::rename_new(self.home.dir(), self.home.inner(&old), self.home.inner(&new))?;
        fault::instant("merge.earlier");
        self.spot = to;
        durable::sync_dir(self.home.dir(), self.home.inner(&self.spot.folder()))
    }
}
