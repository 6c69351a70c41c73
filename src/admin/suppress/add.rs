//! `bulkmailer suppress add`: addresses get no more mail.

use super::change::{make, say_count};
use crate::config::Site;
use crate::model::{Address, Exit};
use crate::sys::clock;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "ADDRESS", required = true)]
    addresses: Vec<Address>,
    /// Why, for whoever asks later
    #[arg(long, short = 'r', value_name = "TEXT", default_value = "set by hand")]
    reason: String,
}

pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let (Args { addresses, reason }, now) = (args, clock::now());
    let all: Vec<_> = addresses.iter().map(|address| (address.clone(), now, reason.clone())).collect();
    let new = make(site)?.suppress(&all)?;
    say_count(new, addresses.len(), "suppressed now", "was already")
}
