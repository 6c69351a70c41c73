//! A log as an onlooker sees it: in the words of a journal, so that `show` and `list` tell of rows as of other recipients.

use std::fs::File;
use std::io;

use super::claim::log_path;
use super::log::file::look;
use super::log::record::{Answer, Record};
use crate::model::verdict::Kind;
use crate::model::{EntryId, Micros, Reason, SinkReply, Verdict};
use crate::spool::history::{AttemptLine, JournalLine, ResultLine};

/// Shows `each` what the log of entry `id` tells of its rows, as lines of a journal; the entry's job lies in the folder
/// `jobs`. A row that a person removed counts as failed.
///
/// Errors: it cannot be read, is not there, or a newer program began it.
pub(in crate::spool) fn each_line(
    queue: &File,
    id: &EntryId,
    rows: usize,
    each: &mut dyn FnMut(JournalLine),
) -> io::Result<()> {
    let job = id.job().map_or("", |(job, _)| job);
    let rows = u16::try_from(rows).unwrap_or(u16::MAX);
    let path = format!("jobs/{job}/{}", log_path(id));
    look(queue, &path, (id, rows), &mut |record| lines(record, each)).map(|_| ())
}

fn lines(record: &Record, each: &mut dyn FnMut(JournalLine)) {
    match record {
        Record::First { .. } | Record::Claimed { .. } => {}
        Record::Begun { row } => each(begun(*row, "?")),
        Record::TakenBack { row } => each(begun(*row, "-")),
        Record::Answer { answer, begun: next } => {
            each(JournalLine::Attempt(answered(answer)));
            if let Some(row) = next {
                each(begun(*row, "?"));
            }
        }
        Record::Held { row, at, reason } => each(decided(*row, *at, Kind::Held, Some(reason.clone()))),
        Record::Removed { row, at } => {
            each(decided(*row, *at, Kind::Failed, Some(Reason::new("a person removed it"))));
        }
        Record::Reopened { row, at, .. } => {
            each(JournalLine::Reopened { reopened: *at, by: 0, group: vec![usize::from(*row)] });
        }
    }
}

fn begun(row: u16, status: &str) -> JournalLine {
    let group = vec![usize::from(row)];
    JournalLine::Begun { begun: Micros::default(), group, status: status.to_owned(), reply: None }
}

fn answered(answer: &Answer) -> AttemptLine {
    let Answer { row, at, attempt, waited, next, verdict } = answer;
    let reply = match verdict {
        Verdict::Delivered(reply) => reply.as_ref().map(|reply| SinkReply::text(reply).to_owned()),
        Verdict::Deferred(_) | Verdict::Failed(_) | Verdict::Unknown(_) | Verdict::Held(_) | Verdict::Suppressed(_) => {
            None
        }
    };
    let result = result(*row, verdict.kind(), verdict.reason().cloned(), reply);
    let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
    AttemptLine { attempt: *attempt, at: *at, waited, next: *next, results: vec![result] }
}

fn decided(row: u16, at: Micros, kind: Kind, reason: Option<Reason>) -> JournalLine {
    let results = vec![result(row, kind, reason, None)];
    JournalLine::Attempt(AttemptLine { attempt: 0, at, waited: 0, next: None, results })
}

fn result(row: u16, kind: Kind, reason: Option<Reason>, reply: Option<String>) -> ResultLine {
    ResultLine { group: vec![usize::from(row)], verdict: kind.name().to_owned(), reason, reply }
}
