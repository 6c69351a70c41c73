//! `bulkmailer jobs cancel`: ends jobs. Nothing brings one back, so it asks first.

use super::moving::{Jobs, Move, move_jobs};
use crate::config::Site;
use crate::model::{EntryId, Exit};
use crate::spool::job::Standing;
use crate::sys::ask;

const CANCEL: Move = Move { from: &[Standing::AtWork, Standing::Paused], to: Standing::Cancelled, done: "cancelled" };

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    jobs: Jobs,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

pub fn run(site: &Site, args: &Args, by: u32) -> anyhow::Result<Exit> {
    if !args.yes {
        let all: Vec<&str> = args.jobs.jobs.iter().map(EntryId::as_str).collect();
        let unasked = "cancel: add --yes, or look first with 'bulkmailer jobs show'";
        if let Some(exit) = ask::refused(&format!("cancel {}?", all.join(", ")), unasked)? {
            return Ok(exit);
        }
    }
    move_jobs(site, &args.jobs, &CANCEL, by)
}
