//! `bulkmailer show ID`: one entry's envelope, attempts with their reasons, and header; or its message, byte for byte. Of a
//! file in corrupt/, what can be shown; of mail in drop/, what its entry will be.

mod args;
mod corrupt;
mod dropped;
mod entry;
mod message;

use anyhow::bail;

use super::in_drop::named::each_named;
use super::selecting::open_queues::open_queues;
use super::selecting::place::Place;
use super::selecting::selection::Selection;
use crate::config::Site;
use crate::model::{EntryId, Exit};
use crate::spool::job::Standing;

pub use args::Args;

/// `bulkmailer show`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let id = args.id.parse::<EntryId>();
    let queues = open_queues(site, None)?;
    for queue in &queues {
        let Ok(id) = &id else { break };
        // Between the two looks it may be rescheduled; then it is looked for once more.
        for _ in 0..3 {
            let Some(spot) = queue.locate(id)? else { break };
            if let Some(seen) = queue.look(&spot)? {
                return entry::show_entry(queue, seen, args);
            }
        }
    }
    for queue in &queues {
        let Ok(id) = &id else { break };
        if let Some(seen) = queue.look_without_head(id)? {
            return entry::show_entry(queue, seen, args);
        }
    }
    let selected = Selection { ids: vec![args.id.clone()], ..Selection::default() }.filter(&[Place::Corrupt])?;
    for queue in &queues {
        let mut found = None;
        selected.each_corrupt(queue, &mut |file| {
            found = Some(file);
            Ok(false)
        })?;
        if let Some(file) = found {
            return corrupt::show_corrupt(queue, file, args);
        }
    }
    let mut shown = false;
    each_named(site, std::slice::from_ref(&args.id), &mut |view, row| {
        dropped::show_dropped(view, row, args)?;
        shown = true;
        Ok(false)
    })?;
    if shown {
        return Ok(Exit::Ok);
    }
    let id = id?;
    if let Some((job, _)) = id.job() {
        let job: EntryId = job.parse()?;
        for queue in &queues {
            if let Some(standing) = queue.standing(&job)?.filter(|standing| *standing != Standing::AtWork) {
                bail!("{id}: its job is {}; see 'bulkmailer jobs show {job}'", standing.name());
            }
        }
    }
    bail!("{id}: no entry with this id is in the queue; what became of it is in {}/events", site.spool.display())
}
