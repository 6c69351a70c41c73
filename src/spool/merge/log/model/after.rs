//! The states that may follow one, while they are found.

use super::super::replay::Standing;
use super::rules::Run;
use super::state::State;
use super::tape::{Seen, Tape};

/// What happened: in words, and to which row, head or worker.
pub type Event = (&'static str, u8);

/// The states after one.
pub struct After<'r> {
    pub run: &'r Run,
    pub tape: &'r mut Tape,
    pub from: State,
    /// What the log tells in it.
    pub seen: Seen,
    pub states: Vec<(Event, State)>,
    pub harm: Option<&'static str>,
}

impl After<'_> {
    pub fn add(&mut self, event: Event, mut state: State) {
        // Workers are alike; idle ones come last.
        state.workers.sort_unstable_by(|one, other| other.cmp(one));
        self.states.push((event, state));
    }

    /// Whether a command has asked for the entry.
    pub fn is_wanted(&self) -> bool {
        self.from.want && (self.from.admin.is_some() || !self.run.rules.want_is_lock)
    }

    pub fn log_is_locked(&self) -> bool {
        log_is_locked(self.run, &self.from)
    }

    pub fn is_open(&self, row: usize) -> bool {
        is_open(&self.seen, row)
    }

    pub fn is_due(&self, row: usize) -> bool {
        self.is_open(row) && (self.from.later || !self.seen.rows[row].later)
    }
}

/// Which of the two heads a row is due with.
pub fn due(run: &Run, seen: &Seen, row: usize) -> u8 {
    let row = &seen.rows[row];
    u8::from(if row.with_head { run.timed } else { row.later })
}

pub fn log_is_locked(run: &Run, state: &State) -> bool {
    let waits_with_locks = run.rules.waits_with_locks;
    state.workers.iter().any(|worker| worker.has_log(waits_with_locks))
        || state.admin.is_some_and(|admin| admin.has_log())
}

pub fn is_open(seen: &Seen, row: usize) -> bool {
    seen.rows[row].standing == Standing::Open
}
