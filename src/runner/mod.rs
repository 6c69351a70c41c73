//! One launch by cron: a supervisor for each queue, and main, which draws progress, counts signals and tells the end.
//!
//! ```text
//! cron → run → one supervisor for each free queue: takes the lock, proves the spool and the sink, forks workers
//!               └ worker: claim → send → settle → (again)
//! ```
//!
//! What holds: a process never has descriptors of two queues' locks (main opens none; each supervisor opens its own after
//! its fork); main and the supervisors have one thread; an overlapping launch ends at once, with status 0 and no output.
#![forbid(unsafe_code)]

mod adoption;
mod args;
mod beat;
mod clerk;
mod doors;
mod lock;
mod online;
mod overdue;
mod plan;
mod progress;
mod sink;
mod summary;
mod supervise;
mod syncer;
pub mod way_out;
mod workers;
mod workforce;

pub use args::Args;
pub use beat::{Beat, Hand, STALE, silence};
pub use lock::{Holder, QueueLock, is_free};
pub use summary::{QueueSummary, Summary};

use std::time::{Duration, Instant};

use self::plan::Plan;
use crate::config::{self, Config, Site};
use crate::intake::adopt;
use crate::model::Exit;
use crate::spool::Spool;
use crate::sys::output::{self, Page, tell, warning};
use crate::sys::process::{self, Ended, Send};
use crate::sys::signals::Signals;
use crate::sys::{clock, fault};

struct Running<'p, 'a> {
    plan: &'p Plan<'a>,
    pid: i32,
    ended: Option<Exit>,
}

/// `bulkmailer run`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let known = |queue: &str| site.config.queues.contains_key(queue);
    let Some(spool) = adopt::prepare(&site.spool, &known)? else {
        if args.verbose {
            warning!("{}: no spool yet, so nothing to do", site.spool.display());
        }
        return Ok(Exit::Ok);
    };
    doors::say(&spool, site.spool_is_hosts);
    let names = queue_names(&spool, &site.config, &args.queues)?;
    hear(&spool, &names)?;
    way_out::say(&spool, &site.config, &names, false)?;
    let summary = drain(site, &names, args)?;
    say_left(site, &summary)?;
    if args.json {
        tell(&Page::json(&summary)?);
    }
    Ok(summary.exit())
}

/// Says what runs had to say that submit started.
fn hear(spool: &Spool, names: &[String]) -> anyhow::Result<()> {
    for name in names {
        if let Some(words) = spool.existing_queue(name)?.and_then(|queue| queue.hear()) {
            output::repeat(&words);
        }
    }
    Ok(())
}

/// The queues that are asked for, or all that exist, in the order of their names.
pub fn queue_names(spool: &Spool, config: &Config, asked: &[String]) -> anyhow::Result<Vec<String>> {
    let existing = spool.queues()?;
    if asked.is_empty() {
        for name in existing.iter().filter(|name| !config.queues.contains_key(*name)) {
            let queue = spool.existing_queue(name)?;
            let Some(queue) = queue else { continue };
            if queue.survey(clock::now(), 1)?.oldest.is_none() {
                continue;
            }
            warning!("{name}: mail lies in this queue and the configuration does not know it; add [queue.{name}]");
        }
        return Ok(existing.into_iter().filter(|name| config.queues.contains_key(name)).collect());
    }
    if let Some(unknown) = asked.iter().find(|name| !config.queues.contains_key(*name)) {
        let known: Vec<&str> = config.queues.keys().map(String::as_str).collect();
        return Err(config::ConfigError::unknown_queue(unknown, &known).into());
    }
    let mut names: Vec<String> = asked.iter().filter(|name| existing.contains(name)).cloned().collect();
    names.dedup();
    Ok(names)
}

/// Runs the queues `names` until each has nothing due, or another run has it.
pub fn drain(site: &Site, names: &[String], args: &Args) -> anyhow::Result<Summary> {
    let started = Instant::now();
    let plans = plan::plans(site, names, args)?;
    let signals = Signals::install(true)?;
    let mut running = Vec::with_capacity(plans.len());
    for plan in &plans {
        let pid = process::fork(|| supervise::supervise(plan).code())?;
        fault::instant("main.forked");
        running.push(Running { plan, pid, ended: None });
    }
    let show = !args.quiet && !args.json && progress::is_terminal();
    let mut bar = show.then(|| progress::Progress::new(&plans));
    let mut watch = Watch { signals: &signals, told: 0, until: args.max_runtime.map(|limit| started + limit) };
    while running.iter().any(|queue| queue.ended.is_none()) {
        let slice = if bar.is_some() { Duration::from_millis(100) } else { Duration::from_secs(3_600) };
        signals.wait(None, watch.slice(slice))?;
        while let Some((pid, ended)) = process::reap()? {
            note_end(&mut running, pid, ended);
        }
        watch.pass_on(&running);
        if let Some(bar) = &mut bar {
            bar.draw();
        }
    }
    if let Some(bar) = bar {
        bar.finish();
    }
    let took = started.elapsed();
    let queues = running.iter().map(|queue| QueueSummary::of(queue.plan, queue.ended.unwrap_or(Exit::Software)));
    Ok(Summary::new(queues.collect(), took))
}

/// Says what stays in `drop/` for the queues that this run had. For the end of a command, which says it once.
pub fn say_left(site: &Site, summary: &Summary) -> anyhow::Result<()> {
    let Some(spool) = Spool::open(&site.spool)? else { return Ok(()) };
    let ours = summary.queues.iter().filter(|queue| !queue.busy).map(|queue| &queue.queue);
    let queues = ours.map(|name| spool.existing_queue(name)).collect::<Result<Vec<_>, _>>()?;
    adopt::say(&site.spool.join("drop"), &queues.into_iter().flatten().collect::<Vec<_>>());
    Ok(())
}

fn note_end(running: &mut [Running<'_, '_>], pid: i32, ended: Ended) {
    let Some(queue) = running.iter_mut().find(|queue| queue.pid == pid) else { return };
    queue.ended = Some(match ended {
        Ended::Exited(code) => Exit::of_code(code),
        Ended::Signalled(signal) => {
            warning!("{}: its supervisor died by signal {signal}; the next run goes on", queue.plan.name);
            Exit::Software
        }
    });
}

/// Main's signals: the first TERM or INT, or the end of the time, means finish what is in hand; the second, stop now.
struct Watch<'s> {
    signals: &'s Signals,
    /// How many steps the supervisors were told.
    told: u32,
    until: Option<Instant>,
}

impl Watch<'_> {
    /// How long to wait for the next event.
    fn slice(&self, at_most: Duration) -> Duration {
        match self.until {
            Some(until) if self.told == 0 => at_most.min(until.saturating_duration_since(Instant::now())),
            Some(_) | None => at_most,
        }
    }

    fn pass_on(&mut self, running: &[Running<'_, '_>]) {
        let over = self.until.is_some_and(|until| Instant::now() >= until);
        let wanted = if self.signals.quit() { 2 } else { self.signals.terms().max(u32::from(over)).min(2) };
        while self.told < wanted {
            self.told += 1;
            let what = if self.told == 1 { Send::Term } else { Send::Quit };
            for queue in running.iter().filter(|queue| queue.ended.is_none()) {
                process::send(queue.pid, what);
            }
        }
    }
}
