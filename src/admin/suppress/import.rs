//! `bulkmailer suppress import`: reads a list, in memory that does not grow with it. A bad line is passed over and reported.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::change::make;
use super::row::SuppressedRow;
use crate::config::Site;
use crate::model::{Address, Exit, Micros};
use crate::sys::clock;
use crate::sys::output::{Page, print, warning};

/// The most addresses that are set on the list in one step.
const STEP: usize = 10_000;
/// The most bad lines that are reported.
const REPORTED_MAX: u64 = 100;
/// More bytes are no address with its reason.
const LINE_MAX: usize = 64 << 10;
/// The most bytes of a line.
const NO_LINE: usize = 1 << 20;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The list; '-' is the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Why, where the list does not say it
    #[arg(long, short = 'r', value_name = "TEXT", default_value = "imported")]
    reason: String,
}

pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let Args { file, reason } = args;
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
                    if bad <= REPORTED_MAX {
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
    let row: SuppressedRow = if text.starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let fields = reader.records().next().ok_or("it is empty")?.map_err(|error| error.to_string())?;
        let field = |at: usize| fields.get(at).unwrap_or("").trim().to_owned();
        SuppressedRow { address: field(0), since: field(1), why: field(2) }
    };
    let address = row.address.parse::<Address>().map_err(|error| error.to_string())?;
    let since = match row.since.as_str() {
        "" => clock::now(),
        since => Micros::parse(since).ok_or_else(|| format!("{since:?} is no time, as in 2026-11-24"))?,
    };
    Ok((address, since, if row.why.is_empty() { reason.to_owned() } else { row.why }))
}
