//! What a worker of this spool has in hand: an entry with its message, or a merge's head. Each call goes to the one that it is.

use std::time::Duration;

use super::claim::SpoolClaim;
use super::merge::claim::MergeClaim;
use crate::model::verdict::Kind;
use crate::model::{Envelope, Micros, Reason, RowSummary, Verdict};
use crate::policy::notice::{About, RecipientStatus};
use crate::policy::told::Known;
use crate::queue::{AttemptNote, Begun, Bucket, Claim, End, Message, NoMessage, QueueError, Stuck};

/// A claim of either kind.
#[derive(Debug)]
pub enum Claimed<'q> {
    Entry(Box<SpoolClaim<'q>>),
    Head(Box<MergeClaim<'q>>),
}

impl Claim for Claimed<'_> {
    fn envelope(&self) -> &Envelope {
        match self {
            Claimed::Entry(claim) => claim.envelope(),
            Claimed::Head(claim) => claim.envelope(),
        }
    }

    fn due(&self) -> Micros {
        match self {
            Claimed::Entry(claim) => claim.due(),
            Claimed::Head(claim) => claim.due(),
        }
    }

    fn attempts(&self) -> u32 {
        match self {
            Claimed::Entry(claim) => claim.attempts(),
            Claimed::Head(claim) => claim.attempts(),
        }
    }

    fn waited(&self, now: Micros) -> Duration {
        match self {
            Claimed::Entry(claim) => claim.waited(now),
            Claimed::Head(claim) => claim.waited(now),
        }
    }

    fn open(&self) -> Vec<usize> {
        match self {
            Claimed::Entry(claim) => claim.open(),
            Claimed::Head(claim) => claim.open(),
        }
    }

    fn in_flight(&self) -> Vec<usize> {
        match self {
            Claimed::Entry(claim) => claim.in_flight(),
            Claimed::Head(claim) => claim.in_flight(),
        }
    }

    fn any(&self, kind: Kind) -> bool {
        match self {
            Claimed::Entry(claim) => claim.any(kind),
            Claimed::Head(claim) => claim.any(kind),
        }
    }

    fn size(&self, group: &[usize]) -> u64 {
        match self {
            Claimed::Entry(claim) => claim.size(group),
            Claimed::Head(claim) => claim.size(group),
        }
    }

    fn is_utf8(&self, group: &[usize]) -> bool {
        match self {
            Claimed::Entry(claim) => claim.is_utf8(group),
            Claimed::Head(claim) => claim.is_utf8(group),
        }
    }

    fn last_reason(&self, group: &[usize]) -> Option<&Reason> {
        match self {
            Claimed::Entry(claim) => claim.last_reason(group),
            Claimed::Head(claim) => claim.last_reason(group),
        }
    }

    fn has_rows(&self) -> bool {
        match self {
            Claimed::Entry(claim) => claim.has_rows(),
            Claimed::Head(claim) => claim.has_rows(),
        }
    }

    fn own_attempts(&self, recipient: usize, now: Micros) -> Option<(u32, Duration)> {
        match self {
            Claimed::Entry(claim) => claim.own_attempts(recipient, now),
            Claimed::Head(claim) => claim.own_attempts(recipient, now),
        }
    }

    fn row_summary(&self) -> Option<(u64, RowSummary)> {
        match self {
            Claimed::Entry(claim) => claim.row_summary(),
            Claimed::Head(claim) => claim.row_summary(),
        }
    }

    fn is_post(&self) -> bool {
        match self {
            Claimed::Entry(claim) => claim.is_post(),
            Claimed::Head(claim) => claim.is_post(),
        }
    }

    fn message(&self, group: &[usize], by_position: bool) -> Result<Message, NoMessage> {
        match self {
            Claimed::Entry(claim) => claim.message(group, by_position),
            Claimed::Head(claim) => claim.message(group, by_position),
        }
    }

    fn job_was_moved(&self) -> bool {
        match self {
            Claimed::Entry(claim) => claim.job_was_moved(),
            Claimed::Head(claim) => claim.job_was_moved(),
        }
    }

    fn is_closed(&self) -> Result<bool, QueueError> {
        match self {
            Claimed::Entry(claim) => claim.is_closed(),
            Claimed::Head(claim) => claim.is_closed(),
        }
    }

    fn bucket(&self) -> Option<&Bucket> {
        match self {
            Claimed::Entry(claim) => claim.bucket(),
            Claimed::Head(claim) => claim.bucket(),
        }
    }

    fn admit_next(&mut self, group: &[usize]) {
        match self {
            Claimed::Entry(claim) => claim.admit_next(group),
            Claimed::Head(claim) => claim.admit_next(group),
        }
    }

    fn take_back_next(&mut self) -> Result<(), QueueError> {
        match self {
            Claimed::Entry(claim) => claim.take_back_next(),
            Claimed::Head(claim) => claim.take_back_next(),
        }
    }

    fn begin(&mut self, group: Vec<usize>, now: Micros) -> Result<Begun, QueueError> {
        match self {
            Claimed::Entry(claim) => claim.begin(group, now),
            Claimed::Head(claim) => claim.begin(group, now),
        }
    }

    fn answer(&mut self, begun: Begun, verdicts: Option<&[Verdict]>) -> Result<(), QueueError> {
        match self {
            Claimed::Entry(claim) => claim.answer(begun, verdicts),
            Claimed::Head(claim) => claim.answer(begun, verdicts),
        }
    }

    fn note(&mut self, attempt: &AttemptNote) -> Result<(), QueueError> {
        match self {
            Claimed::Entry(claim) => claim.note(attempt),
            Claimed::Head(claim) => claim.note(attempt),
        }
    }

    fn known(&self) -> Known<'_> {
        match self {
            Claimed::Entry(claim) => claim.known(),
            Claimed::Head(claim) => claim.known(),
        }
    }

    fn statuses(&self, recipients: &[usize]) -> Result<Vec<RecipientStatus>, QueueError> {
        match self {
            Claimed::Entry(claim) => claim.statuses(recipients),
            Claimed::Head(claim) => claim.statuses(recipients),
        }
    }

    fn noticed(&mut self, about: About, recipients: &[usize], now: Micros) -> Result<(), QueueError> {
        match self {
            Claimed::Entry(claim) => claim.noticed(about, recipients, now),
            Claimed::Head(claim) => claim.noticed(about, recipients, now),
        }
    }

    fn settle(self, end: End) -> Result<(), Stuck<Self>> {
        match self {
            Claimed::Entry(claim) => claim
                .settle(end)
                .map_err(|Stuck { claim, error }| Stuck { claim: Claimed::Entry(Box::new(claim)), error }),
            Claimed::Head(claim) => claim
                .settle(end)
                .map_err(|Stuck { claim, error }| Stuck { claim: Claimed::Head(Box::new(claim)), error }),
        }
    }
}
