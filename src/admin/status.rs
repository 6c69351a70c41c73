//! `bulkmailer status`: who runs, since when, what is done and left, how fast, how old the oldest entry is. It takes no
//! lock, and keeps nobody from working. Mail in `drop/` is its queue's, also where the queue was not made yet.

use std::time::Duration;

use serde::Serialize;

use super::in_drop::count::{self, DropCounts};
use super::printing::run_status::{RunStatus, rough};
use super::selecting::open_queues::{QueueArgs, open_queues};
use crate::config::Site;
use crate::model::format::Newer;
use crate::model::{Exit, Micros};
use crate::queue::QueueError;
use crate::runner::{NewerNote, SinkNote};
use crate::spool::SpoolQueue;
use crate::spool::drop::Waiting;
use crate::spool::job::Standing;
use crate::spool::names::State;
use crate::sys::clock;
use crate::sys::nss;
use crate::sys::output::{self, Page, print};

/// One queue's state.
#[derive(Debug, Default, Serialize)]
struct QueueStatus {
    queue: String,
    due: u64,
    waiting: u64,
    held: u64,
    failed: u64,
    corrupt: u64,
    /// Jobs that are at work or wait for their time, and those that are paused.
    jobs: usize,
    paused_jobs: usize,
    /// When the next waiting entry is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_due: Option<String>,
    /// For how long something is due, in seconds.
    due_for: u64,
    #[serde(skip)]
    due_for_too_long: bool,
    /// That is longer than `warn_after`, or mail is in `drop/` for longer.
    overdue: bool,
    /// Age of the oldest entry that is due or waiting, in seconds.
    oldest_age: u64,
    /// What waits for it in `drop/`.
    dropped: DropStatus,
    /// What a newer bulkmailer made, if there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    newer: Option<NewerStatus>,
    /// Since when it is stopped, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<Micros>,
    /// The user id that stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_by: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunStatus>,
    /// Why its sink is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    sink_down: Option<SinkNote>,
    /// Why its mail has no way out of this host, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_way_out: Option<String>,
}

/// What this bulkmailer leaves alone. Entries are those of the last run.
#[derive(Debug, Serialize)]
struct NewerStatus {
    entries: u64,
    jobs: u64,
    /// Which bulkmailer is needed for the first of them.
    why: String,
    /// Whose they are, if that is why.
    #[serde(skip)]
    whose: &'static str,
}

/// What waits in `drop/`.
#[derive(Debug, Default, Serialize)]
struct DropStatus {
    files: u64,
    bytes: u64,
    /// Age of the oldest, in seconds.
    oldest_age: u64,
    /// That is longer than `warn_after`.
    overdue: bool,
}

/// `bulkmailer status`: 1 if a run hangs, a sink is down, a queue is stopped or has no way out, mail is due or in `drop/` for
/// too long, is in `drop/` for a queue that the configuration does not have, or needs a newer bulkmailer.
pub fn run(site: &Site, args: &QueueArgs) -> anyhow::Result<Exit> {
    let now = clock::now();
    let warn_after = |name: &str| site.config.queues.get(name).map_or(Duration::MAX, |queue| queue.warn_after);
    // Before the queues: what is adopted meanwhile counts twice rather than not at all.
    let survey = count::count(site, args.queue.as_deref())?;
    let mut all = Vec::new();
    for queue in open_queues(site, args.queue.as_deref())? {
        let no_way_out = site.config.no_way_out(queue.name());
        let status = QueueStatus::of(&queue, warn_after(queue.name()), now)?;
        all.push(QueueStatus { no_way_out, ..status });
    }
    for (name, waiting) in &survey.queues {
        let dropped = DropStatus::of(waiting, warn_after(name), now);
        match all.iter_mut().find(|status| status.queue == *name) {
            Some(status) => status.add(dropped),
            // The run that adopts it makes the queue.
            None => {
                let no_way_out = site.config.no_way_out(name);
                let mut status = QueueStatus { queue: name.clone(), no_way_out, ..QueueStatus::default() };
                status.add(dropped);
                all.push(status);
            }
        }
    }
    all.sort_by(|one, other| one.queue.cmp(&other.queue));
    if args.json {
        let shown = serde_json::json!({
            "spool": output::name(site.spool.as_os_str()),
            "queues": all,
            "dropped_unknown": DropStatus::of(&survey.unknown, Duration::ZERO, now),
            "dropped_junk": survey.junk,
        });
        print(&Page::pretty(&shown))?;
    } else {
        let mut page = page(site, &all, now);
        drop_lines(&survey, now, &mut page);
        print(&page)?;
    }
    let bad = |status: &QueueStatus| {
        let told = status.overdue || status.sink_down.is_some() || status.stopped.is_some();
        told || status.newer.is_some()
            || status.no_way_out.is_some()
            || status.run.as_ref().is_some_and(|run| run.hangs)
    };
    // What is no mail does not count: any user of the host could put it there and raise an alarm.
    let bad = all.iter().any(bad) || survey.unknown.files > 0;
    Ok(if bad { Exit::Attention } else { Exit::Ok })
}

impl DropStatus {
    fn of(waiting: &Waiting, warn_after: Duration, now: Micros) -> DropStatus {
        let age = waiting.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
        let Waiting { files, bytes, oldest: _ } = *waiting;
        DropStatus { files, bytes, oldest_age: age.as_secs(), overdue: files > 0 && age > warn_after }
    }
}

