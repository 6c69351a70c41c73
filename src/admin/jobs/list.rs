//! `bulkmailer jobs list`: the jobs of all standings, a few lines each. One that cannot be read has a line that says why.

use super::row::JobRow;
use crate::admin::selecting::open_queues::{QueueArgs, open_queues};
use crate::config::Site;
use crate::model::Exit;
use crate::spool::job::{JobFile, Standing};
use crate::sys::output::{Page, Paper, warning};

pub fn run(site: &Site, args: &QueueArgs) -> anyhow::Result<Exit> {
    let mut paper = Paper::default();
    let mut count = 0;
    for queue in open_queues(site, args.queue.as_deref())? {
        for standing in Standing::ALL {
            for id in queue.jobs(standing)? {
                let known = queue.job_file(&id, standing).and_then(|file| {
                    let known = |file: JobFile| queue.progress(&id, standing, &file).map(|progress| (file, progress));
                    file.map(known).transpose()
                });
                let (file, progress) = match known {
                    Ok(Some(known)) => known,
                    // It was moved meanwhile.
                    Ok(None) => continue,
                    // Its file is none of ours, or the journal of one of its entries: that keeps no other from being listed.
                    Err(error) => {
                        count += 1;
                        warning!("{error}");
                        continue;
                    }
                };
                count += 1;
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
