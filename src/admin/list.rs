//! `bulkmailer list`, and `mailq`: what waits, in the order of the spool.

use super::queues;
use super::select::{Filter, Place, Selection};
use crate::config::Site;
use crate::model::{Envelope, Exit, Micros};
use crate::policy::units::size_text;
use crate::spool::SpoolQueue;
use crate::spool::corrupt::Corrupt;
use crate::spool::jobs::Standing;
use crate::spool::layout::{Spot, State};
use crate::spool::row::{IN_DROP, Row};
use crate::sys::clock;
use crate::sys::output::{Page, Paper};

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub selection: Selection,
    /// Entries in this state only: ready, hold, failed or corrupt; may be given several times
    #[arg(long = "state", value_name = "STATE", value_enum, hide_possible_values = true)]
    pub places: Vec<Place>,
    /// The same as --state hold
    #[arg(long)]
    pub held: bool,
    /// The same as --state failed
    #[arg(long)]
    pub failed: bool,
    /// Print a JSON object a line, an entry each
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// The states that were asked for; none is all.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut places = self.places.clone();
        places.extend(self.held.then_some(Place::Hold));
        places.extend(self.failed.then_some(Place::Failed));
        places
    }
}

/// What a listing counted.
#[derive(Default)]
pub(super) struct Sum {
    pub entries: u64,
    pub bytes: u64,
}

/// `bulkmailer list`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let mut places = args.places();
    let selective = !places.is_empty() || !args.selection.is_empty();
    if places.is_empty() {
        places.extend(Place::ENTRIES);
    }
    let filter = args.selection.filter(&places)?;
    let queues = queues(site, args.selection.queue.as_deref())?;
    let mut paper = Paper::default();
    let sum = show_all(&queues, &filter, &places, args.json, &mut paper)?;
    if !args.json {
        paper.write(&Page::of(closing(&sum, selective)))?;
        let corrupt = if selective { 0 } else { count_corrupt(&queues)? };
        if corrupt > 0 {
            paper.write(&Page::of(format!(
                "-- {corrupt} more could not be read: see 'bulkmailer list --state corrupt'"
            )))?;
        }
    }
    if !args.json && !selective {
        let paused = queues.iter().map(|queue| queue.jobs(Standing::Paused).map(|jobs| jobs.len()));
        let paused = paused.sum::<Result<usize, _>>()?;
        if paused > 0 {
            paper.write(&Page::of(format!(
                "-- {paused} jobs are paused, and their entries are not listed: see 'bulkmailer jobs list'"
            )))?;
        }
    }
    if !args.json {
        for queue in &queues {
            if let Some(why) = site.config.no_way_out(queue.name()) {
                paper.write(&Page::of(format!("-- mail in {} is not sent: {why}", queue.name())))?;
            }
        }
    }
    paper.finish()?;
    Ok(if sum.entries == 0 && filter.names_some() { Exit::Attention } else { Exit::Ok })
}

fn count_corrupt(queues: &[SpoolQueue]) -> anyhow::Result<u64> {
    Ok(queues.iter().map(SpoolQueue::count_corrupt).sum::<Result<u64, _>>()?)
}

/// Prints what matches, in the order of the spool; stops when nobody reads any more.
pub(super) fn show_all(
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

pub(super) fn closing(sum: &Sum, selective: bool) -> String {
    match sum.entries {
        0 if selective => "No such entry is queued.".to_owned(),
        0 => "The queue is empty.".to_owned(),
        1 => format!("-- 1 entry, {}", human(sum.bytes)),
        n => format!("-- {n} entries, {}", human(sum.bytes)),
    }
}

/// A size for a person: exact where it has a short form, else rounded.
pub fn human(bytes: u64) -> String {
    let exact = size_text(bytes);
    if exact.len() <= 5 && !exact.bytes().all(|b| b.is_ascii_digit()) {
        return exact;
    }
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["K", "M", "G", "T"] {
        if value < 1_024.0 {
            break;
        }
        (value, unit) = (value / 1_024.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1}{unit}") }
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
    let page = if json { Page::json(&row)? } else { page(&row, spot.name.due) };
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
        let head = format!("{:<24} {:<9} {:>8}  {sender}", file.label(), queue.name(), human(file.bytes));
        let recipients = envelope.map(|envelope| &envelope.recipients[..]).unwrap_or_default();
        let mut page = Page::of(head.trim_end());
        recipients.iter().for_each(|recipient| page.line(format!("{:>44} {recipient}", "")));
        page.line(format!("    corrupt since {}: {why}", file.since.local()));
        page.line("");
        page
    };
    Ok(paper.write(&page)?)
}

/// What is said of a file in corrupt/ that was mended by hand.
pub(super) const MENDED: &str = "it can be read now: 'bulkmailer requeue' queues it again";

/// One entry for a person.
pub(super) fn page(row: &Row<'_>, due: Micros) -> Page {
    let sender = if row.sender.is_empty() { "<>" } else { &row.sender };
    let now = clock::now();
    let when = match &*row.state {
        "ready" if due <= now => "due now".to_owned(),
        "ready" => format!("next try {}", due.local()),
        IN_DROP if row.reason.is_none() => "handed in, for the next run to take up".to_owned(),
        IN_DROP => "handed in".to_owned(),
        state => state.to_owned(),
    };
    let mut page = Page::of(format!("{:<24} {:<9} {:>8}  {sender}", row.id, row.queue, human(row.bytes)));
    for recipient in &row.recipients {
        page.line(format!("{:>44} {recipient}", ""));
    }
    let mut text = format!("    {when}");
    if row.attempts > 0 {
        text.push_str(&format!(", after {} {}", row.attempts, if row.attempts == 1 { "attempt" } else { "attempts" }));
    }
    if let Some(reason) = &row.reason {
        text.push_str(&format!(": {reason}"));
    }
    page.line(text);
    page.line("");
    page
}
