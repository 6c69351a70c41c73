//! `config show` and `config check`: what is in force, where it came from, and whether it can work here.
//!
//! Both look only: nothing is made, and no program is started. A configuration that cannot be used is reported by
//! [`refused`], each problem on a line of its own, with status 78.

mod check;
mod heading;
pub mod manual;
mod mdoc;
pub mod sample;
mod show;
#[cfg(test)]
mod tests;

use serde_json::json;

use crate::config::{ConfigError, Site};
use crate::model::Exit;
use crate::sys::output::{Page, print};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say what is wrong with the configuration, or "ok"
    Check {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        /// Take a spool on a network file system, where neither locks nor syncs can be relied on
        #[arg(long)]
        allow_network: bool,
    },
    /// Print every value and where it came from
    Show {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command on a configuration that could be read.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    match args.command {
        Command::Check { json, allow_network } => {
            let report = check::check(site, allow_network);
            print(&if json { report.to_json(site) } else { report.to_text(site) })?;
            Ok(if report.problems.is_empty() { Exit::Ok } else { Exit::Config })
        }
        Command::Show { json } => {
            print(&if json { show::json(site) } else { show::text(site) })?;
            Ok(Exit::Ok)
        }
    }
}

/// Reports a configuration that could not be read, in place of [`run`].
pub fn refused(error: &ConfigError, args: &Args) -> anyhow::Result<Exit> {
    let (Command::Check { json, .. } | Command::Show { json }) = args.command;
    let problems = error.problems();
    if json {
        let problems: Vec<_> = problems.iter().map(check::problem_json).collect();
        print(&Page::pretty(&json!({ "ok": false, "problems": problems, "warnings": [] })))?;
    } else {
        let mut page = Page::default();
        problems.iter().for_each(|problem| page.line(problem.to_string()));
        print(&page)?;
    }
    Ok(Exit::Config)
}