impl NewerStatus {
    fn of(queue: &SpoolQueue) -> Result<Option<NewerStatus>, QueueError> {
        let noted = NewerNote::last(queue)?.filter(|note| note.entries > 0);
        // The newer one may have been at work since.
        let entry = match noted.as_ref().and_then(|note| note.first.as_ref()) {
            Some(first) => queue.newer_entry(first)?,
            None => None,
        };
        let entries = noted.filter(|_| entry.is_some()).map_or(0, |note| note.entries);
        let (jobs, job) = queue.newer_jobs()?;
        Ok(entry.or(job).map(|newer| {
            let whose = if matches!(newer, Newer::Zone { .. }) { "" } else { " of a newer bulkmailer" };
            NewerStatus { entries, jobs, why: newer.to_string(), whose }
        }))
    }
}

impl QueueStatus {
    fn of(queue: &SpoolQueue, warn_after: Duration, now: Micros) -> anyhow::Result<QueueStatus> {
        let survey = queue.survey(now, u64::MAX)?;
        let count = |state| -> anyhow::Result<u64> {
            let mut count = 0;
            queue.each_name(state, &mut |_| {
                count += 1;
                true
            })?;
            Ok(count)
        };
        Ok(QueueStatus {
            queue: queue.name().to_owned(),
            due: survey.due,
            waiting: survey.waiting,
            held: count(State::Hold)?,
            failed: count(State::Failed)?,
            corrupt: queue.count_corrupt()?,
            jobs: queue.jobs(Standing::AtWork)?.len(),
            paused_jobs: queue.jobs(Standing::Paused)?.len(),
            next_due: survey.next.map(Micros::rfc3339),
            due_for: survey.due_for(now).as_secs(),
            due_for_too_long: survey.due_for(now) > warn_after,
            overdue: survey.due_for(now) > warn_after,
            oldest_age: survey.oldest.map_or(0, |oldest| now.since(oldest).as_secs()),
            stopped: queue.stopped()?,
            stopped_by: queue.stopper().map(|who| who.by),
            run: RunStatus::of(queue, survey.due)?,
            sink_down: SinkNote::last(queue)?,
            no_way_out: None,
            newer: NewerStatus::of(queue)?,
            dropped: DropStatus::default(),
        })
    }

    fn add(&mut self, dropped: DropStatus) {
        self.overdue |= dropped.overdue;
        self.dropped = dropped;
    }
}

fn page(site: &Site, all: &[QueueStatus], now: Micros) -> Page {
    if all.is_empty() {
        return Page::of(format!("{}: nothing was queued here yet", site.spool.display()));
    }
    let mut page = Page::of(format!("spool {}", site.spool.display()));
    for status in all {
        let mut text = format!(
            "{:<10} {} due, {} waiting, {} held, {} failed, {} corrupt",
            status.queue, status.due, status.waiting, status.held, status.failed, status.corrupt
        );
        if status.due + status.waiting > 0 {
            text.push_str(&format!("; the oldest is {} old", rough(status.oldest_age)));
        }
        page.line(text);
        if status.jobs + status.paused_jobs > 0 {
            let (jobs, paused) = (status.jobs, status.paused_jobs);
            page.line(format!("           jobs: {jobs}, and {paused} paused; see 'bulkmailer jobs list'"));
        }
        if let Some(since) = &status.stopped {
            let by = status.stopped_by.map_or(String::new(), |by| format!(" by {}", nss::user_name(by)));
            let (since, name) = (since.local(), &status.queue);
            page.line(format!("           stopped{by} since {since}; 'bulkmailer start -Q {name}' lets it go on"));
        }
        match &status.run {
            None => page.line("           no run at work"),
            Some(run) => run.lines(now, &mut page),
        }
        if status.dropped.files > 0 {
            page.line(format!("           {}", dropped_text(&status.dropped)));
        }
        if status.due_for_too_long {
            page.line(format!("           mail is due for {} and does not leave", rough(status.due_for)));
        }
        if let Some(sink) = &status.sink_down {
            page.line(format!("           the sink is down: {}", sink.why));
        }
        if let Some(NewerStatus { entries, jobs, why, whose }) = &status.newer {
            let of = |count: &u64, one: &str, many: &str| format!("{count} {}", if *count == 1 { one } else { many });
            let (entries, jobs) = (of(entries, "entry", "entries"), of(jobs, "job", "jobs"));
            page.line(format!("           left alone: {entries} and {jobs}{whose}: {why}"));
        }
        if let Some(why) = &status.no_way_out {
            page.line(format!("           its mail is not sent: {why}"));
        }
    }
    page
}

/// What waits in `drop/` for one queue.
fn dropped_text(waiting: &DropStatus) -> String {
    let (what, age) = (count::files_text(waiting.files), rough(waiting.oldest_age));
    if waiting.overdue {
        return format!(
            "{what}, the oldest is {age} old: is 'bulkmailer run' started? See 'bulkmailer list --state drop'"
        );
    }
    format!("{what}, the oldest is {age} old; the next run takes up what waits there")
}

/// What in `drop/` is no queue's.
fn drop_lines(survey: &DropCounts, now: Micros, page: &mut Page) {
    if let Some(queue) = &survey.unknown_queue {
        let unknown = DropStatus::of(&survey.unknown, Duration::ZERO, now);
        page.line(format!(
            "{} for no queue of the configuration, as for {queue}; the oldest is {} old: add the queue, or see \
             'bulkmailer check'",
            count::files_text(unknown.files),
            rough(unknown.oldest_age)
        ));
    }
    if survey.junk > 0 {
        page.line(count::junk_text(survey.junk));
    }
}
