//! `bulkmailer submit`: one message from the standard input, to its recipients or those of a list (`post`), or
//! the many of an mbox or a Maildir.
//!
//! Many messages are committed in groups of up to 1,000: all of a group is visible or none of it. A message that cannot be
//! taken is named on the standard error and passed over; the others are queued, and the status says that one was not.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::thread::{Scope, ScopedJoinHandle};

use anyhow::Context;
use serde_json::json;

use super::accept::{Failure, Request};
use super::mbox::Mbox;
use super::way::{Group, Way};
use super::{Refused, classify, maildir, post, sendmail, smtpd};
use crate::config::{ConfigError, Limits, Site};
use crate::model::envelope::verp_fault;
use crate::model::{Address, EntryId, Exit, Micros};
use crate::policy::units;
use crate::spool::SpoolError;
use crate::sys::clock;
use crate::sys::output::{self, Page, tell, warning};

/// How much of an input is read at once.
const BUFFER: usize = 256 << 10;

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
    /// Hand it over at this time or soon after, by the next run: "2026-11-26 08:00", or "+2h" from now
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

/// A job is called something that can stand in a line.
fn job_name(text: &str) -> Result<String, String> {
    match output::is_harmless(text) {
        true => Ok(text.to_owned()),
        false => Err("it has a control character: a name is one line of text".to_owned()),
    }
}

fn verp_pattern(text: &str) -> Result<String, String> {
    verp_fault(text).map_or_else(|| Ok(text.to_owned()), |why| Err(why.to_owned()))
}

/// `bulkmailer submit`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let auto = args.queue == classify::AUTO;
    if !auto && !site.config.queues.contains_key(&args.queue) {
        let known: Vec<&str> = site.config.queues.keys().map(String::as_str).collect();
        return Err(ConfigError::unknown_queue(&args.queue, &known).into());
    }
    if args.serve {
        return smtpd::run(site, &args.queue);
    }
    let mut request = Request {
        sender: args.sender.as_deref().map(Address::sender).transpose().map_err(Refused::from)?,
        recipients: sendmail::addresses(&args.recipients)?,
        sender_from_header: args.read_sender,
        from_header: args.read_recipients,
        key: args.key.clone(),
        at: args.at,
        ..Request::default()
    };
    if auto || args.from_mta {
        classify::envelope(&mut request)?;
    }
    if auto {
        return by_kind(site, request, args);
    }
    if let Some(list) = &args.recipients_file {
        return post::run(site, args, list, request);
    }
    let many = args.mbox.is_some() || args.maildir.is_some();
    if !many && request.recipients.is_empty() && !request.from_header {
        return Err(Refused::NoRecipients.into());
    }
    let way = Way::open(site, &args.queue)?;
    let limits = &site.config.limits;
    let exit = if many { several(&way, limits, request, args) } else { one(&way, request, args) }?;
    way.kick();
    if !args.quiet {
        way.remind();
    }
    Ok(exit)
}

/// One message, into the queue that it belongs to.
fn by_kind(site: &Site, request: Request, args: &Args) -> anyhow::Result<Exit> {
    if args.mbox.is_some() || args.maildir.is_some() || args.recipients_file.is_some() {
        return Err(Refused::Usage("--queue auto looks at one message only: name the queue".to_owned()).into());
    }
    if request.recipients.is_empty() && !request.from_header {
        return Err(Refused::NoRecipients.into());
    }
    let mut input = BufReader::with_capacity(64 << 10, io::stdin().lock());
    let beginning = classify::beginning(&mut input)?;
    let (queue, class) = classify::queue(&request, &site.config.verp_patterns(), &beginning);
    let way = Way::open(site, queue)?;
    let mut input = io::Read::chain(beginning.as_slice(), input);
    accept(&way, queue, Request { class: Some(class), ..request }, &mut input, args)?;
    way.kick();
    if !args.quiet {
        way.remind();
    }
    Ok(Exit::Ok)
}

fn one(way: &Way<'_>, request: Request, args: &Args) -> anyhow::Result<Exit> {
    accept(way, &args.queue, request, &mut BufReader::with_capacity(64 << 10, io::stdin().lock()), args)
}

fn accept(way: &Way<'_>, queue: &str, request: Request, input: &mut impl BufRead, args: &Args) -> anyhow::Result<Exit> {
    let accepted = way.single(request, input)?;
    if args.json {
        let row = json!({"id": accepted.id, "queue": queue, "recipients": accepted.recipients, "bytes": accepted.bytes, "new": accepted.new});
        tell(&Page::of(row.to_string()));
    } else if !args.quiet {
        tell(&Page::of(accepted.id.as_str()));
    }
    Ok(Exit::Ok)
}

