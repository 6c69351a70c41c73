//! The supervisor of one queue: takes the queue's lock, works a shift while it has it, and lets it go when nothing is due any
//! more but what a newer program made.
//!
//! No mail is overlooked: `wake` is noted *before* each look at the names, and after the lock was let go it is compared
//! once more. Who published before that is seen by us; who published later finds the lock free, or a run whose first look
//! is later than his publish. An upgrade of the spool has the lock for an instant, works nothing off, and is waited for.

use std::time::{Duration, Instant};

use super::beat;
use super::lock::{self, QueueLock};
use super::plan::Plan;
use super::shift::Shift;
use crate::model::Exit;
use crate::queue::QueueError;
use crate::spool::{Spool, SpoolQueue};
use crate::sys::output::warning;
use crate::sys::signals::Signals;
use crate::worker::board::Phase;

/// How long the end of an upgrade is waited for, and how often it is looked for.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);

/// Supervises one queue to the end of the run; this is a process of its own.
pub(super) fn supervise(plan: &Plan<'_>) -> Exit {
    let exit = match shifts(plan) {
        Ok(exit) => exit,
        Err(error) => {
            warning!("{}: {error}", plan.name);
            error.exit()
        }
    };
    if plan.board.phase() == Phase::Working {
        plan.board.set_phase(Phase::Done);
    }
    exit
}

/// Works while the queue is free and somebody has woken us.
fn shifts(plan: &Plan<'_>) -> Result<Exit, QueueError> {
    let os = |source| QueueError::Io { doing: "take over signals", path: plan.spool.clone(), source };
    let signals = Signals::install(true).map_err(os)?;
    let Some((spool, queue)) = plan.open()? else { return Ok(Exit::Ok) };
    let mut exit = Exit::Ok;
    loop {
        if queue.stopped()?.is_some() {
            say_stopped(plan);
            return Ok(exit);
        }
        let Some(lock) = take(&spool, &queue, &signals)? else {
            if plan.board.phase() == Phase::Starting {
                plan.board.set_phase(Phase::Busy);
                say_who(plan, &queue);
                return beat::watch(&queue, &signals).map_err(os);
            }
            return Ok(exit);
        };
        plan.board.set_phase(Phase::Working);
        queue.clear_ended();
        let mut shift = Shift::new(plan, &spool, &queue, &signals);
        exit = exit.worst(shift.work()?);
        let told = shift.told();
        drop(lock);
        let unseen = shift.has_unseen();
        if exit != Exit::Ok || told || (!unseen && !queue.may_be_stopped()) {
            return Ok(exit);
        }
    }
}

/// Takes the queue's lock; `None` if another run has it.
fn take(spool: &Spool, queue: &SpoolQueue, signals: &Signals) -> Result<Option<QueueLock>, QueueError> {
    let os = |source| QueueError::Io { doing: "wait for the lock of", path: queue.path(""), source };
    let began = Instant::now();
    loop {
        if let Some(lock) = QueueLock::take(queue)? {
            return Ok(Some(lock));
        }
        if !spool.is_being_upgraded()? || began.elapsed() >= PATIENCE || signals.stop_requested() {
            // What had the lock may have been an upgrade that ended before the second look.
            return QueueLock::take(queue);
        }
        signals.wait(None, LOOK).map_err(os)?;
    }
}

fn say_who(plan: &Plan<'_>, queue: &SpoolQueue) {
    if plan.verbose {
        let who = lock::last_holder(queue).map_or("another run".to_owned(), |holder| {
            format!("process {} on {}, since {}", holder.pid, holder.host, holder.started.local())
        });
        warning!("{}: this queue is being worked on by {who}", plan.name);
    }
}

fn say_stopped(plan: &Plan<'_>) {
    if plan.board.phase() == Phase::Starting {
        plan.board.set_phase(Phase::Stopped);
    }
    if plan.verbose {
        warning!("{0}: this queue is stopped; 'bulkmailer start -Q {0}' lets it go on", plan.name);
    }
}
