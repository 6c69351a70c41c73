//! The word about a sink that is down: `<queue>/sink` remembers since when, so that cron's mail says it when the outage
//! begins, once a day, and when it ends, and not with every launch. It also remembers the entries that were refused while
//! nothing was taken, so that later runs try others first.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{EntryId, Micros};
use crate::policy::reminder::{self, DAILY};
use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::spool::names::State;
use crate::sys::output::warning;
use crate::worker::context::EarlierRefusals;

/// More refused entries are not remembered; the oldest make room.
const REFUSED_MAX: usize = 1_000;
/// The most that one gap between two runs adds to the time that an entry counts as refused: the host may have been off, or
/// its clock wrong.
const GAP_MAX: Duration = Duration::from_secs(24 * 3_600);

/// The note's name.
pub(super) const NOTE: &str = "sink";

/// What is noted of a sink that is down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkNote {
    pub since: Micros,
    /// When it was last said.
    said: Micros,
    pub why: String,
    /// When this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Micros>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refused: Vec<RefusedEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RefusedEntry {
    id: String,
    /// For how long, in microseconds.
    time: u64,
}

impl SinkNote {
    /// The note of this queue's sink; `None` if it is not down, or the note cannot be understood.
    ///
    /// Errors: the disk.
    pub fn last(queue: &SpoolQueue) -> Result<Option<SinkNote>, QueueError> {
        let text = queue.read_note(NOTE)?;
        Ok(text.and_then(|(text, _)| serde_json::from_str(&text).ok()))
    }

    /// If it cannot be written, it is said again by the next run.
    fn write(&self, queue: &SpoolQueue) {
        if let Ok(text) = serde_json::to_string(self) {
            let _ = queue.write_note(NOTE, &(text + "\n"));
        }
    }
}

impl RefusedEntry {
    /// Counts the time from `from` to `to`, but for hours in which it could not be handed over.
    fn age(&mut self, queue: &SpoolQueue, from: Micros, to: Micros) {
        let whole = to.since(from);
        let gap = self.id.parse().map_or(whole, |id: EntryId| queue.open_time(&id, from, to)).min(GAP_MAX);
        self.time = self.time.saturating_add(u64::try_from(gap.as_micros()).unwrap_or(u64::MAX));
    }

    fn is_overdue(&self, expire: Duration) -> bool {
        Duration::from_micros(self.time) > expire
    }
}

/// What earlier runs noted; `None` if the sink was not down.
pub fn noted(queue: &SpoolQueue, expire: Duration) -> Option<EarlierRefusals> {
    let outage = read(queue)?;
    let noted = outage.refused.into_iter().map(|entry| (entry.is_overdue(expire), entry.id));
    Some(noted.map(|(overdue, id)| (id, overdue)).collect())
}

/// Notes that the sink is down and that `ids` were refused, and says so if it is time to.
pub fn is_down(queue: &SpoolQueue, why: &str, ids: Vec<String>, expire: Duration, now: Micros) {
    let before = read(queue);
    let note = "mail waits in the queue and is tried again by the next runs";
    let silent = !reminder::is_due(before.as_ref().map(|outage| outage.said), DAILY, now);
    match &before {
        Some(_) if silent => {}
        None => warning!("{}: the sink is down: {why}; {note}", queue.name()),
        Some(outage) => {
            let since = outage.since.local();
            warning!("{}: the sink is still down, since {since}: {why}; {note}", queue.name());
        }
    }
    let mut outage =
        before.unwrap_or(SinkNote { since: now, said: now, why: String::new(), at: None, refused: vec![] });
    if !silent {
        (outage.said, outage.why) = (now, why.to_owned());
    }
    // A sink that could not be reached refused nobody: that ages none of them.
    if let Some(at) = outage.at.filter(|_| !ids.is_empty()) {
        for entry in &mut outage.refused {
            entry.age(queue, at, now);
        }
    }
    outage.at = Some(now);
    // The workers hold what is overdue; whoever releases it begins anew.
    outage.refused.retain(|entry| !entry.is_overdue(expire) || is_ready(queue, &entry.id));
    for id in ids {
        if outage.refused.iter().all(|entry| entry.id != id) {
            outage.refused.push(RefusedEntry { id, time: 0 });
        }
    }
    let surplus = outage.refused.len().saturating_sub(REFUSED_MAX);
    outage.refused.drain(..surplus);
    outage.write(queue);
}

/// Forgets the entries that the workers held as overdue, so that whoever releases one begins anew.
pub fn forget_held(queue: &SpoolQueue, expire: Duration) {
    let Some(mut outage) = read(queue) else { return };
    let before = outage.refused.len();
    outage.refused.retain(|entry| !entry.is_overdue(expire) || is_ready(queue, &entry.id));
    if outage.refused.len() < before {
        outage.write(queue);
    }
}

fn is_ready(queue: &SpoolQueue, id: &str) -> bool {
    let spot = id.parse::<EntryId>().ok().and_then(|id| queue.locate(&id).ok().flatten());
    spot.is_some_and(|spot| spot.state == State::Ready)
}

/// Notes that the sink took mail, and says so if it was down.
pub fn is_up(queue: &SpoolQueue) {
    if let Some(outage) = read(queue) {
        warning!("{}: the sink takes mail again; it was down since {}", queue.name(), outage.since.local());
        let _ = queue.remove_note(NOTE);
    }
}

fn read(queue: &SpoolQueue) -> Option<SinkNote> {
    SinkNote::last(queue).ok().flatten()
}
