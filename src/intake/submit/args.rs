//! What `bulkmailer submit` is asked for.

use std::path::PathBuf;

use crate::intake::option_values::{job_name, verp_pattern};
use crate::model::Micros;
use crate::policy::units;
use crate::sys::clock;

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// The envelope sender; "<>" is the null sender. By default the submitting user, or what each message of an mbox or a
    /// Maildir says (Return-Path, the mbox's From line, From)
    #[arg(long, short = 'f', value_name = "ADDRESS", allow_hyphen_values = true)]
    pub sender: Option<String>,
    /// Where no sender is given, take the message's own: Return-Path, else From
    #[arg(long)]
    pub read_sender: bool,
    /// The queue; "auto" looks at the message: bounces and complaints into bounce, all else into inbound
    #[arg(long, short = 'Q', value_name = "QUEUE", default_value = "outbound")]
    pub queue: String,
    /// Called by an MTA, as from an alias: the sender and the recipient that are not given here stand in the environment,
    /// as Postfix and Exim set it (SENDER, RECIPIENT). --queue auto looks there, too
    #[arg(long)]
    pub from_mta: bool,
    /// Be an SMTP or LMTP server for one client on the standard input and output, and queue what it sends
    #[arg(long, conflicts_with_all = ["sender", "read_sender", "from_mta", "read_recipients", "mbox", "maildir", "key", "at"])]
    #[arg(conflicts_with_all = ["list", "recipients", "json", "quiet"])]
    pub serve: bool,
    /// Read the recipients from To, Cc and Bcc, beside those that are arguments
    #[arg(long, short = 't')]
    pub read_recipients: bool,
    /// Accepted for sendmail's sake: a lone dot never ends a message here
    #[arg(short = 'i')]
    pub ignore_dots: bool,
    /// Queue every message of this mbox ("-" is the standard input)
    #[arg(long, value_name = "FILE", conflicts_with = "maildir")]
    pub mbox: Option<PathBuf>,
    /// Queue every message of this Maildir, which stays as it is
    #[arg(long, value_name = "DIR")]
    pub maildir: Option<PathBuf>,
    /// Queue it once, however often it is submitted with this key: a program that had no answer may safely submit again
    #[arg(long, value_name = "KEY", conflicts_with_all = ["mbox", "maildir"])]
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub key: Option<String>,
    /// Hand it over at this time or soon after, by the next run: "2026-11-26 08:00", or "+2h" from now. What waits for the
    /// same time leaves in the order of its submission
    #[arg(long, value_name = "TIME", conflicts_with_all = ["mbox", "maildir"])]
    #[arg(value_parser = |text: &str| units::parse_instant(text, clock::now()))]
    pub at: Option<Micros>,
    /// Make it a list post, to the recipients that this file names ("-" is the standard input), one a line; lines that
    /// begin with # are passed over. A line that is no address refuses all of it
    #[arg(id = "list", long = "recipients", value_name = "FILE")]
    #[arg(conflicts_with_all = ["mbox", "maildir", "read_recipients", "recipients"])]
    pub recipients_file: Option<PathBuf>,
    /// Of a list post: the message's file, by default the standard input
    #[arg(long, value_name = "FILE", requires = "list")]
    pub message: Option<PathBuf>,
    /// Of a list post: pass over lines that are no address, and say them
    #[arg(long, requires = "list")]
    pub skip_bad: bool,
    /// Of a list post: what its job is called in 'bulkmailer jobs list'
    #[arg(long, value_name = "NAME", requires = "list", value_parser = job_name)]
    pub job_name: Option<String>,
    /// Of a list post: give each recipient an envelope sender of his own, so that a bounce tells whose it is; by default
    /// with the queue's pattern, list+user=domain@host
    #[arg(long, value_name = "PATTERN", requires = "list", num_args = 0..=1, require_equals = true)]
    #[arg(value_parser = verp_pattern)]
    pub verp: Option<Option<String>>,
    /// Print what was queued as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Print nothing
    #[arg(long, short = 'q')]
    pub quiet: bool,
    /// The recipients; of an mbox or a Maildir: of every message, instead of its own To, Cc and Bcc
    #[arg(value_name = "RECIPIENT")]
    pub recipients: Vec<String>,
}
