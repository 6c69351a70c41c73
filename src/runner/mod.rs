//! One launch by cron: a supervisor for each queue with something to do, and main, which draws progress, counts signals and
//! tells the end.
//!
//! ```text
//! cron → run → calm: looks whether there is anything to do
//!              drain: forks a supervisor for each queue that needs one, and waits for them
//!              └ supervise: takes the queue's lock
//!                → shift: proves the spool and the sink, decides how many workers are needed now
//!                → staff, workforce: forks them, and ends who hangs
//!                  └ worker: claim → send → settle → (again)
//! ```
//!
//! What holds: a process never has descriptors of two queues' locks (main has one only while it looks, and none when it
//! forks; each supervisor opens its own after its fork); main and the supervisors have one thread; an overlapping launch ends
//! at once, with status 0 and no output.

mod adoption;
mod args;
mod beat;
mod calm;
mod clerk;
mod doors;
mod drain;
mod headcount;
mod lock;
mod look;
mod newer;
mod online;
mod outage;
mod overdue;
mod plan;
mod progress;
mod queue_names;
mod shift;
mod sink;
mod staff;
mod summary;
mod supervise;
mod syncer;
mod teller;
pub mod way_out;
mod workforce;

pub use args::Args;
pub use beat::{Beat, BeatEntry, STALE, silence};
pub use drain::drain;
pub use lock::is_free;
pub use newer::NewerNote;
pub use sink::SinkNote;
pub use summary::{QueueSummary, Summary};

use crate::config::Site;
use crate::intake::adopt;
use crate::model::{Exit, reserved};
use crate::spool::{Spool, SpoolQueue, drop};
use crate::sys::output::{self, Page, tell, warning};

/// `bulkmailer run`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let known = |queue: &str| site.config.queues.contains_key(queue);
    let Some(spool) = adopt::prepare(&site.spool, &known)?.map(Spool::upgraded).transpose()? else {
        if args.verbose {
            warning!("{}: no spool yet, so nothing to do", site.spool.display());
        }
        return Ok(Exit::Ok);
    };
    if let Some(why) = spool.says_why_older().filter(|_| args.verbose) {
        warning!("{}: {why}", site.spool.display());
    }
    doors::say(&spool, site.spool_is_hosts);
    let names = queue_names::names(&spool, &site.config, &args.queues)?;
    let queues = names.iter().map(|name| spool.existing_queue(name)).collect::<Result<Vec<_>, _>>()?;
    let queues: Vec<SpoolQueue> = queues.into_iter().flatten().collect();
    queues.iter().filter_map(SpoolQueue::take_unreported).for_each(|words| output::repeat(&words));
    way_out::say(queues.iter(), &site.config, false);
    let idle = calm::idle(&spool, &site.config, queues, args.verbose);
    let summary = drain(site, &names, &idle, args)?;
    say_left(site, &summary)?;
    if args.json {
        tell(&Page::json(&summary)?);
    }
    Ok(summary.exit())
}

/// Says what stays in `drop/` for the queues that this run had. For the end of a command, which says it once.
pub fn say_left(site: &Site, summary: &Summary) -> anyhow::Result<()> {
    if !drop::is_there(&site.spool) {
        return Ok(());
    }
    let Some(spool) = Spool::open(&site.spool)? else { return Ok(()) };
    let ours = summary.queues.iter().filter(|queue| !queue.busy).map(|queue| &queue.queue);
    let queues = ours.map(|name| spool.existing_queue(name)).collect::<Result<Vec<_>, _>>()?;
    adopt::say(&site.spool.join(reserved::DROP), &queues.into_iter().flatten().collect::<Vec<_>>());
    Ok(())
}
