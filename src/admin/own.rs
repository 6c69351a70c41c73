//! A plain user and his own mail in a spool that is another's, where he may only hand mail in.
//!
//! `list` and `mailq` print what a run wrote for him ([`lists`](crate::spool::lists)), `remove` asks the next run for it.
//! Everything else is refused here, in words that say whose spool it is.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde::Serialize;

use super::listing::{Sum, closing};
use super::row::page;
use super::select::{Place, Selection};
use super::{ask, list, remove};
use crate::config::{ConfigError, Site};
use crate::model::{EntryId, Exit, Micros};
use crate::queue::QueueError;
use crate::spool::drop::{self, DropFolder, access};
use crate::spool::own_lists::{ListsWritten, OwnLists};
use crate::spool::row::{IN_DROP, Row};
use crate::sys::output::{Page, Paper, print, warning};
use crate::sys::{dir, nss, process};

/// What a user may not do in a spool that is another's.
#[derive(Debug, thiserror::Error)]
pub enum NotYours {
    #[error(
        "{}: this spool is {owner}'s: of your own mail in it 'bulkmailer list' tells you, and 'bulkmailer remove ID' \
         takes it back; for the rest ask {}", path.display(), whom(owner)
    )]
    Spool { path: PathBuf, owner: String },
    #[error("remove: this spool is {owner}'s: name entries of yours by their ids, as 'bulkmailer list' prints them")]
    ByIds { owner: String },
    #[error("{queue}: a run cannot tell you what waits of yours: {why}; tell {}", whom(owner))]
    Lists { queue: String, why: String, owner: String },
}

/// The user whose spool this is, where that is another and the running user may only hand mail in.
pub fn owner(site: &Site) -> Option<u32> {
    let (uid, owner) = (process::effective_uid(), site.spool.metadata().ok()?.uid());
    let closed = || dir::open(&site.spool).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
    let shared = || site.spool_is_hosts || drop::is_there(&site.spool);
    (uid != 0 && uid != owner && closed() && shared()).then_some(owner)
}

/// What keeps this user from handing mail in at all, for a command that would tell him of it.
fn refuse_closed(site: &Site) -> Result<(), QueueError> {
    if site.spool_is_hosts && !process::is_root() && site.spool.symlink_metadata().is_err() {
        return Err(access::refused(access::no_spool(&site.spool)));
    }
    if owner(site).is_some() { DropFolder::open(&site.spool, site.spool_is_hosts).map(|_| ()) } else { Ok(()) }
}

/// Who can help.
fn whom(owner: &str) -> String {
    if owner == "root" { owner.to_owned() } else { format!("{owner} or root") }
}

/// Refuses to go on in such a spool.
pub fn refuse(site: &Site) -> anyhow::Result<()> {
    refuse_closed(site)?;
    match owner(site) {
        Some(owner) => Err(NotYours::Spool { path: site.spool.clone(), owner: nss::user_name(owner) }.into()),
        None => Ok(()),
    }
}

/// The names of the queues that a command is about.
fn queues<'a>(site: &'a Site, asked: Option<&'a str>) -> anyhow::Result<Vec<&'a str>> {
    let known: Vec<&str> = site.config.queues.keys().map(String::as_str).collect();
    match asked {
        None => Ok(known),
        Some(name) if known.contains(&name) => Ok(vec![name]),
        Some(name) => Err(ConfigError::unknown_queue(name, &known).into()),
    }
}

