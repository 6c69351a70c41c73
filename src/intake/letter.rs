//! A message on its way in: its header is read, its envelope is made of that and of what was asked for, and the fields
//! that are missing are added.
//!
//! What holds: of the header nothing but Bcc and Resent-Bcc is removed, and a class that the message claims for itself.

use std::io::{BufRead, Write};

use super::body::{self, Fault};
use super::header::{AfterHeader, Header};
use super::recipients;
use super::refused::{Failure, Refused};
use super::submission::{Submission, Via};
use crate::config::Limits;
use crate::model::envelope::{Origin, verp};
use crate::model::{Address, EntryId, Envelope, Fields};
use crate::queue::QueueError;
use crate::sys::{clock, nss, process};

/// More `Received` fields than this are a loop (RFC 5321 section 6.3 asks for at least 100 to be let through; a message
/// that passes us twice on one host has gone astray much earlier).
const RECEIVED_MAX: usize = 50;

/// The field that tells what a message was found to be.
const CLASS: &str = "X-Bulkmailer-Class";

/// A message whose header was read, and whose envelope is known.
pub(super) struct Letter {
    pub envelope: Envelope,
    header: Header,
    rest: AfterHeader,
    dot: bool,
    via: Option<Via>,
}

impl Letter {
    pub fn read(
        id: EntryId,
        limits: &Limits,
        mut submission: Submission,
        input: &mut impl BufRead,
    ) -> Result<Letter, Refused> {
        let (header, rest) = head(limits, &submission, input)?;
        let mut recipients = std::mem::take(&mut submission.recipients);
        if submission.from_header {
            recipients.extend(named_in(&header)?);
        }
        let recipients = recipients::distinct(recipients);
        match recipients.len() {
            0 if submission.from_header => return Err(Refused::NobodyNamed),
            0 => return Err(Refused::NoRecipients),
            found if found > limits.recipients => {
                return Err(Refused::TooManyRecipients { found, max: limits.recipients });
            }
            _ => {}
        }
        Letter::new(id, submission, recipients, header, rest)
    }

    /// The message of a post, whose recipients are not known yet.
    pub fn of_post(
        id: EntryId,
        limits: &Limits,
        submission: Submission,
        input: &mut impl BufRead,
    ) -> Result<Letter, Refused> {
        let (header, rest) = head(limits, &submission, input)?;
        let letter = Letter::new(id, submission, Vec::new(), header, rest)?;
        let Some(pattern) = &letter.envelope.origin.verp else { return Ok(letter) };
        let Some(sender) = &letter.envelope.sender else {
            return Err(Refused::Verp("the sender is the null sender".to_owned()));
        };
        let somebody = "user@example.org".parse()?;
        verp(pattern, sender, &somebody).map_err(|why| Refused::Verp(why.to_string()))?;
        Ok(letter)
    }

    fn new(
        id: EntryId,
        submission: Submission,
        recipients: Vec<Address>,
        mut header: Header,
        rest: AfterHeader,
    ) -> Result<Letter, Refused> {
        let sender = match submission.sender {
            Some(sender) => sender,
            None if submission.sender_from_header => own_sender(&header, submission.sender_hint)?,
            None => Some(user()?),
        };
        let origin = Origin {
            submitted: clock::now(),
            uid: submission.user.unwrap_or_else(process::real_uid),
            body: submission.body,
            notify: submission.notify,
            ret: submission.ret,
            envid: submission.envid,
            verp: submission.verp,
        };
        let envelope = Envelope { id, sender, recipients, fields: Fields::default(), origin };
        // The running user did not write what comes over SMTP.
        let running = || if submission.via.is_none() { nss::full_name(envelope.origin.uid) } else { None };
        let message_id = submission.message_id.as_ref().unwrap_or(&envelope.id);
        if let Some(class) = submission.class {
            // Whatever it says of itself.
            header.remove(CLASS);
            class.into_iter().for_each(|class| header.prepend(CLASS, class));
        }
        complete(&mut header, &envelope, message_id, || submission.full_name.or_else(running));
        Ok(Letter { envelope, header, rest, dot: submission.dot, via: submission.via })
    }

    /// Adds our Received field.
    pub fn trace(&mut self) {
        let Envelope { id, origin, .. } = &self.envelope;
        let (host, date) = (process::host_name(), origin.submitted.rfc5322());
        let (from, with) = match &self.via {
            Some(via) => (format!("from {}\n\t", via.client), format!("with {} ", via.protocol)),
            None => Default::default(),
        };
        let field = format!("{from}by {host} (bulkmailer, from userid {})\n\t{with}id {id}; {date}", origin.uid);
        self.header.prepend("Received", &field);
    }

