//! `bulkmailer remove` of a user's own mail: the next run is asked for it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::whose::{NotYours, queue_names};
use crate::admin::acting::ask;
use crate::admin::selecting::place::Place;
use crate::admin::selecting::selection::Selection;
use crate::admin::{list, remove};
use crate::config::Site;
use crate::model::{EntryId, Exit};
use crate::spool::drop::DropFolder;
use crate::spool::own_lists::OwnLists;
use crate::sys::output::{Page, print};
use crate::sys::{nss, process};

/// What `remove --json` prints here.
#[derive(Serialize)]
struct Asked<'a> {
    action: &'static str,
    /// A run removes these, where it finds them.
    asked: BTreeSet<&'a EntryId>,
}

/// `bulkmailer remove` of the running user's own mail in the spool of `owner`: the next run is asked for it.
///
/// Errors: entries that are not named by their ids; the request cannot be written.
pub fn run(site: &Site, args: &remove::Args, owner: u32) -> anyhow::Result<Exit> {
    let remove::Args { choice, places } = args;
    let selection = &choice.selection;
    let only = Selection { ids: selection.ids.clone(), queue: selection.queue.clone(), ..Selection::default() };
    if selection.ids.is_empty() || *selection != only || !places.places.is_empty() {
        return Err(NotYours::ByIds { owner: nss::user_name(owner) }.into());
    }
    let ids = selection.filter(&Place::ENTRIES)?.ids;
    let ids: BTreeSet<&EntryId> = ids.iter().collect();
    let queues = queue_names(site, selection.queue.as_deref())?;
    if choice.dry_run {
        let list = list::Args { selection: only, json: choice.json, ..list::Args::default() };
        return super::list::run(site, &list, owner);
    }
    if ids.len() > 1
        && !choice.yes
        && let Some(exit) = ask::about("remove", ids.len() as u64)?
    {
        return Ok(exit);
    }
    // It was there a moment ago.
    let gone = || NotYours::Spool { path: site.spool.clone(), owner: nss::user_name(owner) };
    let folder = DropFolder::open(&site.spool, site.spool_is_hosts)?.ok_or_else(gone)?;
    for (queue, ids) in whereabouts(site, &queues, &ids)? {
        folder.ask_to_remove(queue, &ids)?;
    }
    let what = match (ids.first(), ids.len()) {
        (Some(id), 1) => format!("{id} unless it is"),
        (_, n) => format!("{n} entries unless they are"),
    };
    let text = format!("asked for: the next run removes {what} in a worker's hand or gone already");
    print(&if choice.json { Page::json(&Asked { action: "remove", asked: ids })? } else { Page::of(text) })?;
    Ok(Exit::Ok)
}

/// In which of the `queues` each entry is, as the user's lists tell; one that is in none may be in any.
fn whereabouts<'a>(
    site: &Site,
    queues: &[&'a str],
    ids: &BTreeSet<&EntryId>,
) -> anyhow::Result<BTreeMap<&'a str, Vec<EntryId>>> {
    let lists = OwnLists::open(&site.spool, process::effective_uid())?;
    let mut found: BTreeMap<&str, BTreeSet<EntryId>> = BTreeMap::new();
    for &queue in queues.iter().filter(|_| queues.len() > 1) {
        let read = lists.rows(queue, &mut |row| {
            if let Some(id) = row.id.parse().ok().filter(|id| ids.contains(id)) {
                found.entry(queue).or_default().insert(id);
            }
            Ok(true)
        });
        // A list that cannot be read only says less.
        let _ = read;
    }
    let known: BTreeSet<EntryId> = found.values().flatten().cloned().collect();
    for &queue in queues {
        let unknown = ids.iter().filter(|id| !known.contains(**id)).map(|id| (*id).clone());
        found.entry(queue).or_default().extend(unknown);
    }
    found.retain(|_, ids| !ids.is_empty());
    Ok(found.into_iter().map(|(queue, ids)| (queue, ids.into_iter().collect())).collect())
}
