//! A merge's entry as a worker knows it, behind [`Claim`].
//!
//! What holds: a row is handed over alone, after *begun* is in the log, and answered by one record, which has its attempt and
//! its next time: a delivery's by [`Claim::answer`], any other by [`Claim::note`]. The same record begins the next row, if its
//! turn had come before ([`Claim::admit_next`]); else the answer is written alone, and waits for nothing. So a kill leaves the
//! first row answered and the second in flight, or the first in flight and the second untouched.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use super::claim::{MergeClaim, NextRow};
use super::log::record::Answer;
use super::log::replay::{RowState, Standing};
use super::mail::is_put_back;
use crate::model::verdict::Kind;
use crate::model::{Envelope, Micros, Reason, RowSummary, Verdict};
use crate::policy::notice::{About, RecipientStatus};
use crate::policy::told::Known;
use crate::queue::{AttemptNote, Begun, Bucket, Claim, End, Message, NoMessage, QueueError, Stuck};
use crate::sys::clock;

/// Senders are notified of a merge at its end alone.
static NOBODY: BTreeSet<(About, usize)> = BTreeSet::new();

impl Claim for MergeClaim<'_> {
    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn due(&self) -> Micros {
        self.spot.name.due
    }

    // Each row has its own.
    fn attempts(&self) -> u32 {
        0
    }

    fn waited(&self, _now: Micros) -> Duration {
        Duration::ZERO
    }

    fn open(&self) -> Vec<usize> {
        self.due.iter().copied().filter(|&row| self.row(row).is_some_and(RowState::is_open)).collect()
    }

    fn in_flight(&self) -> Vec<usize> {
        self.in_flight.clone()
    }

    fn any(&self, kind: Kind) -> bool {
        let is = |row: &RowState| match kind {
            Kind::Delivered => row.standing == Standing::Delivered,
            Kind::Failed => row.standing == Standing::Failed,
            Kind::Held => row.standing == Standing::Held,
            Kind::Suppressed => row.standing == Standing::Suppressed,
            Kind::Deferred | Kind::Unknown => row.is_open() && row.attempts > 0,
        };
        self.log.rows().iter().any(|(_, row)| is(row))
    }

    /// Renders the row, and keeps the mail: it comes next.
    fn size(&self, group: &[usize]) -> u64 {
        group.first().map_or(0, |&row| self.mails.outline(&self.source(), row).0)
    }

    fn is_utf8(&self, group: &[usize]) -> bool {
        group.first().is_some_and(|&row| self.mails.outline(&self.source(), row).1)
    }

    fn last_reason(&self, group: &[usize]) -> Option<&Reason> {
        self.row(*group.first()?)?.reason.as_ref()
    }

    fn has_rows(&self) -> bool {
        true
    }

    fn own_attempts(&self, recipient: usize, now: Micros) -> Option<(u32, Duration)> {
        self.row(recipient).map(|row| (row.attempts, self.waited_of(row, now)))
    }

    fn row_summary(&self) -> Option<(u64, RowSummary)> {
        Some(self.summary())
    }

    fn is_post(&self) -> bool {
        true
    }

    fn message(&self, group: &[usize], by_position: bool) -> Result<Message, NoMessage> {
        let row = number(group).map_err(self.log_failed("render rows of"))?;
        let again = self.log.rows().get(row).is_some_and(is_put_back);
        self.mails.message(&self.source(), row.into(), again, by_position)
    }

    fn job_was_moved(&self) -> bool {
        self.home.job_was_moved() || self.rows_are_wanted()
    }

    fn is_closed(&self) -> Result<bool, QueueError> {
        self.is_shut().map_err(|error| self.queue.failed("pace", &format!("jobs/{}", self.job()))(error))
    }

    fn bucket(&self) -> Option<&Bucket> {
        self.pacing().ok()?.bucket.as_ref()
    }

    fn admit_next(&mut self, group: &[usize]) {
        self.next = number(group).map_or(NextRow::Unknown, NextRow::Admitted);
    }

    fn take_back_next(&mut self) -> Result<(), QueueError> {
        match std::mem::take(&mut self.next) {
            NextRow::Begun(row) => self.log.take_back(row).map_err(self.log_failed("write")),
            NextRow::Admitted(_) | NextRow::Unknown => Ok(()),
        }
    }

    fn begin(&mut self, group: Vec<usize>, _now: Micros) -> Result<Begun, QueueError> {
        let row = number(&group).map_err(self.log_failed("write"))?;
        if self.next == NextRow::Begun(row) {
            self.next = NextRow::Unknown;
        } else {
            self.take_back_next()?;
            self.log.begin(row).map_err(self.log_failed("write"))?;
        }
        let begun = Begun { group, mark: None };
        self.heed_failed_syncs();
        if self.queue.announces
            && let Err(error) = self.log.sync()
        {
            let error = self.log_failed("sync")(error);
            // If not even this can be written, it is held in vain.
            let _ = self.answer(begun, None);
            return Err(error);
        }
        Ok(begun)
    }

    fn answer(&mut self, begun: Begun, verdicts: Option<&[Verdict]>) -> Result<(), QueueError> {
        let answered = number(&begun.group).and_then(|row| match verdicts {
            None => self.log.take_back(row),
            Some([verdict @ Verdict::Delivered(_)]) => {
                let at = clock::now();
                let before = self.log.rows().get(row);
                let (attempt, waited) =
                    before.map_or((1, Duration::ZERO), |row| (row.attempts.saturating_add(1), self.waited_of(row, at)));
                self.log_answer(Answer { row, at, attempt, waited, next: None, verdict: verdict.clone() })
            }
            // Its record is written with the time of its next attempt.
            Some(_) => Ok(()),
        });
        answered.map_err(self.log_failed("write"))
    }

    fn note(&mut self, attempt: &AttemptNote) -> Result<(), QueueError> {
        for (group, verdict) in &attempt.results {
            let rows: Vec<u16> = group.iter().filter_map(|&row| u16::try_from(row).ok()).collect();
            let noted = match verdict {
                Verdict::Held(reason) => self.log.hold(&rows, attempt.at, reason),
                Verdict::Delivered(_)
                | Verdict::Deferred(_)
                | Verdict::Failed(_)
                | Verdict::Unknown(_)
                | Verdict::Suppressed(_) => rows.iter().try_for_each(|&row| self.note_one(row, attempt, verdict)),
            };
            noted.map_err(self.log_failed("write"))?;
        }
        Ok(())
    }

    fn known(&self) -> Known<'_> {
        Known { recipients: 0, last: &[], noticed: &NOBODY, removed: true, is_post: true }
    }

    fn statuses(&self, recipients: &[usize]) -> Result<Vec<RecipientStatus>, QueueError> {
        let status = |&i: &usize| {
            let (row, recipient) = (self.row(i)?, self.envelope.recipients.get(i)?.clone());
            Some(RecipientStatus { recipient, at: Some(row.at), reason: row.reason.clone() })
        };
        Ok(recipients.iter().filter_map(status).collect())
    }

    fn noticed(&mut self, _about: About, _recipients: &[usize], _now: Micros) -> Result<(), QueueError> {
        Ok(())
    }

    fn settle(self, _end: End) -> Result<(), Stuck<Self>> {
        self.let_go().map_err(|stuck| *stuck)
    }
}

