//! `bulkmailer list`, and `mailq`: what waits, each state of a queue by due time, and then what waits in `drop/` to be adopted.

use super::in_drop::count::junk_text;
use super::in_drop::list::list_drop;
use super::in_drop::meant::drop_view;
use super::printing::listing::{Sum, closing, show_all};
use super::printing::reading::Form;
use super::selecting::open_queues::open_queues;
use super::selecting::place::Place;
use super::selecting::selection::Selection;
use crate::config::Site;
use crate::model::Exit;
use crate::spool::SpoolQueue;
use crate::spool::drop::DropView;
use crate::spool::job::Standing;
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
    /// Print entries as they come, not by due time: the first at once, however many wait
    #[arg(long)]
    pub unsorted: bool,
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

/// `bulkmailer list`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let mut places = args.places();
    let selective = !places.is_empty() || !args.selection.is_empty();
    if places.is_empty() {
        places.extend(Place::LISTED);
    }
    let filter = args.selection.filter(&places)?;
    let asked = args.selection.queue.as_deref();
    let form = Form { json: args.json, by_due: !args.unsorted };
    let mut paper = Paper::default();
    let (mut queues, mut sum, mut junk) = (open_queues(site, asked)?, Sum::default(), 0);
    let view = if places.contains(&Place::Drop) { drop_view(site)? } else { None };
    for _ in 0..ADOPTED_MEANWHILE {
        let before = view.as_ref().map(DropView::stamp).transpose()?;
        sum = show_all(&queues, &filter, &places, form, &mut paper)?;
        let Some(view) = &view else { break };
        let listed = list_drop(site, view, asked, &filter, args.json, &mut paper)?;
        sum.entries += listed.files;
        sum.bytes = sum.bytes.saturating_add(listed.bytes);
        junk = listed.junk;
        // What was adopted after its queue had been listed is in neither: a queue that seems empty is looked at again.
        if sum.entries > 0 || before == Some(view.stamp()?) {
            break;
        }
        queues = open_queues(site, asked)?;
    }
    if !args.json {
        let said = if junk > 0 && sum.entries == 0 && !selective { NONE.to_owned() } else { closing(&sum, selective) };
        paper.write(&Page::of(said))?;
        if junk > 0 && !selective {
            paper.write(&Page::of(format!("-- {}", junk_text(junk))))?;
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
