//! `bulkmailer suppress`: who gets no more mail.

mod add;
mod change;
mod check;
mod export;
mod import;
mod list;
mod remove;
mod row;

use crate::config::Site;
use crate::model::Exit;
use crate::spool::Spool;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Let addresses get no more mail
    Add(add::Args),
    /// Let addresses get mail again; their scores begin anew
    Remove(remove::Args),
    /// Say whether addresses are suppressed; the exit status is 1 if one is
    Check(check::Args),
    /// List who is suppressed, since when and why
    List(list::Args),
    /// Read a list: an address a line, or CSV or JSON as 'export' writes them
    Import(import::Args),
    /// Write the list as CSV, or as JSON, for other programs
    Export(export::Args),
}

/// `bulkmailer suppress`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    // A newer spool's ledger is left as it is, too.
    Spool::refuse_newer(&site.spool)?;
    match &args.command {
        Command::Add(args) => add::run(site, args),
        Command::Remove(args) => remove::run(site, args),
        Command::Check(args) => check::run(site, args),
        Command::List(args) => list::run(site, args),
        Command::Import(args) => import::run(site, args),
        Command::Export(args) => export::run(site, args),
    }
}
