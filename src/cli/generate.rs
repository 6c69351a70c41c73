//! `bulkmailer generate`: the manual page's sections that follow from the command line, and the shells' completions.

use std::path::PathBuf;

use clap::CommandFactory;

use super::Cli;
use crate::model::Exit;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where the files go
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Writes the completions for bash, zsh and fish.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    std::fs::create_dir_all(&args.dir)?;
    for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "bulkmailer", &args.dir)?;
    }
    Ok(Exit::Ok)
}
