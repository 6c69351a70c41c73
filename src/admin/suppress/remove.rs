//! `bulkmailer suppress remove`: addresses get mail again.

use super::change::say_count;
use crate::bounce::ledger::Ledger;
use crate::config::Site;
use crate::model::{Address, Exit};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "ADDRESS", required = true)]
    addresses: Vec<Address>,
}

pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let released = match Ledger::existing_to_change(&site.spool)? {
        Some(mut ledger) => ledger.release(&args.addresses)?,
        None => 0,
    };
    let exit = say_count(released, args.addresses.len(), "no longer suppressed", "was not")?;
    Ok(if released == 0 { Exit::Attention } else { exit })
}