    /// Writes header and body to `out`, whose errors `failed` makes ours; the message's bytes are returned.
    pub fn write(
        &self,
        limits: &Limits,
        input: &mut impl BufRead,
        out: &mut impl Write,
        failed: impl Fn(std::io::Error) -> QueueError,
    ) -> Result<u64, Failure> {
        let max = limits.message;
        let head = self.header.len() + self.rest.first.len() as u64;
        let room = max.checked_sub(head).ok_or(Refused::MessageTooBig { max })?;
        self.header.write(out).and_then(|()| out.write_all(&self.rest.first)).map_err(&failed)?;
        if self.rest.ended {
            return Ok(head);
        }
        match body::copy(input, out, self.dot, room, max) {
            Ok(copied) => Ok(head + copied),
            Err(Fault::Refused(refused)) => Err(refused.into()),
            Err(Fault::Write(error)) => Err(failed(error).into()),
        }
    }
}

/// Reads a message's header, and refuses what cannot be mail.
fn head(limits: &Limits, submission: &Submission, input: &mut impl BufRead) -> Result<(Header, AfterHeader), Refused> {
    let (header, rest) = Header::read(input, limits.header, submission.dot)?;
    // Over SMTP an empty message is one.
    if header.is_empty() && rest.ended && submission.via.is_none() {
        return Err(Refused::Empty);
    }
    let found = header.count("Received");
    if found > RECEIVED_MAX {
        return Err(Refused::Loop { found });
    }
    Ok((header, rest))
}

/// The recipients that a header names. Where the message is resent, those of the resending count (RFC 5322 section 3.6.6).
fn named_in(header: &Header) -> Result<Vec<Address>, Refused> {
    let resent = ["Resent-To", "Resent-Cc", "Resent-Bcc"];
    let fields = if resent.iter().any(|name| header.has(name)) { resent } else { ["To", "Cc", "Bcc"] };
    let mut found = Vec::new();
    for name in fields {
        for value in header.values(name) {
            found.extend(recipients::parse(&value)?);
        }
    }
    Ok(found)
}

/// The sender that a stored message had.
fn own_sender(header: &Header, hint: Option<Address>) -> Result<Option<Address>, Refused> {
    if let Some(path) = header.values("Return-Path").next() {
        return Ok(Address::sender(path.trim())?);
    }
    let from = header.values("From").next().map(|value| recipients::parse(&value)).transpose()?;
    Ok(Some(match (hint, from.unwrap_or_default().into_iter().next()) {
        (Some(hint), _) => hint,
        (None, Some(from)) => from,
        (None, None) => user()?,
    }))
}

/// The submitting user as a sender: the login name, which the MTA completes with its own domain.
pub(super) fn user() -> Result<Address, Refused> {
    Ok(nss::user_name(process::real_uid()).parse()?)
}

/// Removes Bcc, and adds what is missing as sendmail does.
fn complete(header: &mut Header, envelope: &Envelope, id: &EntryId, full_name: impl FnOnce() -> Option<String>) {
    header.remove("Bcc");
    header.remove("Resent-Bcc");
    if !header.has("From") {
        header.append("From", &from(envelope, full_name(), &process::host_name()));
    }
    if !header.has("Date") {
        header.append("Date", &envelope.origin.submitted.rfc5322());
    }
    if !header.has("Message-ID") {
        header.append("Message-ID", &format!("<{id}@{}>", process::host_name()));
    }
}

fn from(envelope: &Envelope, full_name: Option<String>, host: &str) -> String {
    let Some(sender) = &envelope.sender else {
        return format!("Mail Delivery System <MAILER-DAEMON@{host}>");
    };
    match full_name {
        None => sender.to_string(),
        Some(name) if name.is_ascii() => {
            let name = name.replace(['\\', '"'], " ");
            format!("\"{}\" <{sender}>", name.trim())
        }
        Some(name) => format!("=?UTF-8?Q?{}?= <{sender}>", encoded(&name)),
    }
}

/// The Q encoding of RFC 2047 section 4.2, for a phrase.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
            b' ' => "_".to_owned(),
            b => format!("={b:02X}"),
        })
        .collect()
}
