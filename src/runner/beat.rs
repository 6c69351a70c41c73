//! The heartbeat `run.json`: what the run at work has done and has in hand, rewritten each second for `status`.

use serde::{Deserialize, Serialize};

use crate::model::Micros;
use crate::worker::board::{Board, Counter};

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
    pub in_hand: Vec<Hand>,
}

/// One worker's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    pub id: String,
    pub since: Micros,
}

impl Beat {
    /// The heartbeat of a run with `workers` workers alive.
    pub fn of(board: &Board, workers: usize, started: Micros, at: Micros, host: &str, ended: bool) -> Beat {
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
            in_hand: in_hand.map(|hand| Hand { id: hand.id, since: hand.since }).collect(),
        }
    }
}
