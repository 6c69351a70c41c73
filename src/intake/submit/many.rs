//! `submit --mbox` and `--maildir`: the many messages of a mailbox.
//!
//! Many messages are committed in batches of up to 1,000: all of a batch is visible or none of it. The batches are one
//! submission ([`EntryId::submission`]), so the messages keep their order.
//!
//! A message that cannot be taken is named on the standard error and passed over; the others are queued, and the status says
//! that one was not.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::thread::{Scope, ScopedJoinHandle};

use anyhow::Context;
use serde_json::json;

use super::args::Args;
use crate::config::Limits;
use crate::intake::intake_batch::IntakeBatch;
use crate::intake::maildir;
use crate::intake::mbox::Mbox;
use crate::intake::refused::{Failure, Refused};
use crate::intake::submission::Submission;
use crate::intake::way_in::WayIn;
use crate::model::{EntryId, Exit};
use crate::queue::QueueError;
use crate::sys::output::{Page, tell, warning};

/// How much of an input is read at once.
const BUFFER: usize = 256 << 10;

/// Queues every message of the mbox or the Maildir that `args` name.
pub(super) fn several(
    way: &WayIn<'_>,
    limits: &Limits,
    mut submission: Submission,
    args: &Args,
) -> anyhow::Result<Exit> {
    // With recipients as arguments, those of the messages count only if they are asked for.
    submission.from_header |= submission.recipients.is_empty();
    let (done, many) = std::thread::scope(|scope| {
        let (batch, committing, next) = (None, None, None);
        let (queued, refused, batches) = (0, 0, Vec::new());
        let mut many = Many { way, limits, submission, scope, batch, committing, next, queued, refused, batches };
        let read = many.all(args);
        // What came before an error is queued all the same.
        let done = many.committed().map_err(anyhow::Error::from).and(read);
        (done, (many.queued, many.refused, many.batches))
    });
    let (queued, refused, batches) = many;
    // Submitting all of it again would mail these twice.
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

/// Many messages on their way in. While one batch is gathered, the one before it is synced.
struct Many<'s, 'q> {
    way: &'q WayIn<'q>,
    limits: &'q Limits,
    submission: Submission,
    scope: &'s Scope<'s, 'q>,
    batch: Option<IntakeBatch<'q>>,
    committing: Option<Committing<'s>>,
    /// The id of the next batch, once there was one.
    next: Option<EntryId>,
    queued: u64,
    refused: u64,
    batches: Vec<String>,
}

/// A batch that is being committed: how many messages it has, and what comes of it.
type Committing<'s> = (u64, ScopedJoinHandle<'s, Result<Option<EntryId>, QueueError>>);

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
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => self.way.batch(self.next.take())?,
        };
        let batch = self.batch.insert(batch);
        let mut submission = self.submission.clone();
        if submission.sender.is_none() {
            submission.sender_hint = separator.and_then(|text| text.parse().ok());
            submission.sender_from_header = true;
        }
        match batch.add(self.limits, submission, input) {
            Ok(()) => {}
            Err(Failure::Refused(refused)) => self.refuse(name, &refused),
            Err(Failure::Spool(error)) => return Err(error.into()),
        }
        if self.batch.as_ref().is_some_and(IntakeBatch::is_full) { self.commit() } else { Ok(()) }
    }

    /// Has what was gathered made visible, as soon as the batch before it is.
    fn commit(&mut self) -> anyhow::Result<()> {
        self.committed()?;
        if let Some(batch) = self.batch.take().filter(|batch| batch.len() > 0) {
            let count = batch.len() as u64;
            self.next = batch.next_batch();
            let commit = std::thread::Builder::new().spawn_scoped(self.scope, || batch.commit());
            self.committing = Some((count, commit.context("no thread can be started to commit with")?));
        }
        Ok(())
    }

    /// Waits for the batch that is being committed.
    fn committed(&mut self) -> Result<(), QueueError> {
        if let Some((count, commit)) = self.committing.take() {
            let id = commit.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            self.queued += count;
            self.batches.extend(id.map(|id| id.to_string()));
        }
        Ok(())
    }
}
