//! `bulkmailer bounces`: what reports say of how others were delivered, and what the ledger has of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::printing::table::{Form, Table};
use crate::bounce::ledger::{Ledger, RecordedReport, ReportCount, ReportFilter};
use crate::bounce::{Arrival, READ_MAX, Reading, read};
use crate::config::Site;
use crate::model::envelope::{VERP, verp_fault};
use crate::model::{Address, Exit, Micros};
use crate::policy::units;
use crate::spool::Spool;
use crate::sys::clock;
use crate::sys::output::{self, Page, Paper, print, warning};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// List what was reported, the newest first
    List(ListArgs),
    /// Show what is known of one address
    Show {
        address: Address,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Count reports by day, action and class
    Stats {
        /// So far back (for example 30d)
        #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = units::parse_duration)]
        since: std::time::Duration,
        /// Print a JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Write all reports as CSV, or as JSON, for other programs
    Export(ExportArgs),
    /// Say what messages are, and whom they tell of: a JSON object a line; nothing is recorded
    Parse(ParseArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct Choice {
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
    since: Option<std::time::Duration>,
}

#[derive(Clone, Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    choice: Choice,
    /// The most that are listed
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, clap::Args)]
struct ExportArgs {
    #[command(flatten)]
    choice: Choice,
    /// A JSON object a line instead
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, clap::Args)]
struct ParseArgs {
    /// The messages, one a file; none, or '-', is the standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Whom the messages came to: a sender that VERP made tells who bounced
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Address>,
    /// The pattern of such senders
    #[arg(long, value_name = "PATTERN", default_value = VERP, value_parser = pattern)]
    verp: String,
}

fn pattern(text: &str) -> Result<String, String> {
    verp_fault(text).map_or(Ok(text.to_owned()), |why| Err(why.to_owned()))
}

/// `bulkmailer bounces`. `site` is asked for where it is needed.
pub fn run(site: &dyn Fn() -> anyhow::Result<Site>, args: &Args) -> anyhow::Result<Exit> {
    match &args.command {
        Command::Parse(args) => parse(args),
        Command::List(args) => {
            let form = if args.json { Form::Json } else { Form::Lines };
            tell(&site()?, &args.choice, Some(args.limit), form)
        }
        Command::Export(args) => {
            let form = if args.json { Form::Json } else { Form::Csv };
            tell(&site()?, &args.choice, None, form)
        }
        Command::Show { address, json } => show(&site()?, address, *json),
        Command::Stats { since, json } => stats(&site()?, *since, *json),
    }
}

/// The spool's ledger, if there is one. A newer spool's is left as it is.
fn ledger(site: &Site) -> anyhow::Result<Option<Ledger>> {
    Spool::open(&site.spool)?;
    Ok(Ledger::existing(&site.spool)?)
}

impl Choice {
    fn filter(&self, limit: Option<u64>) -> ReportFilter {
        let Choice { address, class, action, since } = self.clone();
        ReportFilter { address, class, action, since: since.map(back), limit }
    }
}

/// The instant that is so long ago.
fn back(by: std::time::Duration) -> Micros {
    let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
    Micros(clock::now().0.saturating_sub(by))
}

/// One report, as it is written.
#[derive(Serialize)]
struct Row<'a> {
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

impl<'a> Row<'a> {
    fn of(report: &'a RecordedReport) -> Row<'a> {
        Row {
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

fn lines(report: &RecordedReport) -> Page {
    let RecordedReport { address, action, class, text, .. } = report;
    let mut page = Page::of(format!("{}  {address}  {action}, {class}", report.at.local()));
    page.line(format!("    {text}"));
    page
}

fn tell(site: &Site, choice: &Choice, limit: Option<u64>, form: Form) -> anyhow::Result<Exit> {
    let mut table = Table::new(form);
    if let Some(ledger) = ledger(site)? {
        ledger.reports(&choice.filter(limit), &mut |report| table.put(&Row::of(&report), || lines(&report)))?;
    }
    table.finish("Nothing was reported.")?;
    Ok(Exit::Ok)
}

fn show(site: &Site, address: &Address, json: bool) -> anyhow::Result<Exit> {
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
    if json {
        let object = serde_json::json!({
            "address": status.address,
            "score": status.score,
            "threshold": rules.threshold,
            "bounces": status.bounces,
            "suppressed_since": suppressed.map(|(since, _)| since.rfc3339()),
            "why": suppressed.map(|(_, why)| why),
            "reports": reports.iter().map(Row::of).collect::<Vec<_>>(),
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

fn stats(site: &Site, since: std::time::Duration, json: bool) -> anyhow::Result<Exit> {
    let (mut counts, mut size) = (Vec::new(), (0, 0));
    if let Some(ledger) = ledger(site)? {
        counts = ledger.counts(back(since))?;
        size = ledger.size()?;
    }
    let mut page = Page::default();
    for ReportCount { day, action, class, count } in &counts {
        match json {
            true => {
                let object = serde_json::json!({ "day": day, "action": action, "class": class, "count": count });
                page.line(object.to_string());
            }
            false => page.line(format!("{day}  {action:<10} {class:<16} {count:>9}")),
        }
    }
    if !json {
        page.line(format!("{} addresses have an account, {} of them are suppressed.", size.0, size.1));
    }
    print(&page)?;
    Ok(Exit::Ok)
}

/// One file as `parse` prints it.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    #[serde(flatten)]
    reading: Reading,
}

fn parse(args: &ParseArgs) -> anyhow::Result<Exit> {
    let verp = [args.verp.clone()];
    let arrival = Arrival { null_sender: None, recipient: args.recipient.as_ref(), verp: &verp };
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() { stdin.as_slice() } else { &args.files };
    let (mut paper, mut exit) = (Paper::default(), Exit::Ok);
    for file in files {
        match beginning(file) {
            Ok(message) => {
                let line = Line { file: &output::name(file.as_os_str()), reading: read(&arrival, &message) };
                if !paper.write(&Page::json(&line)?)? {
                    break;
                }
            }
            // The others are read all the same.
            Err(error) => {
                warning!("{error:#}");
                exit = Exit::NoInput;
            }
        }
    }
    paper.finish()?;
    Ok(exit)
}

/// As much of a message as is looked at.
fn beginning(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = || format!("cannot read {}", path.display());
    let mut from: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path).with_context(name)?) };
    let mut message = Vec::new();
    from.by_ref().take(READ_MAX as u64).read_to_end(&mut message).with_context(name)?;
    Ok(message)
}
