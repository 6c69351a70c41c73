//! `bulkmailer jobs resume`: lets paused jobs go on.

use super::moving::{Jobs, Move, move_jobs};
use crate::config::Site;
use crate::model::Exit;
use crate::spool::job::Standing;

const RESUME: Move = Move { from: &[Standing::Paused], to: Standing::AtWork, done: "resumed" };

pub fn run(site: &Site, jobs: &Jobs, by: u32) -> anyhow::Result<Exit> {
    move_jobs(site, jobs, &RESUME, by)
}
