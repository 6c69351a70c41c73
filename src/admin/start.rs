//! `bulkmailer start`: lets what was stopped go on with the next run.

use super::printing::stop_row::{StopRow, print_rows};
use super::selecting::open_queues::{QueueArgs, open_queues};
use crate::config::Site;
use crate::model::Exit;

/// `bulkmailer start`.
pub fn run(site: &Site, args: &QueueArgs) -> anyhow::Result<Exit> {
    let mut rows = Vec::new();
    for queue in open_queues(site, args.queue.as_deref())? {
        let already = !queue.start()?;
        rows.push(StopRow { queue: queue.name().to_owned(), stopped: false, already, in_hand: Vec::new() });
    }
    print_rows(site, args.json, &rows)?;
    Ok(Exit::Ok)
}
