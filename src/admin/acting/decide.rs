//! A person decides about entries: which they are, and whether to ask first.
//!
//! What holds: more than one entry is never touched unasked. What was queued after the question was put is none of those
//! that it was about. When the command returns, what it did is on disk.

use super::act::{Act, ActionCounts};
use super::ask;
use super::in_order::Instants;
use super::merges::Meant;
use super::verb::Verb;
use crate::admin::in_drop::named;
use crate::admin::printing::listing::{closing, show_all};
use crate::admin::printing::reading::Form;
use crate::admin::selecting::filter::Filter;
use crate::admin::selecting::open_queues::open_queues;
use crate::admin::selecting::place::Place;
use crate::admin::selecting::selection::Selection;
use crate::config::Site;
use crate::events;
use crate::model::Exit;
use crate::spool::decision::Decision;
use crate::spool::names::State;
use crate::spool::{Spool, SpoolQueue};
use crate::sys::ask::is_possible;
use crate::sys::clock;
use crate::sys::output::{Page, Paper, warning};

// What all of them take: which entries, and how to go about it.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Choice {
    #[command(flatten)]
    pub selection: Selection,
    /// List what would be touched, and do nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// Do not ask, also where there are many
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Print a summary as one JSON object; with --dry-run, an object a line, an entry each
    #[arg(long)]
    pub json: bool,
}

// `--state`, for those that have a choice.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Where {
    /// Entries in this state only: ready, hold, failed or corrupt; may be given several times
    #[arg(long = "state", value_name = "STATE", value_enum, hide_possible_values = true)]
    pub places: Vec<Place>,
}

// `--again`, for those that may repeat a delivery.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Again {
    /// Also to recipients that have it already
    #[arg(long)]
    pub again: bool,
}

/// Does what `verb` says to the entries of `choice`. `by` is the real user who decides so.
pub fn run<V: Verb>(site: &Site, verb: &V, choice: &Choice, places: &[Place], by: u32) -> anyhow::Result<Exit> {
    let exit = decide(site, verb, choice, places, by)?;
    if exit == Exit::Attention {
        named::explain(site, &choice.selection.ids)?;
    }
    Ok(exit)
}

fn decide<V: Verb>(site: &Site, verb: &V, choice: &Choice, places: &[Place], by: u32) -> anyhow::Result<Exit> {
    if choice.selection.is_empty() && places.is_empty() {
        let name = V::NAME;
        warning!(
            "{name}: say which entries: their ids, or --queue, --sender and the like; see 'bulkmailer {name} --help'"
        );
        return Ok(Exit::Usage);
    }
    if places.contains(&Place::Drop) {
        return Ok(named::refuse(V::NAME));
    }
    let ids = !choice.selection.ids.is_empty();
    let places = match places {
        [] if ids => V::PLACES_BY_ID,
        [] => V::PLACES,
        asked => asked,
    };
    let mut filter = choice.selection.filter(places)?;
    let queues = open_queues(site, choice.selection.queue.as_deref())?;
    if choice.dry_run {
        return dry_run(verb, choice, &queues, &filter, places);
    }
    if !choice.yes {
        let asked = clock::now();
        let mut found = count(&queues, &filter, places, if is_possible() { u64::MAX } else { 2 })?;
        let meant = Meant::of(verb, &filter, places);
        for queue in &queues {
            found += meant.entries(queue)?.len() as u64;
        }
        if found > 1 {
            if let Some(exit) = ask::about(V::NAME, found)? {
                return Ok(exit);
            }
            filter.stop_at(asked);
        }
    }
    let Some(spool) = Spool::open(&site.spool)? else {
        return ActionCounts::new::<V>().tell(choice.json, ids);
    };
    let instants = Instants::begin();
    let mut act = Act {
        verb,
        decision: Decision { at: instants.began(), by },
        instants,
        events: events::Log::new(spool.events()?, site.config.events.syslog),
        counts: ActionCounts::new::<V>(),
    };
    for queue in &queues {
        act.merges(queue, &filter, places)?;
        act.queue(queue, &filter, places)?;
    }
    act.counts.tell(choice.json, ids)
}

fn dry_run<V: Verb>(
    verb: &V,
    choice: &Choice,
    queues: &[SpoolQueue],
    filter: &Filter,
    places: &[Place],
) -> anyhow::Result<Exit> {
    let mut paper = Paper::default();
    let sum = show_all(queues, filter, places, Form { json: choice.json, by_due: true }, &mut paper)?;
    if !choice.json {
        paper.write(&Page::of(closing(&sum, true)))?;
        if sum.entries > 0 {
            paper.write(&Page::of(format!("Without --dry-run they would be {}.", V::DONE)))?;
        }
    }
    let mut entries = 0;
    for queue in queues {
        for (id, rows) in Meant::of(verb, filter, places).entries(queue)? {
            entries += 1;
            paper.write(&if choice.json {
                Page::json(&serde_json::json!({"queue": queue.name(), "id": id, "rows": rows}))?
            } else {
                Page::of(format!("{id}: {rows} rows of this entry of a merge would be {}", V::DONE))
            })?;
        }
    }
    paper.finish()?;
    Ok(if sum.entries + entries == 0 && filter.names_some() { Exit::Attention } else { Exit::Ok })
}

/// How many match, counted up to `enough`.
fn count(queues: &[SpoolQueue], filter: &Filter, places: &[Place], enough: u64) -> anyhow::Result<u64> {
    let states: Vec<State> = places.iter().filter_map(|place| place.state()).collect();
    let mut found = 0;
    for queue in queues {
        filter.each_spot(queue, &states, &mut |spot| {
            // Of a merge's entry its rows are counted.
            if spot.name.log.is_some() {
                return Ok(true);
            }
            found += u64::from(!filter.needs_look() || filter.look(queue, &spot)?.is_some());
            Ok(found < enough)
        })?;
        if places.contains(&Place::Corrupt) {
            filter.each_corrupt(queue, &mut |_| {
                found += 1;
                Ok(found < enough)
            })?;
        }
    }
    Ok(found)
}
