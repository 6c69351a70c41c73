//! Queues that have no way out, because this host's only sendmail command is bulkmailer itself: a run refuses them with 78
//! and goes on with the others. Their mail waits, and none of it ages.
//!
//! The line about them is printed once a day a queue, as cron would send it by mail, which is through us; `<queue>/unsent`
//! remembers when. A person who looks on, and one who flushes, sees it each time.

use std::io::IsTerminal;
use std::time::Duration;

use super::summary::QueueSummary;
use crate::config::Config;
use crate::model::{Exit, Micros};
use crate::queue::QueueError;
use crate::spool::{Spool, SpoolQueue};
use crate::sys::clock;
use crate::sys::output::warning;

const SAY_EVERY: Duration = Duration::from_secs(24 * 3_600);
const NOTE: &str = "unsent";

/// Takes the queues without a way out from `names`, and says so: `always`, or if it is time to. What became of them is
/// returned.
///
/// Errors: a queue cannot be opened.
pub fn refuse(
    spool: &Spool,
    config: &Config,
    names: &mut Vec<String>,
    always: bool,
) -> Result<Vec<QueueSummary>, QueueError> {
    let always = always || std::io::stderr().is_terminal();
    let now = clock::now();
    let mut refused = Vec::new();
    for name in std::mem::take(names) {
        let queue = spool.existing_queue(&name)?;
        match config.no_way_out(&name) {
            Some(why) => {
                if let Some(queue) = queue.filter(|queue| always || is_time(queue, now)) {
                    warning!("{name}: mail waits and is not sent: {why}");
                    // If it cannot be noted it is said again by the next run.
                    let _ = queue.write_note(NOTE, &format!("{}\n", now.0));
                }
                refused.push(QueueSummary { no_way_out: Some(why), ..QueueSummary::untried(name, Exit::Config) });
            }
            None => {
                if let Some(queue) = queue {
                    // It has one now, or always had.
                    let _ = queue.remove_note(NOTE);
                }
                names.push(name);
            }
        }
    }
    Ok(refused)
}

/// A time to come is of a clock that was wrong.
fn is_time(queue: &SpoolQueue, now: Micros) -> bool {
    let said = queue.read_note(NOTE).ok().flatten().and_then(|(text, _)| text.trim().parse().ok()).map(Micros);
    !said.is_some_and(|said| said <= now && now.since(said) < SAY_EVERY)
}
