//! Main's own look at a queue, before a supervisor is forked for it: most launches find nothing to do, or another run at
//! work, and a fork costs more than the look.
//!
//! What holds:
//! - Main changes nothing, and lists no folder of mail: what is not known without that (`Quiet` in the spool) is a
//!   supervisor's to find out, and so is everything that is to be done, said or cleared.
//! - It has one queue's lock at a time, has no child meanwhile, and lets the lock go before it forks.
//! - No mail is overlooked, by the rule of [`supervise`](super::supervise): `wake` is noted before the look and compared after
//!   the lock was let go. Who publishes later finds the lock free. A launch that meets the lock during the look leaves the
//!   queue to this one, which has noted `wake` before or forks a supervisor.

use super::lock::QueueLock;
use super::plan::by_policy;
use super::shift::SWEEP_EVERY;
use super::{beat, overdue, sink};
use crate::config::Config;
use crate::queue::QueueError;
use crate::spool::drop::NO_DROP;
use crate::spool::{Spool, SpoolQueue};
use crate::sys::{clock, fault};
use crate::worker::notifier;

/// A queue for which no supervisor is needed.
pub struct Idle {
    pub name: String,
    /// Another run has it.
    pub busy: bool,
}

/// Those of the `queues` of `spool` that need no supervisor. One that cannot be looked at has a supervisor, who says why.
pub(super) fn idle(spool: &Spool, config: &Config, queues: Vec<SpoolQueue>, verbose: bool) -> Vec<Idle> {
    let look = |queue: SpoolQueue| {
        let name = queue.name().to_owned();
        let policy = config.queues.get(&name)?;
        if config.no_way_out(&name).is_some() || !policy.linger.is_zero() {
            return None;
        }
        let busy = match look(spool, &by_policy(queue, policy), verbose) {
            Ok(Found::Calm) => false,
            Ok(Found::Busy) => true,
            Ok(Found::Work) | Err(_) => return None,
        };
        Some(Idle { name, busy })
    };
    queues.into_iter().filter_map(look).collect()
}

enum Found {
    /// Nothing is due, nobody has woken us, nothing is left to be done.
    Calm,
    /// A run that lives has the queue.
    Busy,
    /// There may be something for a supervisor to do.
    Work,
}

fn look(spool: &Spool, queue: &SpoolQueue, verbose: bool) -> Result<Found, QueueError> {
    let Some(lock) = QueueLock::take_unsigned(queue)? else {
        // An upgrade has the lock for an instant, and may have ended before the second look.
        if verbose || spool.is_being_upgraded()? || QueueLock::take_unsigned(queue)?.is_some() || beat::is_silent(queue)
        {
            return Ok(Found::Work);
        }
        return Ok(Found::Busy);
    };
    let (woken, (dropped, settled)) = (queue.woken(), queue.dropped());
    let alone = dropped == NO_DROP || (settled && !has_users(queue));
    let calm = alone && queue.stopped()?.is_none() && is_clear(queue) && queue.rests(clock::now());
    fault::instant("calm.looked");
    drop(lock);
    let unseen = queue.woken() != woken || queue.dropped().0 != dropped;
    Ok(if calm && !unseen { Found::Calm } else { Found::Work })
}

/// Whether nothing is noted that a shift would begin with, or say, clear, sweep or write at its end.
fn is_clear(queue: &SpoolQueue) -> bool {
    !queue.has_note(sink::NOTE)
        && !queue.has_note(overdue::NOTE)
        && queue.is_without("done")
        && (queue.name() != notifier::QUEUE || queue.is_without("storm"))
        && queue.was_swept_within(SWEEP_EVERY)
        && !queue.has_headless_merge()
}

/// Whether other users have mail here, or in `drop/`; a folder that cannot be listed is reported by who adopts.
fn has_users(queue: &SpoolQueue) -> bool {
    queue.has_users() || queue.drop_names().is_err()
}