/// `bulkmailer list` of the running user's own mail in the spool of `owner`.
///
/// Errors: a run could not write it.
pub fn list(site: &Site, args: &list::Args, owner: u32) -> anyhow::Result<Exit> {
    refuse_closed(site)?;
    let places = args.places();
    let selective = !places.is_empty() || !args.selection.is_empty();
    let filter = args.selection.filter(if places.is_empty() { &Place::ENTRIES } else { &places })?;
    let queues = queues(site, args.selection.queue.as_deref())?;
    let wanted = |row: &Row<'_>| {
        let place = |place: &Place| match place {
            Place::Drop => row.state == IN_DROP,
            place => place.state().is_some_and(|state| state.name() == row.state),
        };
        (places.is_empty() || places.iter().any(place)) && filter.matches_row(row)
    };
    let lists = OwnLists::open(&site.spool, process::effective_uid())?;
    let mut paper = Paper::default();
    let told = tell(&lists, &queues, &wanted, args.json, &mut paper)?;
    if let Some(at) = told.at.filter(|_| !args.json) {
        let empty = told.sum.entries == 0 && !selective;
        let last = if empty { "Nothing of yours waits.".to_owned() } else { closing(&told.sum, selective) };
        paper.write(&Page::of(last))?;
        let at = at.local();
        paper.write(&Page::of(format!("as of {at}, by the last run; what was handed in since is not in it")))?;
    }
    paper.finish()?;
    if told.more > 0 {
        warning!("{} more entries of yours wait, and are not listed", told.more);
    }
    if let Some((queue, why)) = told.refused {
        return Err(NotYours::Lists { queue, why, owner: nss::user_name(owner) }.into());
    }
    if told.at.is_none() {
        warning!("no run has looked yet for what waits of yours: ask again after the next one");
        return Ok(Exit::TempFail);
    }
    Ok(if told.sum.entries == 0 && filter.names_some() { Exit::Attention } else { Exit::Ok })
}

/// What the lists told.
#[derive(Default)]
struct Told {
    sum: Sum,
    /// The oldest of his lists is from then; where he has none, the last look.
    at: Option<Micros>,
    more: u64,
    /// The first queue that a run could write no lists for, and why.
    refused: Option<(String, String)>,
}

/// Prints the rows that are `wanted`.
fn tell(
    lists: &OwnLists,
    queues: &[&str],
    wanted: &dyn Fn(&Row<'_>) -> bool,
    json: bool,
    paper: &mut Paper,
) -> anyhow::Result<Told> {
    let mut told = Told::default();
    // A queue in which nobody has mail is not looked at again.
    let (mut oldest, mut newest): (Option<Micros>, Option<Micros>) = (None, None);
    for queue in queues {
        let noted = match lists.noted(queue)? {
            None => continue,
            Some(ListsWritten { why: Some(why), .. }) => {
                told.refused.get_or_insert_with(|| ((*queue).to_owned(), why));
                continue;
            }
            Some(ListsWritten { at, why: None }) => at,
        };
        let mut has_any = false;
        told.more += lists.rows(queue, &mut |row| {
            has_any = true;
            if !wanted(&row) {
                return Ok(true);
            }
            told.sum.entries += 1;
            told.sum.bytes = told.sum.bytes.saturating_add(row.bytes);
            let due = Micros::parse(&row.due).unwrap_or_default();
            paper.write(&if json { Page::json(&row)? } else { page(&row, due, "") })
        })?;
        newest = newest.max(Some(noted));
        if has_any {
            oldest = Some(oldest.map_or(noted, |other| other.min(noted)));
        }
    }
    told.at = oldest.or(newest);
    Ok(told)
}

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
pub fn remove(site: &Site, args: &remove::Args, owner: u32) -> anyhow::Result<Exit> {
    let remove::Args { choice, places } = args;
    let selection = &choice.selection;
    let only = Selection { ids: selection.ids.clone(), queue: selection.queue.clone(), ..Selection::default() };
    if selection.ids.is_empty() || *selection != only || !places.places.is_empty() {
        return Err(NotYours::ByIds { owner: nss::user_name(owner) }.into());
    }
    let ids = selection.filter(&Place::ENTRIES)?.ids;
    let ids: BTreeSet<&EntryId> = ids.iter().collect();
    let queues = queues(site, selection.queue.as_deref())?;
    if choice.dry_run {
        let list = list::Args { selection: only, json: choice.json, ..list::Args::default() };
        return self::list(site, &list, owner);
    }
    if ids.len() > 1 && !choice.yes {
        if !ask::is_possible() {
            warning!("remove: this is about more than one entry: add --yes, or look first with --dry-run");
            return Ok(Exit::Usage);
        }
        if !ask::confirmed(&format!("remove {} entries?", ids.len()))? {
            warning!("nothing was done");
            return Ok(Exit::Attention);
        }
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
