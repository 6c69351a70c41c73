//! The child of a supervisor that notifies the senders of merges and ends merges, so that nobody waits while it reads their
//! logs. It has the queue's lock by inheritance, and there is one at a time; at its end a shift does the same by itself.

use std::time::{Duration, Instant};

use super::plan::Plan;
use crate::model::{Address, Exit};
use crate::queue::QueueError;
use crate::spool::merge::told::{ToldMerge, When};
use crate::spool::{Spool, SpoolQueue};
use crate::sys::clock;
use crate::sys::output::warning;
use crate::sys::process::{self, Ended};
use crate::worker::notifier;

/// How often it looks while a shift lasts.
const EVERY: Duration = Duration::from_secs(60);

/// What a supervisor knows of it.
pub(super) struct Teller {
    child: Option<i32>,
    /// When the last one began, or the shift.
    last: Instant,
    /// The worst status that one ended with.
    pub worst: Exit,
}

impl Teller {
    pub fn new() -> Teller {
        Teller { child: None, last: Instant::now(), worst: Exit::Ok }
    }

    /// Once a minute, if there are jobs, starts a child that looks after merges.
    pub fn look(&mut self, plan: &Plan<'_>, spool: &Spool, queue: &SpoolQueue) {
        if self.child.is_some() || self.last.elapsed() < EVERY {
            return;
        }
        self.last = Instant::now();
        if queue.is_without("jobs") {
            return;
        }
        let child = process::fork(|| {
            process::lower_priority();
            match tell_of_merges(plan, spool, queue) {
                Ok(()) => Exit::Ok.code(),
                Err(error) => {
                    warning!("{}: {error}", plan.name);
                    error.exit().code()
                }
            }
        });
        // Without room for a process the shift's end makes up for it.
        self.child = child.ok();
    }

    pub fn is_at_work(&self) -> bool {
        self.child.is_some()
    }

    /// Takes note of the end of a child; `false` if it was not this one.
    pub fn ended(&mut self, name: &str, pid: i32, how: Ended) -> bool {
        if self.child != Some(pid) {
            return false;
        }
        self.child = None;
        match how {
            Ended::Exited(code) => self.worst = self.worst.worst(Exit::of_code(code)),
            Ended::Signalled(_) => warning!("{name}: who notifies senders of merges died ({how}); it is made up for"),
        }
        true
    }
}

/// Ends merges of `queue` that have no open or held row, and notifies their senders.
pub(super) fn tell_of_merges(plan: &Plan<'_>, spool: &Spool, queue: &SpoolQueue) -> Result<(), QueueError> {
    let events = plan.spool.join("events");
    let mut tell = |merge: &ToldMerge<'_>| {
        if !plan.policy.notices {
            return Ok(());
        }
        let (has_ended, mark) = match merge.when {
            When::Ended { failed } => (true, format!("{} failed, the last at {}", merge.counts.failed, failed.0)),
            When::Meanwhile { number } => (false, format!("meanwhile {number}")),
        };
        let (list, origin) = (&merge.about.list, &merge.about.origin);
        let sender = Address::sender(&list.sender).ok().flatten();
        let merge = notifier::MergeNews {
            job: merge.job,
            name: list.name.as_deref(),
            sender: sender.as_ref(),
            notify: origin.notify.as_deref(),
            events: &events.to_string_lossy(),
            counts: merge.counts,
            has_ended,
            mark: &mark,
        };
        let outlet = spool.queue(notifier::QUEUE)?;
        notifier::tell_of_merge(&&outlet, queue.name(), &merge)
    };
    queue.end_merges(&mut tell)?;
    queue.tell_meanwhile(clock::now(), &mut tell)
}
