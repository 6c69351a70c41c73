//! What `bulkmailer merge` is asked for.

use std::path::PathBuf;
use std::time::Duration;

use super::choice::Choice;
use crate::intake::option_values::{job_name, verp_pattern};
use crate::model::Micros;
use crate::model::time::zone;
use crate::policy::units;
use crate::policy::window::Window;
use crate::sys::clock;

// What `bulkmailer merge` is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The template: a folder with merge.toml, headers, text and html, or one message
    #[arg(long, value_name = "DIR|FILE.eml")]
    pub template: PathBuf,
    /// Where the rows come from: FILE.csv, FILE.tsv, FILE.jsonl, "-" for the standard input, sqlite:PATH, or exec:COMMAND,
    /// which writes CSV or JSON lines
    #[arg(long, value_name = "SOURCE")]
    pub data: String,
    /// Of a database: the query that gives the rows
    #[arg(long, value_name = "SQL", conflicts_with = "query_file")]
    pub query: Option<String>,
    /// Of a database: the file that has the query
    #[arg(long, value_name = "FILE")]
    pub query_file: Option<PathBuf>,
    /// The envelope sender; "<>" is the null sender. By default the submitting user
    #[arg(long, short = 'f', value_name = "SENDER", allow_hyphen_values = true)]
    pub sender: Option<String>,
    /// Give each recipient an envelope sender of his own, so that a bounce tells whose it is; by default with the queue's
    /// pattern, list+user=domain@host
    #[arg(long, value_name = "PATTERN", num_args = 0..=1, require_equals = true, value_parser = verp_pattern)]
    pub verp: Option<Option<String>>,
    /// The queue
    #[arg(long, short = 'Q', value_name = "QUEUE", default_value = "outbound")]
    pub queue: String,
    /// What its job is called in 'bulkmailer jobs list'
    #[arg(long, value_name = "NAME", value_parser = job_name)]
    pub job_name: Option<String>,
    /// Queue it once, however often it is submitted with this key
    #[arg(long, value_name = "KEY", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub key: Option<String>,
    /// Hand nothing over before this time: "2026-11-26 08:00", or "+2h" from now
    #[arg(long, value_name = "TIME", value_parser = |text: &str| units::parse_instant(text, clock::now()))]
    pub at: Option<Micros>,
    /// Hand over within these hours alone, on these days, in this time zone: "08:00-20:00", "08:00-20:00,mon-fri",
    /// "08:00-20:00,mon-fri,Europe/Berlin"
    #[arg(long, value_name = "HOURS[,DAYS][,ZONE]", value_parser = |text: &str| Window::parse(text, zone))]
    pub window: Option<Window>,
    /// Hand over no faster than this, for example 2000/min
    #[arg(long, value_name = "RATE", value_parser = units::parse_rate)]
    pub rate: Option<(u64, Duration)>,
    /// Send the first N mails alone, counted after all that is left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Leave bad rows out, and send the others
    #[arg(long)]
    pub skip_bad: bool,
    /// Write bad rows to this new file, in the form of its extension, else of the source, with one column more, "error"
    #[arg(long, value_name = "FILE")]
    pub bad: Option<PathBuf>,
    /// Send also to an address that a row before names
    #[arg(long)]
    pub allow_duplicates: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Print the report, or what was queued, as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Instead of queueing: render every row, and report what is wrong
    #[arg(long, conflicts_with_all = ["preview", "html_preview", "send_test"])]
    pub check: bool,
    /// Instead of queueing: print the message of row N, of an address, or the ten that are most likely to look bad
    #[arg(long, value_name = "N|ADDRESS|worst", value_parser = Choice::parse, conflicts_with = "send_test")]
    pub preview: Option<Choice>,
    /// Of a preview: write each message to a file in this folder, which is made if it is missing
    #[arg(long, value_name = "DIR", requires = "preview")]
    pub out: Option<PathBuf>,
    /// Instead of queueing: write the HTML of the first row, or of the preview's, to this new file
    #[arg(long, value_name = "FILE", conflicts_with = "send_test")]
    pub html_preview: Option<PathBuf>,
    /// Instead of queueing: queue one message, of the first row or that of --row, to this address
    #[arg(long, value_name = "ADDRESS")]
    pub send_test: Option<String>,
    /// Of a test: which row it has
    #[arg(long, value_name = "N|ADDRESS", value_parser = Choice::parse_row, requires = "send_test")]
    pub row: Option<Choice>,
}

/// What is to be done with the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode<'a> {
    Queue,
    Check,
    /// Shows the messages of rows.
    Preview(&'a Choice),
    SendTest {
        to: &'a str,
        row: &'a Choice,
    },
}

impl Args {
    pub fn mode(&self) -> Mode<'_> {
        const FIRST: &Choice = &Choice::Row(1);
        match (&self.send_test, &self.preview) {
            (Some(to), _) => Mode::SendTest { to, row: self.row.as_ref().unwrap_or(FIRST) },
            (None, Some(choice)) => Mode::Preview(choice),
            (None, None) if self.html_preview.is_some() => Mode::Preview(FIRST),
            (None, None) if self.check => Mode::Check,
            (None, None) => Mode::Queue,
        }
    }
}
