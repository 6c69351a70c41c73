//! `bulkmailer bounces`: what reports say of how others were delivered, and what the ledger has of it.

mod export;
mod list;
mod parse;
mod reports;
mod show;
mod stats;

use crate::config::Site;
use crate::model::Exit;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// List what was reported, the newest first
    List(list::Args),
    /// Show what is known of one address
    Show(show::Args),
    /// Count reports by day, action and class
    Stats(stats::Args),
    /// Write all reports as CSV, or as JSON, for other programs
    Export(export::Args),
    /// Say what messages are, and whom they tell of: a JSON object a line; nothing is recorded
    Parse(parse::Args),
}

/// `bulkmailer bounces`. `site` is asked for where it is needed.
pub fn run(site: &dyn Fn() -> anyhow::Result<Site>, args: &Args) -> anyhow::Result<Exit> {
    match &args.command {
        Command::List(args) => list::run(&site()?, args),
        Command::Show(args) => show::run(&site()?, args),
        Command::Stats(args) => stats::run(&site()?, args),
        Command::Export(args) => export::run(&site()?, args),
        Command::Parse(args) => parse::run(args),
    }
}
