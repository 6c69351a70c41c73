//! `bulkmailer list`, and `mailq`: what waits, in the order of the spool, and then what waits in `drop/` to be adopted.

use super::row::page;
use super::select::{Filter, Place, Selection};
use super::{dropped, queues};
use crate::config::Site;
use crate::model::{Envelope, Exit};
use crate::policy::units::rough_size;
use crate::spool::SpoolQueue;
use crate::spool::corrupt::Corrupt;
use crate::spool::drop::DropView;
use crate::spool::job::Standing;
use crate::spool::names::{Spot, State};
use crate::spool::row::Row;
use crate::sys::output::{Page, Paper};

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub selection: Selection,
    /// Entries in this state only: ready, hold, failed, corrupt or drop; may be given several times
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

/// How often a listing looks for what seems to be nothing.
const ADOPTED_MEANWHILE: usize = 3;
/// What is said where only names in drop/ are there that are no mail.
const NONE: &str = "No mail is queued.";

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
        places.extend(Place::LISTED);
    }
    let filter = args.selection.filter(&places)?;
    let asked = args.selection.queue.as_deref();
    let mut paper = Paper::default();
    let (mut queues, mut sum, mut junk) = (queues(site, asked)?, Sum::default(), 0);
    let view = if places.contains(&Place::Drop) { dropped::view(site)? } else { None };
    for _ in 0..ADOPTED_MEANWHILE {
        let before = view.as_ref().map(DropView::stamp).transpose()?;
        sum = show_all(&queues, &filter, &places, args.json, &mut paper)?;
        let Some(view) = &view else { break };
        let listed = dropped::list(site, view, asked, &filter, args.json, &mut paper)?;
        sum.entries += listed.files;
        sum.bytes = sum.bytes.saturating_add(listed.bytes);
        junk = listed.junk;
        // What was adopted after its queue had been listed is in neither: a queue that seems empty is looked at again.
        if sum.entries > 0 || before == Some(view.stamp()?) {
            break;
        }
        queues = super::queues(site, asked)?;
    }
    if !args.json {
        let said = if junk > 0 && sum.entries == 0 && !selective { NONE.to_owned() } else { closing(&sum, selective) };
        paper.write(&Page::of(said))?;
        if junk > 0 && !selective {
            paper.write(&Page::of(format!("-- {}", dropped::junk_text(junk))))?;
        }
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
    let page = if json { Page::json(&row)? } else { page(&row, spot.name.due, "") };
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

/// What is said of a file in corrupt/ that was mended by hand.
pub(super) const MENDED: &str = "it can be read now: 'bulkmailer requeue' queues it again";
