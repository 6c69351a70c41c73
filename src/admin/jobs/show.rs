//! `bulkmailer jobs show`: one job, in full.

use super::row::JobRow;
use crate::admin::selecting::open_queues::open_queues;
use crate::config::Site;
use crate::model::{EntryId, Exit};
use crate::sys::output::{Page, print, warning};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The job's id, as 'bulkmailer jobs list' prints it
    job: EntryId,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let Args { job, json } = args;
    for queue in open_queues(site, None)? {
        // Between two looks it may be moved; then it is looked for once more.
        for _ in 0..3 {
            let Some(standing) = queue.standing(job)? else { break };
            let Some(file) = queue.job_file(job, standing)? else { continue };
            let progress = queue.progress(job, standing, &file)?;
            if queue.standing(job)? != Some(standing) {
                continue;
            }
            let row = JobRow::of(&queue, job, standing, &file, &progress)?;
            print(&if *json { Page::pretty(&serde_json::to_value(&row)?) } else { row.page() })?;
            return Ok(Exit::Ok);
        }
    }
    warning!("{job}: no such job is there; see 'bulkmailer jobs list'");
    Ok(Exit::Attention)
}
