//! `bulkmailer bounces stats`: reports counted by day, action and class.

use std::time::Duration;

use super::reports::ledger;
use crate::bounce::ledger::ReportCount;
use crate::config::Site;
use crate::model::Exit;
use crate::policy::units;
use crate::sys::clock;
use crate::sys::output::{Page, print};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// So far back (for example 30d)
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = units::parse_duration)]
    since: Duration,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let (mut counts, mut size) = (Vec::new(), (0, 0));
    if let Some(ledger) = ledger(site)? {
        counts = ledger.counts(clock::now().minus(args.since))?;
        size = ledger.size()?;
    }
    let mut page = Page::default();
    for ReportCount { day, action, class, count } in &counts {
        match args.json {
            true => {
                let object = serde_json::json!({ "day": day, "action": action, "class": class, "count": count });
                page.line(object.to_string());
            }
            false => page.line(format!("{day}  {action:<10} {class:<16} {count:>9}")),
        }
    }
    if !args.json {
        page.line(format!("{} addresses have an account, {} of them are suppressed.", size.0, size.1));
    }
    print(&page)?;
    Ok(Exit::Ok)
}
