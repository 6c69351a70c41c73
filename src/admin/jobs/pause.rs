//! `bulkmailer jobs pause`: hands nothing more of a job over, until it is resumed.

use super::moving::{Jobs, Move, move_jobs};
use crate::config::Site;
use crate::model::Exit;
use crate::spool::job::Standing;

const PAUSE: Move = Move { from: &[Standing::AtWork], to: Standing::Paused, done: "paused" };

pub fn run(site: &Site, jobs: &Jobs, by: u32) -> anyhow::Result<Exit> {
    move_jobs(site, jobs, &PAUSE, by)
}
