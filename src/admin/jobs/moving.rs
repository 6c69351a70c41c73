//! Jobs that a person pauses, resumes or cancels: one [`move_job`](crate::spool::SpoolQueue::move_job) each.
//!
//! A worker that has an entry of the job in hand finishes the group that it hands over, journals it, and lets the entry
//! go.

use crate::admin::selecting::open_queues::open_queues;
use crate::config::Site;
use crate::events::{self, EventLine, JobLine};
use crate::model::{EntryId, Exit};
use crate::queue::QueueError;
use crate::spool::job::Standing;
use crate::spool::{Spool, SpoolQueue};
use crate::sys::output::{Page, print, warning};
use crate::sys::{clock, nss};

#[derive(Clone, Debug, clap::Args)]
pub struct Jobs {
    /// The jobs' ids, as 'bulkmailer jobs list' prints them
    #[arg(value_name = "JOB", required = true)]
    pub jobs: Vec<EntryId>,
    /// Print a JSON object a line, a job each
    #[arg(long)]
    json: bool,
}

/// What a command does to jobs.
pub struct Move {
    pub from: &'static [Standing],
    pub to: Standing,
    /// What is said of a job that it was done to.
    pub done: &'static str,
}

/// When a job came to where it was asked to be.
enum Moved {
    Now,
    /// By an earlier command, of which nothing more is to be recorded.
    Before,
}

/// A job that a newer program made is left alone. Nothing else is looked at before the move, which may be urgent.
fn refuse_newer_job(queue: &SpoolQueue, job: &EntryId, standing: Standing) -> Result<(), QueueError> {
    match queue.job_file(job, standing) {
        Err(error @ QueueError::Newer { .. }) => Err(error),
        // What else is wrong with it keeps nobody from moving it.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Moves each job, or says why it cannot be. `by` is the real user.
pub fn move_jobs(site: &Site, jobs: &Jobs, wanted: &Move, by: u32) -> anyhow::Result<Exit> {
    let queues = open_queues(site, None)?;
    let Some(spool) = Spool::open(&site.spool)? else {
        warning!("{}: nothing was queued here yet", site.spool.display());
        return Ok(Exit::Attention);
    };
    let mut events = events::Log::new(spool.events()?, site.config.events.syslog);
    let mut exit = Exit::Ok;
    for job in &jobs.jobs {
        let mut found = None;
        for queue in &queues {
            found = found.or(queue.standing(job)?.map(|standing| (queue, standing)));
        }
        if let Some((queue, standing)) = found
            && let Err(error) = refuse_newer_job(queue, job, standing)
        {
            warning!("{error}");
            exit = exit.worst(error.exit());
            continue;
        }
        let moved = match found {
            Some((queue, from)) if wanted.from.contains(&from) && queue.move_job(job, from, wanted.to)? => {
                Some((queue, Moved::Now))
            }
            Some((queue, standing)) if standing == wanted.to => {
                queue.confirm_move(wanted.from, standing)?;
                Some((queue, Moved::Before))
            }
            _ => None,
        };
        let Some((queue, when)) = moved else {
            let why = found.map_or("no such job is there", |(_, standing)| standing.name());
            warning!("{job}: it cannot be {}: {why}; see 'bulkmailer jobs list'", wanted.done);
            exit = exit.worst(Exit::Attention);
            continue;
        };
        let file = queue.job_file(job, wanted.to).ok().flatten();
        let left = file.and_then(|file| queue.progress(job, wanted.to, &file).ok()).map(|progress| progress.left);
        let (at, reason) = (clock::now(), format!("{} by {}", wanted.done, nss::user_name(by)));
        let done = JobLine {
            at: at.rfc3339().into(),
            queue: queue.name().into(),
            job: job.as_str().into(),
            verdict: wanted.done.into(),
            left,
            reason: reason.into(),
        };
        let what = match when {
            Moved::Now => {
                events.write(at, &[EventLine::Job(done.clone())]);
                wanted.done.to_owned()
            }
            Moved::Before => format!("is {} already", wanted.to.name()),
        };
        let rest =
            left.map_or("what is left of it cannot be counted".to_owned(), |left| format!("{left} are left of it"));
        let text = format!("{job} {what}; {rest}");
        print(&if jobs.json { Page::json(&done)? } else { Page::of(text) })?;
    }
    Ok(exit)
}
