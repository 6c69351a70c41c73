//! What the parts of a worker share: what its supervisor gives it, and what is said and counted for all to see.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::board::{Board, Counter, LISTED_MAX, List, Slot};
use super::notifier::Notifier;
use super::pace::Pace;
use crate::model::EntryId;
use crate::queue::{Queue, QueueError};
use crate::sys::output::warning;
use crate::sys::signals::Signals;
use crate::{config, events};

/// How many entries that cannot be settled or claimed end a queue's run; the board's lists have room for them.
pub const FAULTS_MAX: u64 = LISTED_MAX as u64;

/// How long a worker may take for all that comes with a hand-over, before it counts as hung.
pub(super) const MARGIN: Duration = Duration::from_secs(120);

/// The same for what comes between two entries: on a slow disk, millions of names.
pub(super) const SEARCH: Duration = Duration::from_secs(3_600);

/// Entries that earlier runs were refused, and whether each was so for longer than `expire`.
pub type EarlierRefusals = HashMap<String, bool>;

/// What a worker works with.
pub struct Context<'a, Q: Queue> {
    pub queue: Q,
    pub queue_name: &'a str,
    pub policy: &'a config::Queue,
    /// The folder of the spool, where the ledger lies.
    pub spool: &'a Path,
    pub bounces: &'a config::Bounces,
    /// The patterns of senders that VERP makes here.
    pub verp: &'a [String],
    /// Borrowed for the time of one write, which calls nobody.
    pub events: RefCell<events::Log>,
    pub notifier: Notifier<'a, Q>,
    pub board: &'a Board,
    pub slot: Slot<'a>,
    pub signals: &'a Signals,
    pub pace: &'a Pace,
    /// What earlier runs were refused.
    pub noted: &'a EarlierRefusals,
}

impl<Q: Queue> Context<'_, Q> {
    /// Whether nothing more is claimed, whatever is due.
    pub(super) fn is_over(&self) -> bool {
        self.signals.stop_requested() || self.board.sink_is_down() || self.board.count(Counter::Faults) >= FAULTS_MAX
    }

    pub(super) fn say(&self, text: &str) {
        warning!("{}: {text}", self.queue_name);
    }

    pub(super) fn fault(&self, error: &QueueError) {
        self.board.add(Counter::Faults, 1);
        self.say(&error.to_string());
    }

    /// From now on nobody reaches for this entry in this run. Its claim, if there is one, must still be held.
    pub(super) fn stick(&self, id: &EntryId, error: &QueueError) {
        self.board.put(List::Stuck, id.as_str(), None);
        self.fault(error);
        self.slot.idle();
    }
}
