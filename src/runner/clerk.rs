//! The child of a supervisor that writes the lists of users who may not look into the spool ([`lists`]), so that nobody
//! waits for it. It has the queue's lock by inheritance, and there is one at a time.
//!
//! [`lists`]: crate::spool::lists

use std::time::{Duration, Instant};

use super::plan::Plan;
use crate::intake::adopt;
use crate::model::Exit;
use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::spool::drop::Dropped;
use crate::sys::output::warning;
use crate::sys::process::{self, Ended, Send};
use crate::sys::signals::Signals;

/// How often lists are written while a shift lasts.
const EVERY: Duration = Duration::from_secs(60);
/// How long a run that was told to end waits for its last lists.
const LAST: Duration = Duration::from_secs(10);

/// What a supervisor knows of it.
pub(super) struct Clerk {
    child: Option<i32>,
    /// When the last one began, or the shift.
    last: Instant,
    /// Mail was adopted in this shift.
    somebody: bool,
    /// The worst status that one ended with.
    pub worst: Exit,
}

impl Clerk {
    pub fn new() -> Clerk {
        Clerk { child: None, last: Instant::now(), somebody: false, worst: Exit::Ok }
    }

    /// Once a minute, if there is anybody to write for, starts a child that does.
    pub fn look(&mut self, plan: &Plan<'_>, queue: &SpoolQueue, signals: &Signals, adopting: bool) {
        self.somebody |= adopting;
        if self.child.is_none() && self.last.elapsed() >= EVERY {
            self.begin(plan, queue, signals);
        }
    }

    /// Starts the last one of a shift, and answers until when to wait for it.
    pub fn close(&mut self, plan: &Plan<'_>, queue: &SpoolQueue, signals: &Signals) -> Option<Instant> {
        self.begin(plan, queue, signals);
        (signals.terms() > 0).then(|| Instant::now() + LAST)
    }

    fn begin(&mut self, plan: &Plan<'_>, queue: &SpoolQueue, signals: &Signals) {
        self.last = Instant::now();
        if !self.somebody && !queue.has_users() {
            return;
        }
        self.somebody = false;
        let before = signals.terms();
        let child = process::fork(|| {
            process::lower_priority();
            let stop = || signals.terms() > before || signals.quit();
            match write(plan, queue, &stop) {
                Ok(()) => Exit::Ok.code(),
                Err(error) => {
                    warning!("{}: {error}", plan.name);
                    error.exit().code()
                }
            }
        });
        // Without room for a process the next run makes up for it.
        self.child = child.ok();
    }

    pub fn is_at_work(&self) -> bool {
        self.child.is_some()
    }

    /// Has it end; the old lists stay.
    pub fn end(&self) {
        if let Some(pid) = self.child {
            process::send(pid, Send::Term);
        }
    }

    /// Takes note of the end of a child; `false` if it was not this one.
    pub fn ended(&mut self, name: &str, pid: i32, how: Ended) -> bool {
        if self.child != Some(pid) {
            return false;
        }
        self.child = None;
        if let Ended::Exited(code) = how {
            self.worst = self.worst.worst(Exit::of_code(code));
        } else {
            warning!("{name}: who writes the lists in users/ died ({how}); the next run goes on");
        }
        true
    }
}

/// Writes the lists, and corrects what is noted of each user by what was counted for them.
fn write(plan: &Plan<'_>, queue: &SpoolQueue, stop: &dyn Fn() -> bool) -> Result<(), QueueError> {
    let began = queue.uses()?;
    let fits = |dropped: &Dropped| adopt::check(dropped, plan.limits, plan.drop).map_err(|why| why.to_string());
    match queue.write_lists(plan.limits.recipients, &fits, stop)? {
        Some(counted) => queue.recount(&began, &counted),
        None => Ok(()),
    }
}
