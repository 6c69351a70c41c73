//! `sendmail -bs`, and `submit --serve`: an SMTP or LMTP server for one client, on the standard input and output, for
//! programs that speak only that.
//!
//! [`stream`] has the bytes, [`command`] reads what is asked for, [`data`] the content, [`session`] knows what may follow
//! what. This module joins them to the ways in: a message is queued by the same steps as any other, and content is
//! streamed into its entry in constant memory.
//!
//! Nobody is asked who he is: whoever may connect may hand mail in, as whoever may start the sendmail command.

pub mod command;
pub mod data;
pub mod session;
pub mod stream;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};
use std::os::unix::fs::MetadataExt;
use std::process::Child;
use std::time::Duration;

use self::session::{Intake, SessionContext, Transaction};
use super::body::{self, Fault};
use super::classify;
use super::refused::{Failure, Refused};
use super::submission::{Submission, Via};
use super::way_in::WayIn;
use crate::config::{ConfigError, Limits, Site};
use crate::model::{EntryId, Exit};
use crate::sys::output::warning;
use crate::sys::signals::Signals;
use crate::sys::stdio::{Input, Output};
use crate::sys::{clock, process};

/// How long is waited for a client (RFC 5321 section 4.5.3.2.7).
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// Where its mail goes.
pub const QUEUE: &str = "outbound";

/// Serves the client on the standard input and output, and queues its mail in `queue`, or where each message belongs to
/// if that is "auto". One that goes away is no error.
pub fn run(site: &Site, queue: &str) -> anyhow::Result<Exit> {
    let signals = Signals::install(false)?;
    let input = Input { file: io::stdin(), signals: &signals, patience: PATIENCE };
    let output = Output { file: io::stdout(), patience: PATIENCE };
    let (host, stop) = (process::host_name(), || signals.terms() > 0);
    let context = SessionContext { host: &host, limits: &site.config.limits, stop: &stop };
    let patterns = site.config.verp_patterns();
    let auto = (queue == classify::AUTO).then_some(patterns.as_slice());
    let queue = if auto.is_some() { classify::INBOUND } else { queue };
    let mut door = Door { site, queue, auto, way: None, run: None, owed: false, alone: client_has_stderr() };
    let _ = session::serve(input, output, &context, &mut door);
    if let Some(way) = door.way.filter(|_| door.owed) {
        way.kick();
    }
    Ok(Exit::Ok)
}

/// Tells a client that there will be no session.
pub fn unavailable(error: &ConfigError) {
    let text = error.to_string().replace(|c: char| !c.is_ascii_graphic(), " ");
    // Nobody is left to tell if this fails.
    let _ =
        io::Write::write_all(&mut io::stdout(), format!("421 4.3.5 {} {text}\r\n", process::host_name()).as_bytes());
}

/// Whether what we say on the standard error would come in between our replies, as inetd has it.
fn client_has_stderr() -> bool {
    let file = |fd: u8| std::fs::metadata(format!("/proc/self/fd/{fd}")).ok().map(|meta| (meta.dev(), meta.ino()));
    file(1).is_some_and(|out| file(2) == Some(out))
}

/// The way into the queue, opened by the first MAIL and again after a failure.
struct Door<'s> {
    site: &'s Site,
    /// The queue that the next message goes into.
    queue: &'s str,
    /// Each message is sorted, and these are the patterns of VERP.
    auto: Option<&'s [String]>,
    way: Option<WayIn<'s>>,
    /// A run that was started for mail of this session.
    run: Option<Child>,
    /// Mail came while that run was at work, which may have been at its end.
    owed: bool,
    /// Failures are told to the client alone.
    alone: bool,
}

impl<'s> Door<'s> {
    fn open(&mut self) -> Result<&WayIn<'s>, Failure> {
        match &mut self.way {
            Some(way) => {
                way.check_room()?;
                Ok(way)
            }
            place @ None => Ok(place.insert(WayIn::open(self.site, self.queue)?)),
        }
    }

    fn failed(&mut self, failure: &Failure) {
        if let Failure::Spool(error) = failure {
            self.way = None;
            if !self.alone {
                warning!("{error}");
            }
        }
    }

    fn kick(&mut self) {
        let at_work = self.run.as_mut().is_some_and(|run| matches!(run.try_wait(), Ok(None)));
        self.owed = at_work;
        if let Some(way) = self.way.as_ref().filter(|_| !at_work) {
            self.run = way.kick();
        }
    }
}

