//! Queues that have no way out, because this host's only sendmail command is bulkmailer itself: a run takes up what other
//! users hand in for them, hands nothing over, and ends with 78. Their mail waits, and none of it ages.
//!
//! The line about them is printed once a day a queue, as cron would send it by mail, which is through us; `<queue>/unsent`
//! remembers when. A person who looks on, and one who flushes, sees it each time.

use std::io::IsTerminal;

use crate::config::Config;
use crate::model::Micros;
use crate::policy::reminder::{self, DAILY};
use crate::spool::SpoolQueue;
use crate::sys::clock;
use crate::sys::output::warning;

const NOTE: &str = "unsent";

/// Says which of these queues have no way out: `always`, or if it is time to.
pub fn say<'q>(queues: impl Iterator<Item = &'q SpoolQueue>, config: &Config, always: bool) {
    let always = always || std::io::stderr().is_terminal();
    let now = clock::now();
    for queue in queues {
        let name = queue.name();
        match config.no_way_out(name) {
            Some(why) if always || is_time(queue, now) => {
                warning!("{name}: mail waits and is not sent: {why}");
                // If it cannot be noted it is said again by the next run.
                let _ = queue.write_note(NOTE, &format!("{}\n", now.0));
            }
            Some(_) => {}
            None => {
                // It has one now, or always had.
                let _ = queue.remove_note(NOTE);
            }
        }
    }
}

fn is_time(queue: &SpoolQueue, now: Micros) -> bool {
    let said = queue.read_note(NOTE).ok().flatten().and_then(|(text, _)| text.trim().parse().ok()).map(Micros);
    reminder::is_due(said, DAILY, now)
}
