//! The child of a supervisor that adopts what other users have put into `drop/`, so that a slow disk, or a user who floods
//! it, keeps neither the workers nor the heartbeat waiting. It has the queue's lock by inheritance, and there is one at a
//! time.

use std::time::{Duration, Instant};

use super::plan::Plan;
use crate::intake::adopt::{Bounds, adopt};
use crate::model::Exit;
use crate::spool::{Spool, SpoolQueue};
use crate::sys::fault;
use crate::sys::output::warning;
use crate::sys::process::{self, Ended, Send};
use crate::sys::signals::Signals;

/// So long after something waits in `drop/` for room, it is looked at again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What a supervisor knows of it.
#[derive(Default)]
pub(super) struct Adoption {
    /// The time of `drop/` at the last look; `None` if something may be there that the look did not see.
    seen: Option<(i64, i64)>,
    /// When another look may find something adopted that waits there, for room or for its user's other mail to leave.
    again_at: Option<Instant>,
    child: Option<i32>,
    /// The worst status that one ended with.
    pub worst: Exit,
}

impl Adoption {
    /// Whether something may be in `drop/` that no look has seen.
    pub fn has_unseen(&self, queue: &SpoolQueue) -> bool {
        self.seen != Some(queue.dropped().0)
    }

    /// If `drop/` has changed and holds something for the queue, starts a child that adopts it.
    pub fn look(&mut self, plan: &Plan<'_>, spool: &Spool, queue: &SpoolQueue, signals: &Signals) {
        let (changed, settled) = queue.dropped();
        let again = self.again_at.is_some_and(|at| Instant::now() >= at);
        if self.child.is_some() || (self.seen == Some(changed) && !again) {
            return;
        }
        self.again_at = None;
        self.seen = settled.then_some(changed);
        // A folder that cannot be listed is the child's to say.
        if queue.drop_names().is_ok_and(|mut names| names.next().is_none()) {
            return;
        }
        let child = process::fork(|| {
            fault::instant("adopt.forked");
            let stop = || signals.stop_requested() || queue.may_be_stopped();
            let bounds =
                Bounds { limits: plan.limits, drop: plan.drop, key_keep: plan.policy.key_keep, syslog: plan.syslog };
            let done = adopt(spool, queue, bounds, &stop).unwrap_or_else(|error| {
                warning!("{}: {error}", plan.name);
                error.exit()
            });
            done.code()
        });
        match child {
            Ok(pid) => self.child = Some(pid),
            // Without room for a process it is tried again.
            Err(_) => self.seen = None,
        }
    }

    pub fn is_at_work(&self) -> bool {
        self.child.is_some()
    }

    /// Has it end after the file in hand.
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
        let waits = [Exit::TempFail, Exit::Attention].map(|exit| i32::from(exit.code()));
        if matches!(how, Ended::Exited(code) if waits.contains(&code)) {
            self.again_at = Some(Instant::now() + AGAIN_AFTER);
        }
        self.worst = self.worst.worst(match how {
            // What waits for its user's other mail is no fault of the run.
            Ended::Exited(code) if code == i32::from(Exit::Attention.code()) => Exit::Ok,
            Ended::Exited(code) => Exit::of_code(code),
            Ended::Signalled(_) => {
                warning!("{name}: who adopts from drop/ died ({how}); the next run goes on");
                Exit::Software
            }
        });
        true
    }
}
