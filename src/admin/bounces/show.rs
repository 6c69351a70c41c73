//! `bulkmailer bounces show`: what is known of one address.

use super::reports::{ReportRow, ledger, lines};
use crate::bounce::ledger::ReportFilter;
use crate::config::Site;
use crate::model::{Address, Exit};
use crate::sys::clock;
use crate::sys::output::{Page, print, warning};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    address: Address,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let address = &args.address;
    let rules = &site.config.bounces.rules;
    let ledger = ledger(site)?;
    let status = match &ledger {
        Some(ledger) => ledger.status(address, clock::now(), rules)?.map(|status| (ledger, status)),
        None => None,
    };
    let Some((ledger, status)) = status else {
        warning!("{address}: no report of a failure to it was read, and it is not suppressed");
        return Ok(Exit::Attention);
    };
    let mut reports = Vec::new();
    let filter = ReportFilter { address: Some(status.address.clone()), limit: Some(1_000), ..ReportFilter::default() };
    ledger.reports(&filter, &mut |report| {
        reports.push(report);
        Ok(true)
    })?;
    let suppressed = status.suppressed.as_ref();
    if args.json {
        let object = serde_json::json!({
            "address": status.address,
            "score": status.score,
            "threshold": rules.threshold,
            "bounces": status.bounces,
            "suppressed_since": suppressed.map(|(since, _)| since.rfc3339()),
            "why": suppressed.map(|(_, why)| why),
            "reports": reports.iter().map(ReportRow::of).collect::<Vec<_>>(),
        });
        print(&Page::pretty(&object))?;
        return Ok(Exit::Ok);
    }
    let mut page = Page::of(format!("address    {}", status.address));
    page.line(format!("score      {:.2}, suppressed at {}", status.score, rules.threshold));
    page.line(format!("bounces    {}", status.bounces));
    if let Some((since, why)) = suppressed {
        page.line(format!("suppressed since {}: {why}", since.local()));
    }
    page.line("");
    reports.iter().for_each(|report| page.append(&lines(report)));
    print(&page)?;
    Ok(Exit::Ok)
}
