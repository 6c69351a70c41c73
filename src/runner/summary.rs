//! What a run did, for `--json` and for the exit status.

use std::time::Duration;

use serde::Serialize;

use super::plan::Plan;
use crate::model::Exit;
use crate::worker::board::{Counter, Phase};

/// One queue's part.
#[derive(Clone, Debug, Default, Serialize)]
pub struct QueueSummary {
    pub queue: String,
    /// Another run has it; the counts are zero.
    pub busy: bool,
    /// A person had stopped it before; the counts are zero.
    pub stopped: bool,
    /// This host is offline, so nothing was tried.
    pub offline: bool,
    /// Why its sink is down, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink_down: Option<String>,
    /// Why nothing was handed over, and what to do: it has no way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_way_out: Option<String>,
    /// Recipients, by verdict.
    pub delivered: u64,
    pub deferred: u64,
    pub failed: u64,
    pub unknown: u64,
    pub suppressed: u64,
    /// Entries settled.
    pub settled: u64,
    pub faults: u64,
    pub corrupt: u64,
    pub crashes: u64,
    pub claims: u64,
    /// Locks that somebody else held.
    pub contended: u64,
    /// Hand-overs that had to wait for a token of a rate.
    pub paced: u64,
    /// Its exit status.
    pub status: u8,
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub queues: Vec<QueueSummary>,
    pub seconds: f64,
    /// Recipients delivered to, a second.
    pub rate: f64,
    pub status: u8,
    #[serde(skip)]
    exit: Exit,
}

impl QueueSummary {
    /// Of a queue in which nothing was done, because nothing was to be done or, if `busy`, another run has it.
    pub(super) fn idle(queue: &str, busy: bool) -> QueueSummary {
        QueueSummary { queue: queue.to_owned(), busy, ..QueueSummary::default() }
    }

    pub(super) fn of(plan: &Plan<'_>, exit: Exit) -> QueueSummary {
        let board = &plan.board;
        QueueSummary {
            queue: plan.name.clone(),
            busy: board.phase() == Phase::Busy,
            stopped: board.phase() == Phase::Stopped,
            offline: board.is_offline(),
            sink_down: board.sink_is_down().then(|| board.sink_why()),
            no_way_out: plan.no_way_out.clone(),
            delivered: board.count(Counter::Delivered),
            deferred: board.count(Counter::Deferred),
            failed: board.count(Counter::Failed),
            unknown: board.count(Counter::Unknown),
            suppressed: board.count(Counter::Suppressed),
            settled: board.count(Counter::Settled),
            faults: board.count(Counter::Faults),
            corrupt: board.count(Counter::Corrupt),
            crashes: board.count(Counter::Crashes),
            claims: board.count(Counter::Claims),
            contended: board.count(Counter::Contended),
            paced: board.count(Counter::Paced),
            status: exit.code(),
        }
    }
}

impl Summary {
    pub(super) fn new(queues: Vec<QueueSummary>, took: Duration) -> Summary {
        let delivered: u64 = queues.iter().map(|queue| queue.delivered).sum();
        let exit = queues.iter().fold(Exit::Ok, |worst, queue| worst.worst(Exit::of_code(queue.status.into())));
        let seconds = took.as_secs_f64();
        Summary { queues, seconds, rate: delivered as f64 / seconds.max(1e-6), status: exit.code(), exit }
    }

    /// The worst status of its queues.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    pub fn any_offline(&self) -> bool {
        self.queues.iter().any(|queue| queue.offline)
    }

    /// Whether another run has one of the queues.
    pub fn any_busy(&self) -> bool {
        self.queues.iter().any(|queue| queue.busy)
    }
}
