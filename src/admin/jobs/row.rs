//! One job as the commands print it.

use serde::Serialize;

use crate::admin::printing::run_status::{RunStatus, rough};
use crate::model::{EntryId, Micros, time};
use crate::policy::window::Hours;
use crate::spool::SpoolQueue;
use crate::spool::job::{JobFile, JobProgress, Standing};
use crate::sys::clock;
use crate::sys::output::Page;

/// One job as `--json` has it. Numbers are recipients; of a batch, entries.
#[derive(Debug, Serialize)]
pub struct JobRow<'a> {
    queue: &'a str,
    job: &'a EntryId,
    kind: &'static str,
    #[serde(skip)]
    counts: &'static str,
    /// Its submission may have left recipients out: duplicates and suppressed ones.
    #[serde(skip)]
    is_post: bool,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    submitted: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    /// The hours in which a merge is handed over, and when they begin if they are not now.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<String>,
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

impl<'a> JobRow<'a> {
    pub fn of(
        queue: &'a SpoolQueue,
        job: &'a EntryId,
        standing: Standing,
        file: &'a JobFile,
        progress: &JobProgress,
    ) -> anyhow::Result<JobRow<'a>> {
        let post = file.kind.list();
        let now = clock::now();
        let not_before = post.and_then(|post| post.not_before).filter(|&time| time > now);
        let merge = file.kind.merge();
        let hours = merge.and_then(|merge| merge.window.as_ref());
        // Of a zone that is unknown nothing is known.
        let window = hours.and_then(|hours| hours.window(time::zone).ok());
        let opens_at = window.and_then(|window| window.defers(not_before.unwrap_or(now), now));
        let state = match standing {
            Standing::AtWork if progress.left + progress.held == 0 => "ended",
            Standing::AtWork if not_before.is_some() || opens_at.is_some() => "waiting",
            other => other.name(),
        };
        let at_work = standing == Standing::AtWork && progress.left > 0;
        let run = if at_work { RunStatus::of(queue, progress.left)? } else { None };
        Ok(JobRow {
            queue: queue.name(),
            job,
            kind: file.kind.name(),
            counts: file.kind.counts(),
            is_post: post.is_some(),
            state,
            name: post.and_then(|post| post.name.as_deref()),
            sender: post.map(|post| post.sender.as_str()),
            submitted: file.at.rfc3339(),
            not_before: not_before.map(Micros::rfc3339),
            window: hours.map(Hours::to_string),
            opens_at: opens_at.map(Micros::rfc3339),
            rate_limit: merge.and_then(|merge| merge.rate).map(|rate| rate.0.text()),
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
        let JobRow { done, recipients, failed, held, left, .. } = self;
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

    pub fn lines(&self) -> Page {
        let name = self.name.map_or(String::new(), |name| format!("  {name}"));
        let mut page = Page::of(format!("{} {:<9} {:<9}{name}", self.job, self.queue, self.state));
        page.line(format!("    {}", self.progress()));
        page
    }

    pub fn page(&self) -> Page {
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
        match (&self.window, &self.opens_at) {
            (Some(window), Some(opens)) => field("window", &format!("{window}; closed, opens {opens}")),
            (Some(window), None) => field("window", window),
            (None, _) => {}
        }
        if let Some(rate) = &self.rate_limit {
            field("rate", &format!("at most {rate}"));
        }
        field("entries", &self.entries.to_string());
        if self.is_post {
            field("left out", &format!("{} duplicates, {} suppressed", self.duplicates, self.suppressed));
        }
        field("progress", &self.progress());
        page
    }
}
