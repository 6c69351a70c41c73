//! `bulkmailer jobs`: list posts and batches as wholes.
//!
//! `pause`, `resume` and `cancel` are one rename each. A worker that has an entry of the job in hand finishes the group that
//! it hands over, journals it, and lets the entry go.

use serde::Serialize;

use super::acting::ask;
use super::printing::run_status::{RunStatus, rough};
use super::selecting::open_queues::{QueueArgs, open_queues};
use crate::config::Site;
use crate::events;
use crate::model::{EntryId, Exit, Micros};
use crate::spool::job::{JobFile, JobKind, JobProgress, PostFile, Standing};
use crate::spool::{Spool, SpoolQueue};
use crate::sys::output::{Page, Paper, print, warning};
use crate::sys::{clock, nss};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// List the jobs that are at work, wait, are paused, or were done or cancelled lately
    List(QueueArgs),
    /// Show one job: how far it is, how fast, how long it takes
    Show {
        /// The job's id, as 'bulkmailer jobs list' prints it
        job: EntryId,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Hand nothing more of a job over, until it is resumed
    Pause(Jobs),
    /// Let paused jobs go on
    Resume(Jobs),
    /// End jobs: who has not got the message does not get it
    Cancel {
        #[command(flatten)]
        jobs: Jobs,
        /// Do not ask
        #[arg(long, short = 'y')]
        yes: bool,
    },
}

#[derive(Clone, Debug, clap::Args)]
struct Jobs {
    /// The jobs' ids, as 'bulkmailer jobs list' prints them
    #[arg(value_name = "JOB", required = true)]
    jobs: Vec<EntryId>,
    /// Print a JSON object a line, a job each
    #[arg(long)]
    json: bool,
}

/// One job as `--json` has it. Numbers are recipients; of a batch, entries.
#[derive(Debug, Serialize)]
struct Row<'a> {
    queue: &'a str,
    job: &'a EntryId,
    kind: &'static str,
    #[serde(skip)]
    counts: &'static str,
    /// Whether recipients were left out at its submission.
    #[serde(skip)]
    leaves_out: bool,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    submitted: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    recipients: u64,
    done: u64,
    failed: u64,
    held: u64,
    left: u64,
    /// Some entries that were tried were counted as wholes.
    rough: bool,
    entries: u64,
    duplicates: u64,
    suppressed: u64,
    /// Recipients brought to a verdict a second by the run at work, whatever job they belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    /// Seconds to the end at this rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<u64>,
}

/// `bulkmailer jobs`. `by` is the real user.
pub fn run(site: &Site, args: &Args, by: u32) -> anyhow::Result<Exit> {
    match &args.command {
        Command::List(args) => list(site, args),
        Command::Show { job, json } => show(site, job, *json),
        Command::Pause(jobs) => shift(site, jobs, JobAction::Pause, by),
        Command::Resume(jobs) => shift(site, jobs, JobAction::Resume, by),
        Command::Cancel { jobs, yes } => {
            if !*yes {
                let all: Vec<&str> = jobs.jobs.iter().map(EntryId::as_str).collect();
                let unasked = "cancel: add --yes, or look first with 'bulkmailer jobs show'";
                if let Some(exit) = ask::refused(&format!("cancel {}?", all.join(", ")), unasked)? {
                    return Ok(exit);
                }
            }
            shift(site, jobs, JobAction::Cancel, by)
        }
    }
}

