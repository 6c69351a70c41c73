//! What must never be.

use super::super::replay::Standing;
use super::after::{due, is_open, log_is_locked};
use super::rules::Run;
use super::state::{At, Command, Head, Place, State};
use super::tape::Seen;

/// The harm in a state, if there is any.
pub fn harm(run: &Run, state: &State, seen: &Seen) -> Option<&'static str> {
    if (0..2).any(|row| state.sent[row] > 1 + state.spare[row]) {
        return Some("a row is sent more often than it may be");
    }
    let place = match state.job_acked {
        Some(Command::Pause) => Some(Place::Paused),
        Some(Command::Cancel) => Some(Place::Cancelled),
        Some(Command::Resume | Command::Remove | Command::Hold | Command::Requeue) | None => None,
    };
    if place.is_some_and(|place| state.job.newest() != place) {
        return Some("an acknowledged pause or cancel is undone");
    }
    if state.heads.iter().any(|head| head.newest() == Head::Empty) {
        return Some("a head has lost what was in it");
    }
    if log_is_locked(run, state) { None } else { at_rest(run, state, seen) }
}

/// The same where nobody has the log in hand.
fn at_rest(run: &Run, state: &State, seen: &Seen) -> Option<&'static str> {
    let is_open = |row| is_open(seen, row);
    let any_open = (0..2).any(is_open);
    let any_held = seen.rows.iter().any(|row| row.standing == Standing::Held);
    let is_done = state.job.newest() == Place::Done;
    if is_done && (any_held || any_open) && !(state.made && run.rules.brings_back) {
        return Some("a job with an open or held row is in done/");
    }
    // After a power cut that kept the removal of a name alone, the end of the job finds the row.
    let is_found = run.rules.reads_all_logs && state.epoch > 0;
    if any_open && !state.has_head() && !is_found && state.admin.is_none() {
        return Some("an open row has no head");
    }
    let head = state.heads.iter().position(|head| head.newest() != Head::None);
    if head.is_some_and(|head| (0..2).any(|row| is_open(row) && usize::from(due(run, seen, row)) < head)) {
        return Some("a head is later than a row is due");
    }
    for row in 0..2 {
        let standing = seen.rows[row].standing;
        let holds = match state.acked[row] {
            Some(Command::Remove) => standing == Standing::Removed,
            Some(Command::Hold) => standing == Standing::Held,
            Some(Command::Requeue) => is_open(row),
            Some(Command::Pause | Command::Resume | Command::Cancel) | None => true,
        };
        if !holds {
            return Some("an acknowledged command is undone");
        }
        if standing == Standing::Delivered && state.sent[row] == 0 {
            return Some("a row counts as delivered and was never sent");
        }
    }
    let is_kept_away = state.want && state.admin.is_none() && !run.rules.want_is_lock;
    let idle = state.workers.iter().all(|worker| worker.at == At::Idle);
    (is_kept_away && any_open && idle).then_some("a dead command keeps workers away for good")
}
