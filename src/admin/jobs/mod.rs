//! `bulkmailer jobs`: posts and batches as wholes.

mod cancel;
mod list;
mod moving;
mod pause;
mod resume;
mod row;
mod show;

use super::selecting::open_queues::QueueArgs;
use crate::config::Site;
use crate::model::Exit;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// List the jobs that are at work, wait, are paused, or were done or cancelled lately
    List(QueueArgs),
    /// Show one job: how far it is, how fast, how long it takes
    Show(show::Args),
    /// Hand nothing more of a job over, until it is resumed
    Pause(moving::Jobs),
    /// Let paused jobs go on
    Resume(moving::Jobs),
    /// End jobs: who has not got the message does not get it
    Cancel(cancel::Args),
}

/// `bulkmailer jobs`. `by` is the real user.
pub fn run(site: &Site, args: &Args, by: u32) -> anyhow::Result<Exit> {
    match &args.command {
        Command::List(args) => list::run(site, args),
        Command::Show(args) => show::run(site, args),
        Command::Pause(jobs) => pause::run(site, jobs, by),
        Command::Resume(jobs) => resume::run(site, jobs, by),
        Command::Cancel(args) => cancel::run(site, args, by),
    }
}