impl MergeClaim<'_> {
    fn job(&self) -> &str {
        self.envelope.id.job().map_or("", |(job, _)| job)
    }

    fn note_one(&mut self, row: u16, attempt: &AttemptNote, verdict: &Verdict) -> io::Result<()> {
        let AttemptNote { number, at, waited, next, .. } = *attempt;
        let before = self.log.rows().get(row).map_or(0, |row| row.attempts);
        let (attempt, next) = match verdict {
            Verdict::Deferred(_) | Verdict::Unknown(_) => (number, next),
            Verdict::Delivered(_) | Verdict::Failed(_) | Verdict::Held(_) => (number, None),
            // It was not tried.
            Verdict::Suppressed(_) => (before, None),
        };
        self.log_answer(Answer { row, at, attempt, waited, next, verdict: verdict.clone() })
    }

    fn log_answer(&mut self, answer: Answer) -> io::Result<()> {
        match std::mem::take(&mut self.next) {
            NextRow::Admitted(next) => {
                if self.log.answer_and_begin(answer, next)? {
                    self.next = NextRow::Begun(next);
                }
                Ok(())
            }
            // One that was begun is the one that is answered, without a hand-over.
            NextRow::Begun(_) | NextRow::Unknown => self.log.answer(answer),
        }
    }
}

/// The one row of a group.
fn number(group: &[usize]) -> io::Result<u16> {
    match group {
        [row] => u16::try_from(*row).map_err(io::Error::other),
        _ => Err(io::Error::other("internal fault: rows are handed over one by one")),
    }
}
