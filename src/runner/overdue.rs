//! The word about mail that is due for too long: said once a day, also while the host is offline and nothing else is said.

use std::time::Duration;

use crate::model::Micros;
use crate::policy::reminder::{self, DAILY};
use crate::policy::units::duration_text;
use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::sys::output::warning;

pub(super) const NOTE: &str = "overdue";

/// Looks how long mail is due, at the end of a run that left some, and says so if it is time to.
pub fn say(queue: &SpoolQueue, warn_after: Duration, why: &str, now: Micros) -> Result<(), QueueError> {
    let said = queue.read_note(NOTE)?.and_then(|(text, _)| text.trim().parse().ok()).map(Micros);
    if !reminder::is_due(said, DAILY, now) {
        return Ok(());
    }
    let due_for = queue.survey(now, u64::MAX)?.due_for(now);
    if due_for <= warn_after {
        clear(queue);
        return Ok(());
    }
    let long = duration_text(Duration::from_secs(due_for.as_secs() / 3_600 * 3_600));
    warning!("{}: mail is due for {long} and does not leave: {why}; see 'bulkmailer status'", queue.name());
    // If it cannot be noted it is said again by the next run.
    let _ = queue.write_note(NOTE, &format!("{}\n", now.0));
    Ok(())
}

/// Nothing is left that is due.
pub fn clear(queue: &SpoolQueue) {
    let _ = queue.remove_note(NOTE);
}
