//! The word about a sink that is down: `<queue>/sink` remembers since when, so that cron's mail says it when the outage
//! begins, once a day, and when it ends, and not with every launch.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Micros;
use crate::spool::SpoolQueue;
use crate::sys::output::warning;

const SAY_EVERY: Duration = Duration::from_secs(24 * 3_600);

#[derive(Serialize, Deserialize)]
struct Outage {
    since: Micros,
    said: Micros,
    why: String,
}

/// Notes that the sink is down, and says so if it is time to.
pub fn is_down(queue: &SpoolQueue, why: &str, now: Micros) {
    let before = read(queue);
    let since = before.as_ref().map_or(now, |outage| outage.since);
    let silent = before.as_ref().is_some_and(|outage| now.since(outage.said) < SAY_EVERY);
    if silent {
        return;
    }
    let note = "mail waits in the queue and is tried again by the next runs";
    match before {
        None => warning!("{}: the sink is down: {why}; {note}", queue.name()),
        Some(_) => {
            warning!("{}: the sink is still down, since {}: {why}; {note}", queue.name(), since.local())
        }
    }
    let outage = Outage { since, said: now, why: why.to_owned() };
    if let Ok(text) = serde_json::to_string(&outage) {
        // If it cannot be noted it is said again by the next run.
        let _ = queue.write_note("sink", &(text + "\n"));
    }
}

/// Notes that the sink took mail, and says so if it was down.
pub fn is_up(queue: &SpoolQueue) {
    if let Some(outage) = read(queue) {
        warning!("{}: the sink takes mail again; it was down since {}", queue.name(), outage.since.local());
        let _ = queue.remove_note("sink");
    }
}

fn read(queue: &SpoolQueue) -> Option<Outage> {
    let (text, _) = queue.read_note("sink").ok()??;
    serde_json::from_str(&text).ok()
}
