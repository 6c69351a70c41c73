//! `bulkmailer stop`: the red button, for when the wrong newsletter is going out.
//!
//! From the instant at which a queue's file `stopped` is there, no worker hands anything over: each looks for it before
//! each hand-over. `stop` presses all buttons first, and then waits until nothing is in hand: until the queues' locks,
//! which workers hold while they live, are free.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use super::printing::stop_row::{StopRow, print_rows};
use super::selecting::open_queues::{QueueArgs, open_queues};
use crate::config::Site;
use crate::model::Exit;
use crate::runner::{self, Beat};
use crate::spool::stop::Stopped;
use crate::spool::{Spool, SpoolQueue};
use crate::sys::clock;
use crate::sys::output::warning;
use crate::sys::signals::Signals;

/// How often the locks are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// After this wait a line reports what is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// `bulkmailer stop`, pressed by the real user `by`: 75 if it was interrupted while something was still in hand.
pub fn run(site: &Site, args: &QueueArgs, by: u32) -> anyhow::Result<Exit> {
    let signals = Signals::install(false)?;
    let who = Stopped { at: clock::now(), by };
    let (mut stopped, mut rows, mut failed) = (Vec::new(), Vec::new(), None);
    // One that cannot be stopped keeps no other from it.
    for queue in stoppable(site, args)? {
        match queue.stop(who) {
            Ok(new) => {
                rows.push(StopRow {
                    queue: queue.name().to_owned(),
                    stopped: true,
                    already: !new,
                    in_hand: Vec::new(),
                });
                stopped.push(queue);
            }
            Err(error) => failed = Some(error),
        }
    }
    let idle = wait(&stopped, args, &signals)?;
    if !idle {
        for (row, queue) in rows.iter_mut().zip(&stopped) {
            row.in_hand = if runner::is_free(queue) { Vec::new() } else { in_hand(queue) };
        }
    }
    print_rows(site, args.json, &rows)?;
    match failed {
        Some(error) => Err(error.into()),
        None if idle => Ok(Exit::Ok),
        None => Ok(Exit::TempFail),
    }
}

/// The queues to stop; one that is named and configured is made, so that it is stopped before anything is queued in it.
fn stoppable(site: &Site, args: &QueueArgs) -> anyhow::Result<Vec<SpoolQueue>> {
    let existing = open_queues(site, args.queue.as_deref())?;
    match &args.queue {
        Some(name) if existing.is_empty() => Ok(vec![Spool::create(&site.spool)?.queue(name)?]),
        Some(_) | None => Ok(existing),
    }
}

/// Waits until nobody holds a queue's lock; `false` if a signal ended the wait.
fn wait(queues: &[SpoolQueue], args: &QueueArgs, signals: &Signals) -> anyhow::Result<bool> {
    let began = Instant::now();
    let mut silent = args.json;
    loop {
        let busy: Vec<&SpoolQueue> = queues.iter().filter(|queue| !runner::is_free(queue)).collect();
        if busy.is_empty() {
            return Ok(true);
        }
        if signals.stop_requested() {
            return Ok(false);
        }
        if !silent && (began.elapsed() > PATIENCE || std::io::stderr().is_terminal()) {
            silent = true;
            busy.iter().for_each(|queue| say_busy(queue));
        }
        signals.wait(None, LOOK)?;
    }
}

fn say_busy(queue: &SpoolQueue) {
    let (name, hand) = (queue.name(), in_hand(queue));
    let what = if hand.is_empty() { "the run to end".to_owned() } else { hand.join(", ") };
    warning!("{name}: nothing more is handed over; waiting for what is in hand: {what}");
}

/// What the run at work has in hand, as its last heartbeat tells.
fn in_hand(queue: &SpoolQueue) -> Vec<String> {
    let beat = Beat::last(queue).ok().flatten().filter(|beat| beat.ended.is_none());
    beat.map_or(Vec::new(), |beat| beat.in_hand.into_iter().map(|hand| hand.id).collect())
}