impl Intake for Door<'_> {
    fn ready(&mut self) -> Result<(), Failure> {
        let ready = self.open().map(|_| ());
        ready.inspect_err(|failure| self.failed(failure))
    }

    fn take(&mut self, transaction: Transaction, content: &mut dyn BufRead) -> Result<String, Failure> {
        let limits = &self.site.config.limits;
        let mut submissions = submissions(transaction);
        let mut beginning = Vec::new();
        if let (Some(patterns), Some(first)) = (self.auto, submissions.first()) {
            beginning = classify::beginning(content)?;
            let (queue, class) = classify::queue(first, patterns, &beginning);
            if queue != self.queue {
                (self.queue, self.way) = (queue, None);
            }
            submissions.iter_mut().for_each(|submission| submission.class = Some(class));
        }
        let mut content = io::Read::chain(beginning.as_slice(), content);
        let taken = self.open().and_then(|way| take(way, limits, submissions, &mut content));
        match &taken {
            Ok(_) => self.kick(),
            Err(failure) => self.failed(failure),
        }
        taken
    }
}

/// Queues a message: one entry, or one for each of the wishes that its recipients came with, all of them or none.
fn take(
    way: &WayIn<'_>,
    limits: &Limits,
    mut submissions: Vec<Submission>,
    mut content: &mut dyn BufRead,
) -> Result<String, Failure> {
    if submissions.len() <= 1 {
        let accepted = way.single(submissions.pop().unwrap_or_default(), &mut content)?;
        return Ok(format!("queued as {}", accepted.id));
    }
    let mut scratch = way.scratch()?;
    match body::copy(&mut content, &mut scratch, false, limits.message, limits.message) {
        Ok(_) => {}
        Err(Fault::Refused(refused)) => return Err(refused.into()),
        Err(Fault::Write(error)) => return Err(way.failed(error).into()),
    }
    let mut batch = way.batch(None)?;
    let count = submissions.len();
    // It is one message all the same.
    let message_id = Some(EntryId::new(clock::now()));
    let added = submissions.into_iter().try_for_each(|submission| {
        let submission = Submission { message_id: message_id.clone(), ..submission };
        batch.add(limits, submission, &mut again(&mut scratch)?)
    });
    if let Err(failure) = added {
        batch.abandon();
        return Err(failure);
    }
    batch.commit()?;
    Ok(format!("queued as {count} entries, for the recipients differ in NOTIFY"))
}

fn again(scratch: &mut File) -> Result<BufReader<&mut File>, Refused> {
    scratch.rewind().map_err(|source| Refused::Unreadable { what: "what was received".to_owned(), source })?;
    Ok(BufReader::with_capacity(64 << 10, scratch))
}

/// A submission for each NOTIFY, in the order in which they came.
fn submissions(transaction: Transaction) -> Vec<Submission> {
    let Transaction { client, mail, recipients, extended, lmtp } = transaction;
    let protocol = match (mail.utf8, extended, lmtp) {
        (true, _, true) => "UTF8LMTP",
        (true, _, false) => "UTF8SMTP",
        (false, _, true) => "LMTP",
        (false, true, false) => "ESMTP",
        (false, false, false) => "SMTP",
    };
    let mut found: Vec<Submission> = Vec::new();
    for rcpt in recipients {
        match found.iter_mut().find(|submission| submission.notify == rcpt.notify) {
            Some(submission) => submission.recipients.push(rcpt.recipient),
            None => found.push(Submission {
                sender: Some(mail.sender.clone()),
                recipients: vec![rcpt.recipient],
                body: mail.body,
                notify: rcpt.notify,
                ret: mail.ret.clone(),
                envid: mail.envid.clone(),
                via: Some(Via { client: client.clone(), protocol }),
                ..Submission::default()
            }),
        }
    }
    found
}
