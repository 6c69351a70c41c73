//! `bulkmailer jobs list`: the jobs of all standings, a few lines each. One that cannot be read has a line that says why.

use super::row::JobRow;
use crate::admin::selecting::open_queues::{QueueArgs, open_queues};
use crate::config::Site;
use crate::model::{EntryId, Exit};
use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::spool::job::{JobFile, Standing};
use crate::sys::in_order::{Out, in_order};
use crate::sys::output::{Page, Paper, warning};

/// What is printed of a job.
enum Line {
    Job(Page),
    Unreadable(QueueError),
    Failed(anyhow::Error),
}

pub fn run(site: &Site, args: &QueueArgs) -> anyhow::Result<Exit> {
    let mut paper = Paper::default();
    let mut count = 0;
    for queue in open_queues(site, args.queue.as_deref())? {
        for standing in Standing::ALL {
            let jobs = queue.jobs(standing)?;
            let worker = || {
                |id: EntryId, out: Out<'_, Line>| {
                    line(&queue, standing, &id, args.json).map(out);
                }
            };
            in_order(jobs.into_iter().map(Ok::<_, anyhow::Error>), worker, &mut |line: Line| {
                count += 1;
                match line {
                    Line::Job(page) => Ok(paper.write(&page)?),
                    // Its file is none of ours, or the journal of one of its entries: that keeps no other from being listed.
                    Line::Unreadable(error) => {
                        warning!("{error}");
                        Ok(true)
                    }
                    Line::Failed(error) => Err(error),
                }
            })?;
        }
    }
    if count == 0 && !args.json {
        paper.write(&Page::of("There is no job."))?;
    }
    paper.finish()?;
    Ok(Exit::Ok)
}

/// What there is to print of a job; `None` if it was moved meanwhile.
fn line(queue: &SpoolQueue, standing: Standing, id: &EntryId, json: bool) -> Option<Line> {
    let known = queue.job_file(id, standing).and_then(|file| {
        let known = |file: JobFile| queue.progress(id, standing, &file).map(|progress| (file, progress));
        file.map(known).transpose()
    });
    let (file, progress) = match known.transpose()? {
        Ok(known) => known,
        Err(error) => return Some(Line::Unreadable(error)),
    };
    let page = || {
        let row = JobRow::of(queue, id, standing, &file, &progress)?;
        Ok(if json { Page::json(&row)? } else { row.lines() })
    };
    Some(page().map_or_else(Line::Failed, Line::Job))
}
