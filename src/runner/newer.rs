//! The word about what newer programs made and this one leaves alone: said once a day, and noted for `status`. As with mail
//! that is due for too long, the status of the run is that of all other mail.

use serde::{Deserialize, Serialize};

use crate::model::{EntryId, Micros};
use crate::policy::reminder::{self, DAILY};
use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::sys::output::warning;
use crate::worker::board::newer::{Made, Met, NewerMade};

const NOTE: &str = "newer";

/// What the last run met that met any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewerNote {
    /// When it was said last.
    said: Micros,
    pub entries: u64,
    /// One of them.
    pub first: Option<EntryId>,
}

impl NewerNote {
    /// The note; `None` if there is none that can be read.
    pub fn last(queue: &SpoolQueue) -> Result<Option<NewerNote>, QueueError> {
        Ok(queue.read_note(NOTE)?.and_then(|(text, _)| serde_json::from_str(&text).ok()))
    }
}

/// Says and notes, at the end of a run, what was met. Nothing is looked at where that is nothing.
pub fn say(queue: &SpoolQueue, newer: NewerMade<'_>, now: Micros) -> Result<(), QueueError> {
    let (entries, jobs, elsewhere) = (newer.met(Made::Entry), newer.met(Made::Job), newer.met(Made::Elsewhere));
    if newer.is_empty() {
        return Ok(());
    }
    let said = NewerNote::last(queue)?.map(|note| note.said);
    let is_due = reminder::is_due(said, DAILY, now);
    if let (true, Some(Met { count, first, why })) = (is_due, &elsewhere) {
        let many = if *count == 1 { "" } else { "s" };
        warning!("{}: {count} job{many} left alone, as {first}: {why}; see 'bulkmailer jobs show'", queue.name());
    }
    if let (true, Some(first)) = (is_due, entries.as_ref().or(jobs.as_ref())) {
        let kinds = [(&entries, "entry", "entries"), (&jobs, "job", "jobs")];
        let counts = kinds.iter().filter_map(|(met, one, many)| {
            let count = met.as_ref()?.count;
            Some(format!("{count} {}", if count == 1 { one } else { many }))
        });
        let counts = counts.collect::<Vec<_>>().join(" and ");
        let more = if newer.is_full() { "more than " } else { "" };
        let (name, id, why) = (queue.name(), &first.first, &first.why);
        warning!("{name}: {more}{counts} of a newer bulkmailer left alone, as {id}: {why}; see 'bulkmailer check'");
    }
    let note = NewerNote {
        said: said.filter(|_| !is_due).unwrap_or(now),
        entries: entries.as_ref().map_or(0, |met| met.count),
        first: entries.and_then(|met| met.first.parse().ok()),
    };
    // If it cannot be noted it is said again by the next run.
    if let Ok(text) = serde_json::to_string(&note) {
        let _ = queue.write_note(NOTE, &format!("{text}\n"));
    }
    Ok(())
}
