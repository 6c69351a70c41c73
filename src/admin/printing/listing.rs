//! Entries and files in corrupt/ as a listing prints them, for a person or as JSON lines, and how many there were.

use super::entry::entry_page;
use crate::admin::selecting::filter::Filter;
use crate::admin::selecting::place::Place;
use crate::model::Envelope;
use crate::policy::units::rough_size;
use crate::spool::SpoolQueue;
use crate::spool::corrupt::Corrupt;
use crate::spool::names::{Spot, State};
use crate::spool::row::Row;
use crate::sys::output::{Page, Paper};

/// What is said of a file in corrupt/ that was mended by hand.
pub const MENDED: &str = "it can be read now: 'bulkmailer requeue' queues it again";

/// What a listing counted.
#[derive(Default)]
pub struct Sum {
    pub entries: u64,
    pub bytes: u64,
}

/// Prints what matches, in the order of the spool; stops when nobody reads any more.
pub fn show_all(
    queues: &[SpoolQueue],
    filter: &Filter,
    places: &[Place],
    json: bool,
    paper: &mut Paper,
) -> anyhow::Result<Sum> {
    let mut sum = Sum::default();
    let states: Vec<State> = places.iter().filter_map(|place| place.state()).collect();
    for queue in queues {
        filter.each_spot(queue, &states, &mut |spot| entry(queue, &spot, filter, json, paper, &mut sum))?;
        if places.contains(&Place::Corrupt) {
            filter.each_corrupt(queue, &mut |file| corrupt(queue, &file, json, paper, &mut sum))?;
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

/// Prints one entry; `Ok(false)` when nobody reads any more.
fn entry(
    queue: &SpoolQueue,
    spot: &Spot,
    filter: &Filter,
    json: bool,
    paper: &mut Paper,
    sum: &mut Sum,
) -> anyhow::Result<bool> {
    let Some(seen) = filter.look(queue, spot)? else { return Ok(true) };
    let history = queue.history(&seen.envelope.id, seen.envelope.recipients.len(), &mut |_| {})?;
    sum.entries += 1;
    sum.bytes += seen.extent.len;
    let row = Row::of(queue.name(), &seen, &history);
    let page = if json { Page::json(&row)? } else { entry_page(&row, spot.name.due, "") };
    Ok(paper.write(&page)?)
}

/// Prints one file of corrupt/; `Ok(false)` when nobody reads any more.
fn corrupt(queue: &SpoolQueue, file: &Corrupt, json: bool, paper: &mut Paper, sum: &mut Sum) -> anyhow::Result<bool> {
    sum.entries += 1;
    sum.bytes += file.bytes;
    let why = file.why.as_deref().unwrap_or(MENDED);
    let envelope = file.envelope.as_ref().map(|(envelope, _)| envelope);
    let page = if json {
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
