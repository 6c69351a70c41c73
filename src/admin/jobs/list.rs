//! `bulkmailer jobs list`: the jobs of all standings, a few lines each.

use super::row::JobRow;
use crate::admin::selecting::open_queues::{QueueArgs, open_queues};
use crate::config::Site;
use crate::model::Exit;
use crate::spool::job::Standing;
use crate::sys::output::{Page, Paper, warning};

pub fn run(site: &Site, args: &QueueArgs) -> anyhow::Result<Exit> {
    let mut paper = Paper::default();
    let mut count = 0;
    for queue in open_queues(site, args.queue.as_deref())? {
        for standing in Standing::ALL {
            for id in queue.jobs(standing)? {
                // It may have been moved meanwhile, or its file be none of ours.
                let file = match queue.job_file(&id, standing) {
                    Ok(Some(file)) => file,
                    Ok(None) => continue,
                    Err(error) => {
                        warning!("{error}");
                        continue;
                    }
                };
                count += 1;
                let progress = queue.progress(&id, standing, &file)?;
                let row = JobRow::of(&queue, &id, standing, &file, &progress)?;
                paper.write(&if args.json { Page::json(&row)? } else { row.lines() })?;
            }
        }
    }
    if count == 0 && !args.json {
        paper.write(&Page::of("There is no job."))?;
    }
    paper.finish()?;
    Ok(Exit::Ok)
}
