//! `bulkmailer suppress`: who gets no more mail.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::printing::table::{Form, Table};
use crate::bounce::ledger::{Ledger, Suppression};
use crate::config::Site;
use crate::model::{Address, Exit, Micros};
use crate::spool::Spool;
use crate::sys::clock;
use crate::sys::output::{Page, print, warning};

/// So many addresses are set on the list in one step.
const STEP: usize = 10_000;
/// So many bad lines are said.
const SAID_MAX: u64 = 100;
/// More bytes are no address with its reason.
const LINE_MAX: usize = 64 << 10;
/// What has no end within so many bytes is no line.
const NO_LINE: usize = 1 << 20;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Let addresses get no more mail
    Add {
        #[arg(value_name = "ADDRESS", required = true)]
        addresses: Vec<Address>,
        /// Why, for whoever asks later
        #[arg(long, short = 'r', value_name = "TEXT", default_value = "set by hand")]
        reason: String,
    },
    /// Let addresses get mail again; their scores begin anew
    Remove {
        #[arg(value_name = "ADDRESS", required = true)]
        addresses: Vec<Address>,
    },
    /// Say whether addresses are suppressed; the exit status is 1 if one is
    Check {
        #[arg(value_name = "ADDRESS", required = true)]
        addresses: Vec<Address>,
        /// Print a JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// List who is suppressed, since when and why
    List {
        /// Print a JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Read a list: an address a line, or CSV or JSON as 'export' writes them
    Import {
        /// The list; '-' is the standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Why, where the list does not say it
        #[arg(long, short = 'r', value_name = "TEXT", default_value = "imported")]
        reason: String,
    },
    /// Write the list as CSV, or as JSON, for other programs
    Export {
        /// A JSON object a line instead
        #[arg(long)]
        json: bool,
    },
}

/// One address of the list, as it is written and read.
#[derive(Serialize, Deserialize)]
struct Row {
    address: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    why: String,
}

impl Row {
    fn of(found: Suppression) -> Row {
        Row { address: found.address, since: found.since.rfc3339(), why: found.why }
    }
}

/// `bulkmailer suppress`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    // A newer spool's ledger is left as it is, too.
    Spool::open(&site.spool)?;
    match &args.command {
        Command::Add { addresses, reason } => {
            let now = clock::now();
            let all: Vec<_> = addresses.iter().map(|address| (address.clone(), now, reason.clone())).collect();
            let new = make(site)?.suppress(&all)?;
            say_count(new, addresses.len(), "suppressed now", "was already")
        }
        Command::Remove { addresses } => {
            let released = match Ledger::existing(&site.spool)? {
                Some(mut ledger) => ledger.release(addresses)?,
                None => 0,
            };
            let exit = say_count(released, addresses.len(), "no longer suppressed", "was not")?;
            Ok(if released == 0 { Exit::Attention } else { exit })
        }
        Command::Check { addresses, json } => check(site, addresses, *json),
        Command::List { json } => write(site, if *json { Form::Json } else { Form::Lines }),
        Command::Export { json } => write(site, if *json { Form::Json } else { Form::Csv }),
        Command::Import { file, reason } => import(site, file, reason),
    }
}

/// The ledger, in a spool that is made where it is missing.
fn make(site: &Site) -> anyhow::Result<Ledger> {
    Spool::create(&site.spool)?;
    Ok(Ledger::open(&site.spool)?)
}

fn say_count(done: u64, of: usize, what: &str, otherwise: &str) -> anyhow::Result<Exit> {
    let rest = (of as u64).saturating_sub(done);
    let rest = if rest == 0 { String::new() } else { format!("; {rest} {otherwise}") };
    print(&Page::of(format!("{done} {what}{rest}")))?;
    Ok(Exit::Ok)
}

fn check(site: &Site, addresses: &[Address], json: bool) -> anyhow::Result<Exit> {
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
        print(&match (found, json) {
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

fn write(site: &Site, form: Form) -> anyhow::Result<Exit> {
    let mut table = Table::new(form);
    if let Some(ledger) = Ledger::existing(&site.spool)? {
        ledger.suppressions(&mut |found| {
            let line = format!("{}  since {}: {}", found.address, found.since.local(), found.why);
            table.put(&Row::of(found), || Page::of(line))
        })?;
    }
    table.finish("Nobody is suppressed.")?;
    Ok(Exit::Ok)
}

fn import(site: &Site, file: &Path, reason: &str) -> anyhow::Result<Exit> {
    let input: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(file).with_context(|| format!("cannot read {}", file.display()))?),
    };
    let (mut ledger, mut input) = (make(site)?, BufReader::new(input));
    let (mut step, mut line, mut number) = (Vec::new(), Vec::new(), 0_u64);
    let mut unended = 0;
    let (mut new, mut read, mut bad) = (0, 0_u64, 0_u64);
    loop {
        line.clear();
        let len = input.by_ref().take(LINE_MAX as u64).read_until(b'\n', &mut line)?;
        number += 1;
        unended = if len == LINE_MAX && !line.ends_with(b"\n") { unended + len } else { 0 };
        if unended > NO_LINE {
            bail!("{}:{number}: the line has no end, so this is no list of addresses", file.display());
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_start_matches('\u{feff}').trim();
        let is_head = number == 1 && text.to_ascii_lowercase().starts_with("address");
        if !text.is_empty() && !text.starts_with('#') && !is_head {
            match row(text, reason) {
                Ok(row) => {
                    step.push(row);
                    read += 1;
                }
                Err(why) => {
                    bad += 1;
                    if bad <= SAID_MAX {
                        warning!("{}:{number}: passed over: {why}", file.display());
                    }
                }
            }
        }
        if step.len() >= STEP || len == 0 && !step.is_empty() {
            new += ledger.suppress(&step)?;
            step.clear();
        }
        if len == 0 {
            break;
        }
    }
    let known = read - new;
    print(&Page::of(format!("{new} suppressed now; {known} were already; {bad} lines were passed over")))?;
    Ok(if bad > 0 { Exit::DataErr } else { Exit::Ok })
}

/// One line of a list.
fn row(text: &str, reason: &str) -> Result<(Address, Micros, String), String> {
    let row: Row = if text.starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let fields = reader.records().next().ok_or("it is empty")?.map_err(|error| error.to_string())?;
        let field = |at: usize| fields.get(at).unwrap_or("").trim().to_owned();
        Row { address: field(0), since: field(1), why: field(2) }
    };
    let address = row.address.parse::<Address>().map_err(|error| error.to_string())?;
    let since = match row.since.as_str() {
        "" => clock::now(),
        since => Micros::parse(since).ok_or_else(|| format!("{since:?} is no time, as in 2026-11-24"))?,
    };
    Ok((address, since, if row.why.is_empty() { reason.to_owned() } else { row.why }))
}
