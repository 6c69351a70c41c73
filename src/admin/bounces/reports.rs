//! Reports as the commands choose and print them.

use std::time::Duration;

use serde::Serialize;

use crate::admin::printing::table::{Form, Table};
use crate::bounce::ledger::{Ledger, RecordedReport, ReportFilter};
use crate::config::Site;
use crate::model::Exit;
use crate::policy::units;
use crate::spool::Spool;
use crate::sys::clock;
use crate::sys::output::Page;

#[derive(Clone, Debug, clap::Args)]
pub struct ReportChoice {
    /// Reports of these addresses only; '*' stands for any characters
    #[arg(long, value_name = "PATTERN")]
    address: Option<String>,
    /// Of this class only, such as user-unknown or mailbox-full
    #[arg(long)]
    class: Option<String>,
    /// Of this action only: failed, delayed, complaint, ...
    #[arg(long)]
    action: Option<String>,
    /// So far back only (for example 2d)
    #[arg(long, value_name = "DURATION", value_parser = units::parse_duration)]
    since: Option<Duration>,
}

/// The spool's ledger, if there is one. A newer spool's is left as it is.
pub fn ledger(site: &Site) -> anyhow::Result<Option<Ledger>> {
    Spool::refuse_newer(&site.spool)?;
    Ok(Ledger::existing(&site.spool)?)
}

impl ReportChoice {
    fn filter(&self, limit: Option<u64>) -> ReportFilter {
        let ReportChoice { address, class, action, since } = self.clone();
        ReportFilter { address, class, action, since: since.map(|since| clock::now().minus(since)), limit }
    }
}

/// One report, as it is written.
#[derive(Serialize)]
pub struct ReportRow<'a> {
    at: String,
    address: &'a str,
    action: &'a str,
    class: &'a str,
    status: Option<&'a str>,
    reply: Option<u16>,
    remote: Option<&'a str>,
    text: &'a str,
    message_id: Option<&'a str>,
    entry: &'a str,
}

impl<'a> ReportRow<'a> {
    pub fn of(report: &'a RecordedReport) -> ReportRow<'a> {
        ReportRow {
            at: report.at.rfc3339(),
            address: &report.address,
            action: &report.action,
            class: &report.class,
            status: report.status.as_deref(),
            reply: report.reply,
            remote: report.remote.as_deref(),
            text: &report.text,
            message_id: report.message_id.as_deref(),
            entry: &report.entry,
        }
    }
}

/// The same for a person.
pub fn lines(report: &RecordedReport) -> Page {
    let RecordedReport { address, action, class, text, .. } = report;
    let mut page = Page::of(format!("{}  {address}  {action}, {class}", report.at.local()));
    page.line(format!("    {text}"));
    page
}

/// Prints the newest first, `limit` at most.
pub fn print_reports(site: &Site, choice: &ReportChoice, limit: Option<u64>, form: Form) -> anyhow::Result<Exit> {
    let mut table = Table::new(form);
    if let Some(ledger) = ledger(site)? {
        ledger.reports(&choice.filter(limit), &mut |report| table.put(&ReportRow::of(&report), || lines(&report)))?;
    }
    table.finish("Nothing was reported.")?;
    Ok(Exit::Ok)
}
