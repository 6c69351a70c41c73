//! `bulkmailer suppress check`: says whether addresses are suppressed.

use crate::bounce::ledger::Ledger;
use crate::config::Site;
use crate::model::{Address, Exit};
use crate::sys::output::{Page, print};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "ADDRESS", required = true)]
    addresses: Vec<Address>,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let Args { addresses, json } = args;
    let ledger = Ledger::existing(&site.spool)?;
    let mut exit = Exit::Ok;
    for address in addresses {
        let found = match &ledger {
            Some(ledger) => ledger.suppression(address)?,
            None => None,
        };
        if found.is_some() {
            exit = Exit::Attention;
        }
        print(&match (found, *json) {
            (found, true) => {
                let since = found.as_ref().map(|found| found.since.rfc3339());
                let why = found.as_ref().map(|found| found.why.as_str());
                let suppressed = found.is_some();
                let row =
                    serde_json::json!({ "address": address, "suppressed": suppressed, "since": since, "why": why });
                Page::json(&row)?
            }
            (Some(found), false) => {
                Page::of(format!("{address}: suppressed since {}: {}", found.since.local(), found.why))
            }
            (None, false) => Page::of(format!("{address}: not suppressed")),
        })?;
    }
    Ok(exit)
}
