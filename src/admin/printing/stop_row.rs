//! What `stop` and `start` did to each queue.

use serde::Serialize;

use crate::config::Site;
use crate::sys::output::{self, Page, print};

/// What became of one queue.
#[derive(Debug, Serialize)]
pub struct StopRow {
    pub queue: String,
    pub stopped: bool,
    /// It was so before.
    pub already: bool,
    /// Entries that are still in a worker's hand.
    pub in_hand: Vec<String>,
}

/// Prints what became of them.
pub fn print_rows(site: &Site, json: bool, rows: &[StopRow]) -> anyhow::Result<()> {
    if json {
        print(&Page::pretty(&serde_json::json!({"spool": output::name(site.spool.as_os_str()), "queues": rows})))?;
        return Ok(());
    }
    let mut page = Page::default();
    for row in rows {
        let what = match (row.stopped, row.already, row.in_hand.is_empty()) {
            (true, _, false) => format!("stopped; still in hand: {}", row.in_hand.join(", ")),
            (true, true, true) => "was stopped already; nothing is in hand".to_owned(),
            (true, false, true) => "stopped; nothing is in hand".to_owned(),
            (false, true, _) => "was not stopped".to_owned(),
            (false, false, _) => "goes on with the next run".to_owned(),
        };
        page.line(format!("{}: {what}", row.queue));
    }
    if rows.is_empty() {
        page.line(format!(
            "{}: nothing was queued here yet; name a queue with --queue to stop it",
            site.spool.display()
        ));
    }
    print(&page)?;
    Ok(())
}
