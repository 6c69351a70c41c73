//! Entries and files in corrupt/ as a listing prints them, for a person or as JSON lines, and how many there were.
//!
//! Entries are read by several threads and printed in order. The first line does not wait for the last:
//! what is pending is flushed after the first entries, and some times a second.

use std::time::{Duration, Instant};

use super::reading::{Form, Piece, Reading};
use crate::admin::selecting::filter::Filter;
use crate::admin::selecting::place::Place;
use crate::model::Envelope;
use crate::policy::units::rough_size;
use crate::spool::SpoolQueue;
use crate::spool::corrupt::Corrupt;
use crate::spool::names::State;
use crate::sys::output::{Page, Paper, warn};

/// What is said of a file in corrupt/ that was mended by hand.
pub const MENDED: &str = "it can be read now: 'bulkmailer requeue' queues it again";

/// How long lines are held back at most, while others come.
const HELD_BACK: Duration = Duration::from_millis(200);

/// What a listing counted.
#[derive(Default)]
pub struct Sum {
    pub entries: u64,
    pub bytes: u64,
}

/// Prints what matches; stops when nobody reads any more.
pub fn show_all(
    queues: &[SpoolQueue],
    filter: &Filter,
    places: &[Place],
    form: Form,
    paper: &mut Paper,
) -> anyhow::Result<Sum> {
    let mut sum = Sum::default();
    let states: Vec<State> = places.iter().filter_map(|place| place.state()).collect();
    let (mut flushed, mut pending) = (None, false);
    for queue in queues {
        let reading = Reading { queue, filter, form };
        reading.each(&states, &mut |piece: Piece| {
            piece.warnings.iter().for_each(|text| warn(text));
            sum.entries += piece.entries;
            sum.bytes += piece.bytes;
            let mut read = paper.write(&piece.page)?;
            pending |= piece.entries > 0;
            if pending && flushed.is_none_or(|at: Instant| at.elapsed() >= HELD_BACK) {
                read = paper.flush()?;
                (flushed, pending) = (Some(Instant::now()), false);
            }
            piece.failure.map_or(Ok(read), Err)
        })?;
        if places.contains(&Place::Corrupt) {
            filter.each_corrupt(queue, &mut |file| corrupt(queue, &file, form, paper, &mut sum))?;
        }
    }
    Ok(sum)
}

/// How many there were, in words.
pub fn closing(sum: &Sum, selective: bool) -> String {
    match sum.entries {
        0 if selective => "No such entry is queued.".to_owned(),
        0 => "The queue is empty.".to_owned(),
        1 => format!("-- 1 entry, {}", rough_size(sum.bytes)),
        n => format!("-- {n} entries, {}", rough_size(sum.bytes)),
    }
}

/// Prints one file of corrupt/; `Ok(false)` when nobody reads any more.
fn corrupt(queue: &SpoolQueue, file: &Corrupt, form: Form, paper: &mut Paper, sum: &mut Sum) -> anyhow::Result<bool> {
    sum.entries += 1;
    sum.bytes += file.bytes;
    let why = file.why.as_deref().unwrap_or(MENDED);
    let envelope = file.envelope.as_ref().map(|(envelope, _)| envelope);
    let page = if form.json {
        let row = serde_json::json!({
            "queue": queue.name(),
            "id": file.label(),
            "state": "corrupt",
            "file": file.name,
            "since": file.since.rfc3339(),
            "sender": envelope.map(Envelope::sender_text),
            "recipients": envelope.map(|envelope| &envelope.recipients),
            "bytes": file.bytes,
            "reason": why,
        });
        Page::json(&row)?
    } else {
        let sender = envelope.map_or("", Envelope::sender_text);
        let head = format!("{:<24} {:<9} {:>8}  {sender}", file.label(), queue.name(), rough_size(file.bytes));
        let recipients = envelope.map(|envelope| &envelope.recipients[..]).unwrap_or_default();
        let mut page = Page::of(head.trim_end());
        recipients.iter().for_each(|recipient| page.line(format!("{:>44} {recipient}", "")));
        page.line(format!("    corrupt since {}: {why}", file.since.local()));
        page.line("");
        page
    };
    Ok(paper.write(&page)?)
}
