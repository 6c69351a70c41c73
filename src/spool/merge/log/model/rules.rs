//! The rules of the log, each of which may be left out, and what a run of the model tries.

use super::state::{Budget, Command, Word};

/// What a run keeps to. Each field is a rule at the head of [`log`](super::super).
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Each record's CRC covers the one before.
    pub chained: bool,
    /// A claim begins with a random number.
    pub random: bool,
    /// A claim writes records later than the noted length again before its first sync.
    pub rewrites: bool,
    /// It does so after a sync of its own that failed.
    pub rewrites_after_own: bool,
    /// It does so after a sync of the file system that failed.
    pub rewrites_after_syncfs: bool,
    /// The log is synced before its head goes or moves.
    pub syncs_before_move: bool,
    /// The head's name notes a length that is synced.
    pub notes_synced: bool,
    /// A finished head waits for a sync under both locks.
    pub waits_with_locks: bool,
    /// The head's name is looked at again when the log is locked.
    pub looks_again: bool,
    /// With `on_crash = "hold"`: what is begun is synced before it is handed over.
    pub syncs_begun: bool,
    /// The job's place is looked at before each hand-over.
    pub looks_at_job: bool,
    /// A `want/` that nobody has locked is stale.
    pub want_is_lock: bool,
    /// A command locks the log before it publishes a head.
    pub locks_first: bool,
    /// It publishes the head before it makes the row due.
    pub head_first: bool,
    /// Before it makes a head sooner, rows that wait with the head get its time as their own.
    pub keeps_times: bool,
    /// A new head's content is synced before it gets its name.
    pub fills_head: bool,
    /// A command syncs before it is acknowledged.
    pub command_syncs: bool,
    /// Pausing and cancelling sync before they are acknowledged.
    pub job_command_syncs: bool,
    /// A job ends after all its logs were read.
    pub reads_all_logs: bool,
    /// A held row keeps the job.
    pub held_keeps_job: bool,
    /// A job that ended while a row was made due is brought back.
    pub brings_back: bool,
}

/// One configuration.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub rules: Rules,
    /// `on_crash = "hold"`.
    pub holds: bool,
    /// Finished heads wait for the sync of each second.
    pub late: bool,
    /// The job is for a later time, and its rows have none of their own.
    pub timed: bool,
    pub workers: usize,
    pub words: &'static [Word],
    pub commands: &'static [Command],
    pub budget: Budget,
}

pub const ALL: Rules = Rules {
    chained: true,
    random: true,
    rewrites: true,
    rewrites_after_own: true,
    rewrites_after_syncfs: true,
    syncs_before_move: true,
    notes_synced: true,
    waits_with_locks: true,
    looks_again: true,
    syncs_begun: true,
    looks_at_job: true,
    want_is_lock: true,
    locks_first: true,
    head_first: true,
    keeps_times: true,
    fills_head: true,
    command_syncs: true,
    job_command_syncs: true,
    reads_all_logs: true,
    held_keeps_job: true,
    brings_back: true,
};

/// One worker that delivers, and no trouble.
pub const CALM: Run = Run {
    rules: ALL,
    holds: false,
    late: false,
    timed: false,
    workers: 1,
    words: &[Word::Delivered],
    commands: &[],
    budget: Budget { kills: 0, cuts: 0, faults: 0, syncfs: 0, commands: 0 },
};
