//! The heartbeat `run.json`: what the run at work has done and has in hand, rewritten each second for `status`. A lock
//! file cannot go stale, but who holds the lock can hang: the next launch notices.

use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::lock;
use crate::model::{Exit, Micros};
use crate::policy::units::duration_text;
use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::sys::output::warning;
use crate::sys::signals::Signals;
use crate::sys::{clock, process};
use crate::worker::board::{Board, Counter};

/// The note's name.
const NOTE: &str = "run.json";
/// How often a heartbeat is written.
const EVERY: Duration = Duration::from_secs(1);
/// A run whose last sign of life is older than this hangs.
pub const STALE: Duration = Duration::from_secs(600);
/// A host that slept wakes up with an old heartbeat; so long a run has for a new one.
const BENEFIT: Duration = Duration::from_secs(3);

/// One heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    pub pid: u32,
    pub host: String,
    pub started: Micros,
    /// When this was written.
    pub at: Micros,
    /// Set by the last heartbeat of a run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<Micros>,
    pub delivered: u64,
    pub deferred: u64,
    pub failed: u64,
    pub unknown: u64,
    /// Entries that were settled.
    pub settled: u64,
    pub workers: usize,
    /// What each busy worker has in hand.
    pub in_hand: Vec<BeatEntry>,
}

/// One worker's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeatEntry {
    pub id: String,
    pub since: Micros,
    /// It waits for its turn, because of a rate or of sessions.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub paced: bool,
}

impl Beat {
    /// The last heartbeat of a run of this queue; `None` if there was none, or it cannot be understood.
    ///
    /// Errors: the disk.
    pub fn last(queue: &SpoolQueue) -> Result<Option<Beat>, QueueError> {
        let text = queue.read_note(NOTE)?;
        Ok(text.and_then(|(text, _)| serde_json::from_str(&text).ok()))
    }

    /// The heartbeat of a run with `workers` workers alive.
    fn of(board: &Board, workers: usize, started: Micros, at: Micros, host: &str, ended: bool) -> Beat {
        let in_hand = (0..board.slots()).filter_map(|index| board.slot(index).in_hand());
        Beat {
            pid: std::process::id(),
            host: host.to_owned(),
            started,
            at,
            ended: ended.then_some(at),
            delivered: board.count(Counter::Delivered),
            deferred: board.count(Counter::Deferred),
            failed: board.count(Counter::Failed),
            unknown: board.count(Counter::Unknown),
            settled: board.count(Counter::Settled),
            workers,
            in_hand: in_hand.map(|hand| BeatEntry { id: hand.id, since: hand.since, paced: hand.paced }).collect(),
        }
    }
}

/// The heartbeat of one holding of the lock: begun with the first worker, renewed each second, and ended. A run that finds
/// nothing to do writes nothing.
pub(super) struct Pulse {
    started: Micros,
    last: Instant,
    begun: bool,
}

impl Pulse {
    pub fn new() -> Pulse {
        Pulse { started: clock::now(), last: Instant::now(), begun: false }
    }

    /// Writes a heartbeat if it is time to, or if it is the `last`, of a run that had one.
    pub fn beat(&mut self, queue: &SpoolQueue, board: &Board, workers: usize, last: bool) {
        let first = !self.begun && workers > 0;
        if if last { !self.begun } else { !first && self.last.elapsed() < EVERY } {
            return;
        }
        self.last = Instant::now();
        self.begun = true;
        let beat = Beat::of(board, workers, self.started, clock::now(), &process::host_name(), last);
        if let Ok(text) = serde_json::to_string(&beat) {
            // Without it only `status` knows less.
            let _ = queue.write_note(NOTE, &(text + "\n"));
        }
    }
}

/// How long ago whoever holds the queue's lock gave a sign of life: took it, or wrote its heartbeat.
pub fn silence(queue: &SpoolQueue) -> Duration {
    let taken = lock::last_holder(queue).map_or(Duration::MAX, |holder| clock::now().since(holder.started));
    // A lock file without a text, on a full disk: nothing is known, so nothing is said.
    match since_beat(queue).min(taken) {
        Duration::MAX => Duration::ZERO,
        silence => silence,
    }
}

/// Whether a run that holds the queue's lock may hang. A heartbeat, which most runs have, tells it by its time alone.
pub(super) fn is_silent(queue: &SpoolQueue) -> bool {
    since_beat(queue) >= STALE && silence(queue) >= STALE
}

/// How old the last heartbeat is; the greatest time if there is none, or it is yet to come.
fn since_beat(queue: &SpoolQueue) -> Duration {
    let (beaten, now) = (queue.note_time(NOTE), clock::now());
    beaten.filter(|at| *at <= now).map_or(Duration::MAX, |at| now.since(at))
}

/// Looks after the run that holds this queue's lock: 75, and a line that says so, if it hangs.
pub fn watch(queue: &SpoolQueue, signals: &Signals) -> io::Result<Exit> {
    if silence(queue) < STALE {
        return Ok(Exit::Ok);
    }
    signals.wait(None, BENEFIT)?;
    let silence = silence(queue);
    if silence < STALE || lock::is_free(queue) {
        return Ok(Exit::Ok);
    }
    let who = lock::last_holder(queue).map_or("the run at work".to_owned(), |holder| format!("process {}", holder.pid));
    let ago = duration_text(Duration::from_secs(silence.as_secs()));
    warning!(
        "{}: {who} holds this queue and hangs, its last sign of life is {ago} old; \
         look at 'bulkmailer status', then kill it: no mail is lost",
        queue.name()
    );
    Ok(Exit::TempFail)
}
