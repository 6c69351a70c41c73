//! Main's part of a run: it forks a supervisor for each queue that needs one, draws the progress, passes signals on, and waits
//! for the last of them to end.
//!
//! What holds: main has one thread, and holds no queue's lock when it forks.

use std::time::{Duration, Instant};

use super::args::Args;
use super::calm::Idle;
use super::plan::{self, Plan};
use super::progress::{self, Progress};
use super::summary::{QueueSummary, Summary};
use super::supervise::supervise;
use crate::config::Site;
use crate::model::Exit;
use crate::sys::fault;
use crate::sys::output::warning;
use crate::sys::process::{self, Ended, Send};
use crate::sys::signals::Signals;

/// Runs the queues `names` until each has nothing due, or another run has it. The `idle` ones need no supervisor.
pub fn drain(site: &Site, names: &[String], idle: &[Idle], args: &Args) -> anyhow::Result<Summary> {
    let started = Instant::now();
    let plans = plan::plans(site, names, &|name| idle.iter().all(|idle| idle.name != name), args)?;
    let ended = if plans.is_empty() { Vec::new() } else { supervised(&plans, args, started)? };
    let idle = idle.iter().map(|idle| QueueSummary::idle(&idle.name, idle.busy));
    let mut queues: Vec<QueueSummary> = ended.into_iter().chain(idle).collect();
    queues.sort_by_key(|queue| names.iter().position(|name| *name == queue.queue));
    Ok(Summary::new(queues, started.elapsed()))
}

/// Runs the queues of these plans, each under a supervisor.
fn supervised(plans: &[Plan<'_>], args: &Args, started: Instant) -> anyhow::Result<Vec<QueueSummary>> {
    let signals = Signals::install(true)?;
    let mut running = Vec::with_capacity(plans.len());
    for plan in plans {
        let pid = process::fork(|| supervise(plan).code())?;
        fault::instant("main.forked");
        running.push(Running { plan, pid, ended: None });
    }
    let show = !args.quiet && !args.json && progress::is_terminal();
    let mut bar = show.then(|| Progress::new(plans));
    let mut relay = StopRelay { signals: &signals, told: 0, until: args.max_runtime.map(|limit| started + limit) };
    while running.iter().any(|queue| queue.ended.is_none()) {
        let slice = if bar.is_some() { Duration::from_millis(100) } else { Duration::from_secs(3_600) };
        signals.wait(None, relay.slice(slice))?;
        while let Some((pid, ended)) = process::reap()? {
            note_end(&mut running, pid, ended);
        }
        relay.pass_on(&running);
        if let Some(bar) = &mut bar {
            bar.draw();
        }
    }
    if let Some(bar) = bar {
        bar.finish();
    }
    let summary = |queue: &Running<'_, '_>| QueueSummary::of(queue.plan, queue.ended.unwrap_or(Exit::Software));
    Ok(running.iter().map(summary).collect())
}

struct Running<'p, 'a> {
    plan: &'p Plan<'a>,
    pid: i32,
    ended: Option<Exit>,
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
struct StopRelay<'s> {
    signals: &'s Signals,
    /// How many steps the supervisors were told.
    told: u32,
    until: Option<Instant>,
}

impl StopRelay<'_> {
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