fn several(way: &Way<'_>, limits: &Limits, mut request: Request, args: &Args) -> anyhow::Result<Exit> {
    // With recipients as arguments, those of the messages count only if they are asked for.
    request.from_header |= request.recipients.is_empty();
    let (done, many) = std::thread::scope(|scope| {
        let (group, committing) = (None, None);
        let mut many =
            Many { way, limits, request, scope, group, committing, queued: 0, refused: 0, batches: Vec::new() };
        let read = many.all(args);
        // What came before an error is queued all the same.
        let done = many.committed().map_err(anyhow::Error::from).and(read);
        (done, (many.queued, many.refused, many.batches))
    });
    let (queued, refused, batches) = many;
    // Whoever submits all of it again would mail these twice.
    match queued {
        0 => done?,
        _ => done.with_context(|| format!("only the first {queued} messages that are in order were queued"))?,
    }
    if args.json {
        let row = json!({"queue": args.queue, "queued": queued, "refused": refused, "batches": batches});
        tell(&Page::of(row.to_string()));
    } else if !args.quiet {
        let end = if refused > 0 { format!(", {refused} refused") } else { String::new() };
        tell(&Page::of(format!("{queued} messages queued{end}")));
    }
    Ok(if refused > 0 { Exit::DataErr } else { Exit::Ok })
}

/// Many messages on their way in. While one group is gathered, the one before it is synced.
struct Many<'s, 'q> {
    way: &'q Way<'q>,
    limits: &'q Limits,
    request: Request,
    scope: &'s Scope<'s, 'q>,
    group: Option<Group<'q>>,
    committing: Option<Committing<'s>>,
    queued: u64,
    refused: u64,
    batches: Vec<String>,
}

/// A group that is being committed: how many messages it has, and what comes of it.
type Committing<'s> = (u64, ScopedJoinHandle<'s, Result<Option<EntryId>, SpoolError>>);

impl<'q> Many<'_, 'q> {
    fn all(&mut self, args: &Args) -> anyhow::Result<()> {
        match (&args.mbox, &args.maildir) {
            (Some(path), _) if path.as_os_str() == "-" => self.mbox("the standard input", io::stdin().lock())?,
            (Some(path), _) => {
                let name = path.display().to_string();
                self.mbox(&name, File::open(path).map_err(|source| Refused::NoInput { what: name.clone(), source })?)?;
            }
            (None, Some(dir)) => self.maildir(dir)?,
            (None, None) => {}
        }
        self.commit()
    }

    fn mbox(&mut self, name: &str, input: impl io::Read) -> anyhow::Result<()> {
        let mut mbox = Mbox::new(BufReader::with_capacity(BUFFER, input));
        let mut number = 0_u64;
        let unreadable = |source| Refused::Unreadable { what: name.to_owned(), source };
        while let Some(mut message) = mbox.next_message().map_err(unreadable)? {
            number += 1;
            let sender = message.sender.clone();
            self.add(&format!("{name}: message {number} (From {sender})"), Some(&sender), &mut message)?;
        }
        match (mbox.is_mbox(), number) {
            (false, _) => Err(Refused::NoMbox { what: name.to_owned() }.into()),
            (true, 0) => Err(Refused::NoMessages { what: name.to_owned() }.into()),
            (true, _) => Ok(()),
        }
    }

    fn maildir(&mut self, dir: &Path) -> anyhow::Result<()> {
        let no_input = |source| Refused::NoInput { what: dir.display().to_string(), source };
        for path in maildir::messages(dir).map_err(no_input)? {
            let path = path.map_err(no_input)?;
            let name = path.display().to_string();
            match maildir::open(&path) {
                Ok(file) => self.add(&name, None, &mut BufReader::with_capacity(64 << 10, file))?,
                // A mail reader moves files from new/ to cur/ meanwhile.
                Err(source) => self.refuse(&name, &Refused::Unreadable { what: "the file".to_owned(), source }),
            }
        }
        Ok(())
    }

    fn refuse(&mut self, name: &str, why: &Refused) {
        self.refused += 1;
        warning!("{name}: not queued: {why}");
    }

    fn add(&mut self, name: &str, separator: Option<&str>, input: &mut impl BufRead) -> anyhow::Result<()> {
        let group = match self.group.take() {
            Some(group) => group,
            None => self.way.group()?,
        };
        let group = self.group.insert(group);
        let mut request = self.request.clone();
        if request.sender.is_none() {
            request.sender_hint = separator.and_then(|text| text.parse().ok());
            request.sender_from_header = true;
        }
        match group.add(self.limits, request, input) {
            Ok(()) => {}
            Err(Failure::Refused(refused)) => self.refuse(name, &refused),
            Err(Failure::Spool(error)) => return Err(error.into()),
        }
        if self.group.as_ref().is_some_and(Group::is_full) { self.commit() } else { Ok(()) }
    }

    /// Has what was gathered made visible, as soon as the group before it is.
    fn commit(&mut self) -> anyhow::Result<()> {
        self.committed()?;
        if let Some(group) = self.group.take().filter(|group| group.len() > 0) {
            let count = group.len() as u64;
            let commit = std::thread::Builder::new().spawn_scoped(self.scope, || group.commit());
            self.committing = Some((count, commit.context("no thread can be started to commit with")?));
        }
        Ok(())
    }

    /// Waits for the group that is being committed.
    fn committed(&mut self) -> Result<(), SpoolError> {
        if let Some((count, commit)) = self.committing.take() {
            let id = commit.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            self.queued += count;
            self.batches.extend(id.map(|id| id.to_string()));
        }
        Ok(())
    }
}