fn list(site: &Site, args: &QueueArgs) -> anyhow::Result<Exit> {
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
                let row = Row::of(&queue, &id, standing, &file, &progress)?;
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

fn show(site: &Site, job: &EntryId, json: bool) -> anyhow::Result<Exit> {
    for queue in open_queues(site, None)? {
        // Between two looks it may be moved; then it is looked for once more.
        for _ in 0..3 {
            let Some(standing) = queue.standing(job)? else { break };
            let Some(file) = queue.job_file(job, standing)? else { continue };
            let progress = queue.progress(job, standing, &file)?;
            if queue.standing(job)? != Some(standing) {
                continue;
            }
            let row = Row::of(&queue, job, standing, &file, &progress)?;
            print(&if json { Page::pretty(&serde_json::to_value(&row)?) } else { row.page() })?;
            return Ok(Exit::Ok);
        }
    }
    warning!("{job}: no such job is there; see 'bulkmailer jobs list'");
    Ok(Exit::Attention)
}

impl<'a> Row<'a> {
    fn of(
        queue: &'a SpoolQueue,
        job: &'a EntryId,
        standing: Standing,
        file: &'a JobFile,
        progress: &JobProgress,
    ) -> anyhow::Result<Row<'a>> {
        let post: Option<&PostFile> = match &file.kind {
            JobKind::Batch => None,
            JobKind::Post(post) => Some(post),
        };
        let not_before = post.and_then(|post| post.not_before).filter(|&time| time > clock::now());
        let state = match standing {
            Standing::AtWork if progress.left + progress.held == 0 => "ended",
            Standing::AtWork if not_before.is_some() => "waiting",
            other => other.name(),
        };
        let at_work = standing == Standing::AtWork && progress.left > 0;
        let run = if at_work { RunStatus::of(queue, progress.left)? } else { None };
        Ok(Row {
            queue: queue.name(),
            job,
            kind: file.kind.name(),
            counts: file.kind.counts(),
            leaves_out: post.is_some(),
            state,
            name: post.and_then(|post| post.name.as_deref()),
            sender: post.map(|post| post.sender.as_str()),
            submitted: file.at.rfc3339(),
            not_before: not_before.map(Micros::rfc3339),
            recipients: progress.all,
            done: progress.done(),
            failed: progress.failed,
            held: progress.held,
            left: progress.left,
            rough: progress.rough,
            entries: file.entries,
            duplicates: post.map_or(0, |post| post.duplicates),
            suppressed: post.map_or(0, |post| post.suppressed),
            rate: run.as_ref().map(|run| run.rate),
            seconds_left: run.and_then(|run| run.left),
        })
    }

    fn progress(&self) -> String {
        let Row { done, recipients, failed, held, left, .. } = self;
        let mut text =
            format!("{done} of {recipients} {} done, {failed} failed, {held} held, {left} left", self.counts);
        if let Some(rate) = self.rate {
            text.push_str(&format!("; {rate:.0}/s"));
        }
        if let Some(seconds) = self.seconds_left {
            text.push_str(&format!(", {} to go", rough(seconds)));
        }
        text
    }

    fn lines(&self) -> Page {
        let name = self.name.map_or(String::new(), |name| format!("  {name}"));
        let mut page = Page::of(format!("{} {:<9} {:<9}{name}", self.job, self.queue, self.state));
        page.line(format!("    {}", self.progress()));
        page
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        let mut field = |name: &str, value: &str| page.line(format!("{name:<10} {value}"));
        field("job", self.job.as_str());
        field("queue", &format!("{}, {}", self.queue, self.state));
        if let Some(name) = self.name {
            field("name", name);
        }
        if let Some(sender) = self.sender {
            field("sender", if sender.is_empty() { "<>" } else { sender });
        }
        field("submitted", &self.submitted);
        if let Some(time) = &self.not_before {
            field("waits for", time);
        }
        field("entries", &self.entries.to_string());
        if self.leaves_out {
            field("left out", &format!("{} duplicates, {} suppressed", self.duplicates, self.suppressed));
        }
        field("progress", &self.progress());
        page
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JobAction {
    Pause,
    Resume,
    Cancel,
}

impl JobAction {
    fn to(self) -> Standing {
        match self {
            JobAction::Pause => Standing::Paused,
            JobAction::Resume => Standing::AtWork,
            JobAction::Cancel => Standing::Cancelled,
        }
    }

    fn from(self) -> &'static [Standing] {
        match self {
            JobAction::Pause => &[Standing::AtWork],
            JobAction::Resume => &[Standing::Paused],
            JobAction::Cancel => &[Standing::AtWork, Standing::Paused],
        }
    }

    fn done(self) -> &'static str {
        match self {
            JobAction::Pause => "paused",
            JobAction::Resume => "resumed",
            JobAction::Cancel => "cancelled",
        }
    }
}

/// What was done to one job: the line of `--json`, and of the events.
#[derive(Debug, Serialize)]
struct JobEvent<'a> {
    at: String,
    queue: &'a str,
    job: &'a EntryId,
    verdict: &'static str,
    /// Recipients that were not settled.
    left: u64,
    reason: String,
}

/// When a job came to where it was asked to be.
enum Moved {
    Now,
    /// By an earlier command, of which nothing more is to be recorded.
    Before,
}

fn shift(site: &Site, jobs: &Jobs, action: JobAction, by: u32) -> anyhow::Result<Exit> {
    let queues = open_queues(site, None)?;
    let Some(spool) = Spool::open_to_write(&site.spool)? else {
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
        let moved = match found {
            Some((queue, from)) if action.from().contains(&from) && queue.move_job(job, from, action.to())? => {
                Some((queue, Moved::Now))
            }
            Some((queue, standing)) if standing == action.to() => {
                queue.confirm_move(action.from(), standing)?;
                Some((queue, Moved::Before))
            }
            _ => None,
        };
        let Some((queue, when)) = moved else {
            let why = found.map_or("no such job is there", |(_, standing)| standing.name());
            warning!("{job}: it cannot be {}: {why}; see 'bulkmailer jobs list'", action.done());
            exit = exit.worst(Exit::Attention);
            continue;
        };
        let file = queue.job_file(job, action.to()).ok().flatten();
        let left =
            file.and_then(|file| queue.progress(job, action.to(), &file).ok()).map_or(0, |progress| progress.left);
        let (at, reason) = (clock::now(), format!("{} by {}", action.done(), nss::user_name(by)));
        let done = JobEvent { at: at.rfc3339(), queue: queue.name(), job, verdict: action.done(), left, reason };
        let what = match when {
            Moved::Now => {
                events.note(at, &done);
                action.done().to_owned()
            }
            Moved::Before => format!("is {} already", action.to().name()),
        };
        let text = format!("{job} {what}; {left} are left of it");
        print(&if jobs.json { Page::json(&done)? } else { Page::of(text) })?;
    }
    Ok(exit)
}
