//! `bulkmailer list` of a user's own mail, as the last run wrote it down.

use super::whose::{NotYours, queue_names, refuse_closed};
use crate::admin::list;
use crate::admin::printing::entry::entry_page;
use crate::admin::printing::listing::{Sum, closing};
use crate::admin::selecting::place::Place;
use crate::config::Site;
use crate::model::{Exit, Micros};
use crate::spool::own_lists::{ListsWritten, OwnLists};
use crate::spool::row::{IN_DROP, Row};
use crate::sys::output::{Page, Paper, warning};
use crate::sys::{nss, process};

/// `bulkmailer list` of the running user's own mail in the spool of `owner`.
///
/// Errors: a run could not write it.
pub fn run(site: &Site, args: &list::Args, owner: u32) -> anyhow::Result<Exit> {
    refuse_closed(site)?;
    let places = args.places();
    let selective = !places.is_empty() || !args.selection.is_empty();
    let filter = args.selection.filter(if places.is_empty() { &Place::ENTRIES } else { &places })?;
    let queues = queue_names(site, args.selection.queue.as_deref())?;
    let wanted = |row: &Row<'_>| {
        let place = |place: &Place| match place {
            Place::Drop => row.state == IN_DROP,
            place => place.state().is_some_and(|state| state.name() == row.state),
        };
        (places.is_empty() || places.iter().any(place)) && filter.matches_row(row)
    };
    let lists = OwnLists::open(&site.spool, process::effective_uid())?;
    let mut paper = Paper::default();
    let listed = print_rows(&lists, &queues, &wanted, args.json, &mut paper)?;
    if let Some(at) = listed.at.filter(|_| !args.json) {
        let empty = listed.sum.entries == 0 && !selective;
        let last = if empty { "Nothing of yours waits.".to_owned() } else { closing(&listed.sum, selective) };
        paper.write(&Page::of(last))?;
        let at = at.local();
        paper.write(&Page::of(format!("as of {at}, by the last run; what was handed in since is not in it")))?;
    }
    paper.finish()?;
    if listed.more > 0 {
        warning!("{} more entries of yours wait, and are not listed", listed.more);
    }
    if let Some((queue, why)) = listed.refused {
        return Err(NotYours::Lists { queue, why, owner: nss::user_name(owner) }.into());
    }
    if listed.at.is_none() {
        warning!("no run has looked yet for what waits of yours: ask again after the next one");
        return Ok(Exit::TempFail);
    }
    Ok(if listed.sum.entries == 0 && filter.names_some() { Exit::Attention } else { Exit::Ok })
}

/// What the lists have.
#[derive(Default)]
struct ListedMail {
    sum: Sum,
    /// The oldest of his lists is from then; where he has none, the last look.
    at: Option<Micros>,
    more: u64,
    /// The first queue that a run could write no lists for, and why.
    refused: Option<(String, String)>,
}

/// Prints the rows that are `wanted`.
fn print_rows(
    lists: &OwnLists,
    queues: &[&str],
    wanted: &dyn Fn(&Row<'_>) -> bool,
    json: bool,
    paper: &mut Paper,
) -> anyhow::Result<ListedMail> {
    let mut listed = ListedMail::default();
    // A queue in which nobody has mail is not looked at again.
    let (mut oldest, mut newest): (Option<Micros>, Option<Micros>) = (None, None);
    for queue in queues {
        let noted = match lists.noted(queue)? {
            None => continue,
            Some(ListsWritten { why: Some(why), .. }) => {
                listed.refused.get_or_insert_with(|| ((*queue).to_owned(), why));
                continue;
            }
            Some(ListsWritten { at, why: None }) => at,
        };
        let mut has_any = false;
        listed.more += lists.rows(queue, &mut |row| {
            has_any = true;
            if !wanted(&row) {
                return Ok(true);
            }
            listed.sum.entries += 1;
            listed.sum.bytes = listed.sum.bytes.saturating_add(row.bytes);
            paper.write(&if json { Page::json(&row)? } else { entry_page(&row, "") })
        })?;
        newest = newest.max(Some(noted));
        if has_any {
            oldest = Some(oldest.map_or(noted, |other| other.min(noted)));
        }
    }
    listed.at = oldest.or(newest);
    Ok(listed)
}
