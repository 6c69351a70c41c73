//! `bulkmailer bounces parse`: says what messages are, and whom they tell of. Nothing is recorded, and no spool is needed.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use crate::bounce::{Arrival, READ_MAX, Reading, read};
use crate::model::envelope::{VERP, verp_fault};
use crate::model::{Address, Exit};
use crate::sys::output::{self, Page, Paper, warning};

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
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

/// One file as `parse` prints it.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    #[serde(flatten)]
    reading: Reading,
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
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
