//! One message's way in, the same for every face: header → envelope → fields added → spool.

use std::io::{BufRead, Write};

use super::body::{self, Fault};
use super::header::{Header, Rest};
use super::{Refused, recipients};
use crate::config::{DropBounds, Limits};
use crate::model::envelope::{Origin, verp};
use crate::model::{Address, Body, EntryId, Envelope, Exit, Micros};
use crate::spool::drop::{DropDraft, DropFolder};
use crate::spool::job::{JobFile, PostFile};
use crate::spool::sorter::Sorted;
use crate::spool::{Batch, Published, SpoolError, SpoolQueue};
use crate::sys::{clock, nss, process};

/// More `Received` fields than this are a loop (RFC 5321 section 6.3 asks for at least 100 to be let through; a message
/// that passes us twice on one host has gone astray much earlier).
const RECEIVED_MAX: usize = 50;

/// The field that tells what a message was found to be.
const CLASS: &str = "X-Bulkmailer-Class";

/// What is known of a message besides its bytes.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The envelope sender; the outer `None` means that none was given.
    pub sender: Option<Option<Address>>,
    /// Where none was given, the message's own: Return-Path, then the hint, then From. Else it is the submitting user.
    pub sender_from_header: bool,
    /// What an mbox's separating line says.
    pub sender_hint: Option<Address>,
    pub recipients: Vec<Address>,
    /// Take recipients from To, Cc and Bcc too.
    pub from_header: bool,
    /// The sender's full name, for a From field that is missing.
    pub full_name: Option<String>,
    /// A lone dot ends the message.
    pub dot: bool,
    pub body: Option<Body>,
    pub notify: Option<String>,
    pub ret: Option<String>,
    pub envid: Option<String>,
    /// The VERP pattern.
    pub verp: Option<String>,
    /// Of several messages with this key, one is queued.
    pub key: Option<String>,
    /// It is not handed over before; at once, where none is given.
    pub at: Option<Micros>,
    /// Who submits, where it is not the running user.
    pub user: Option<u32>,
    /// What a missing Message-ID is made of, where it is not the entry's own id.
    pub message_id: Option<EntryId>,
    /// Who brought it, if it came over SMTP.
    pub via: Option<Via>,
    /// What it was found to be, if that is something special; the outer `None` means that nobody looked.
    pub class: Option<Option<&'static str>>,
}

/// An SMTP client, for the Received field (RFC 5321 section 4.4).
#[derive(Clone, Debug)]
pub struct Via {
    /// What it calls itself; made of characters that a host's name or an address literal may have.
    pub client: String,
    pub protocol: &'static str,
}

/// A message that was queued.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub id: EntryId,
    pub recipients: usize,
    pub bytes: u64,
    /// It was queued now, and not under the same key before.
    pub new: bool,
}

/// Why a message of several was not taken: that one alone, or the spool cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl Failure {
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Refused(refused) => refused.exit(),
            Failure::Spool(error) => error.exit(),
        }
    }
}

/// Refuses where the spool's disk, with `free` bytes, is nearly full.
pub fn check_room(free: u64, limits: &Limits) -> Result<(), Failure> {
    if free < limits.min_free { Err(Refused::Full { free, needed: limits.min_free }.into()) } else { Ok(()) }
}

/// Refuses a time that is further off than a user of `drop/` may ask for.
pub fn check_time(at: Option<Micros>, bounds: &DropBounds) -> Result<(), Refused> {
    let far = at.is_some_and(|at| at.since(clock::now()) > bounds.ahead);
    if far { Err(Refused::TooFar { max: bounds.ahead }) } else { Ok(()) }
}

/// A new id, or the one of its key.
fn id_of(request: &Request) -> EntryId {
    request.key.as_ref().map_or_else(|| EntryId::new(clock::now()), |key| EntryId::of_key(&["key", key]))
}

/// Queues one message. When this returns, it would survive a power cut.
pub fn single(
    queue: &SpoolQueue,
    limits: &Limits,
    request: Request,
    input: &mut impl BufRead,
) -> Result<Accepted, Failure> {
    let id = id_of(&request);
    queue_as(id, queue, limits, request, input)
}

/// Queues one message under an id that is given.
pub(super) fn queue_as(
    id: EntryId,
    queue: &SpoolQueue,
    limits: &Limits,
    request: Request,
    input: &mut impl BufRead,
) -> Result<Accepted, Failure> {
    let now = clock::now();
    let at = request.at;
    let mut letter = Letter::read(id, limits, request, input)?;
    letter.trace();
    let mut draft = queue.draft(&letter.envelope)?;
    let bytes = letter.write(limits, input, &mut draft, tmp_of(queue))?;
    let recipients = letter.envelope.recipients.len();
    let published = match at {
        Some(at) => draft.publish_at(at)?,
        None => draft.publish(now)?,
    };
    let new = published == Published::New;
    Ok(Accepted { id: letter.envelope.id, recipients, bytes, new })
}

/// Adds one message to a batch. It is queued when the batch is committed.
pub fn to_batch(
    queue: &SpoolQueue,
    batch: &mut Batch<'_>,
    limits: &Limits,
    request: Request,
    input: &mut impl BufRead,
) -> Result<Accepted, Failure> {
    let mut letter = Letter::read(batch.next_id(), limits, request, input)?;
    letter.trace();
    let mut draft = batch.draft(&letter.envelope, letter.envelope.origin.submitted)?;
    let bytes = letter.write(limits, input, &mut draft, tmp_of(queue))?;
    draft.finish()?;
    Ok(Accepted { id: letter.envelope.id.clone(), recipients: letter.envelope.recipients.len(), bytes, new: true })
}

/// Queues one message to the addresses that the first of `lists` has and the second has not, as a job of its own. When this
/// returns, it would survive a power cut. `about` is completed.
pub fn post(
    queue: &SpoolQueue,
    limits: &Limits,
    request: Request,
    input: &mut impl BufRead,
    (mut wanted, mut but): (Sorted, Sorted),
    about: PostFile,
) -> Result<(EntryId, JobFile, Published), Failure> {
    let mut post = queue.post(id_of(&request))?;
    let mut letter = Letter::of_post(post.id().clone(), limits, request, input)?;
    letter.trace();
    letter.write(limits, input, &mut post, tmp_of(queue))?;
    let envelope = letter.envelope;
    let (id, sender, uid) = (envelope.id.clone(), envelope.sender_text().to_owned(), envelope.origin.uid);
    let mut entries = post.entries(envelope, PostFile { sender, uid, ..about });
    let suppressed = wanted.each_but(&mut but, &mut |recipient| entries.add(recipient))?;
    let (job, published) = entries.commit((wanted.duplicates, suppressed))?;
    if job.entries == 0 {
        return Err(Refused::AllSuppressed(suppressed).into());
    }
    Ok((id, job, published))
}

/// Writes one message for the drop folder, for the queue that is called `queue`. It is accepted once it is linked and synced;
/// no Received field is added, which the adopter does, who knows the user. `Accepted::id` is its file's.
pub fn to_drop<'d>(
    folder: &'d DropFolder,
    queue: &str,
    limits: &Limits,
    request: Request,
    input: &mut impl BufRead,
) -> Result<(DropDraft<'d>, Accepted), Failure> {
    let id = id_of(&request);
    let at = request.at;
    let letter = Letter::read(id, limits, request, input)?;
    let mut draft = folder.draft(queue, at, &letter.envelope)?;
    let written = letter.write(limits, input, &mut draft, |error| folder.failed("write a new entry")(error));
    match written.and_then(|bytes| draft.finish().map(|()| bytes).map_err(Failure::from)) {
        Ok(bytes) => {
            let (recipients, id) = (letter.envelope.recipients.len(), letter.envelope.id);
            Ok((draft, Accepted { id, recipients, bytes, new: true }))
        }
        Err(failure) => {
            draft.discard();
            Err(failure)
        }
    }
}

fn tmp_of(queue: &SpoolQueue) -> impl Fn(std::io::Error) -> SpoolError {
    |source| SpoolError::Io { doing: "write a new entry", path: queue.path("tmp"), source }
}

/// A message whose header was read, and whose envelope is known.
struct Letter {
    envelope: Envelope,
    header: Header,
    rest: Rest,
    dot: bool,
    via: Option<Via>,
}

/// Reads a message's header, and refuses what cannot be mail.
fn head(limits: &Limits, request: &Request, input: &mut impl BufRead) -> Result<(Header, Rest), Refused> {
    let (header, rest) = Header::read(input, limits.header, request.dot)?;
    // Over SMTP an empty message is one.
    if header.is_empty() && rest.ended && request.via.is_none() {
        return Err(Refused::Empty);
    }
    let found = header.count("Received");
    if found > RECEIVED_MAX {
        return Err(Refused::Loop { found });
    }
    Ok((header, rest))
}

impl Letter {
    fn read(id: EntryId, limits: &Limits, mut request: Request, input: &mut impl BufRead) -> Result<Letter, Refused> {
        let (header, rest) = head(limits, &request, input)?;
        let mut recipients = std::mem::take(&mut request.recipients);
        if request.from_header {
            recipients.extend(named_in(&header)?);
        }
        let recipients = recipients::distinct(recipients);
        match recipients.len() {
            0 if request.from_header => return Err(Refused::NobodyNamed),
            0 => return Err(Refused::NoRecipients),
            found if found > limits.recipients => {
                return Err(Refused::TooManyRecipients { found, max: limits.recipients });
            }
            _ => {}
        }
        Letter::new(id, request, recipients, header, rest)
    }

    /// The message of a post, whose recipients are not known yet.
    fn of_post(id: EntryId, limits: &Limits, request: Request, input: &mut impl BufRead) -> Result<Letter, Refused> {
        let (header, rest) = head(limits, &request, input)?;
        let letter = Letter::new(id, request, Vec::new(), header, rest)?;
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
        request: Request,
        recipients: Vec<Address>,
        mut header: Header,
        rest: Rest,
    ) -> Result<Letter, Refused> {
        let sender = match request.sender {
            Some(sender) => sender,
            None if request.sender_from_header => own_sender(&header, request.sender_hint)?,
            None => Some(user()?),
        };
        let origin = Origin {
            submitted: clock::now(),
            uid: request.user.unwrap_or_else(process::real_uid),
            body: request.body,
            notify: request.notify,
            ret: request.ret,
            envid: request.envid,
            verp: request.verp,
        };
        let envelope = Envelope { id, sender, recipients, origin };
        // The running user did not write what comes over SMTP.
        let running = || if request.via.is_none() { nss::full_name(envelope.origin.uid) } else { None };
        let message_id = request.message_id.as_ref().unwrap_or(&envelope.id);
        if let Some(class) = request.class {
            // Whatever it says of itself.
            header.remove(CLASS);
            class.into_iter().for_each(|class| header.prepend(CLASS, class));
        }
        complete(&mut header, &envelope, message_id, || request.full_name.or_else(running));
        Ok(Letter { envelope, header, rest, dot: request.dot, via: request.via })
    }

    /// Adds our Received field.
    fn trace(&mut self) {
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
    fn write(
        &self,
        limits: &Limits,
        input: &mut impl BufRead,
        out: &mut impl Write,
        failed: impl Fn(std::io::Error) -> SpoolError,
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
pub fn user() -> Result<Address, Refused> {
    Ok(nss::user_name(process::real_uid()).parse()?)
}

/// Removes Bcc, and adds what is missing as sendmail does.
fn complete(header: &mut Header, envelope: &Envelope, id: &EntryId, full_name: impl FnOnce() -> Option<String>) {
    header.remove("Bcc");
    header.remove("Resent-Bcc");
    let host = process::host_name();
    let date = envelope.origin.submitted.rfc5322();
    if !header.has("From") {
        header.append("From", &from(envelope, full_name(), &host));
    }
    if !header.has("Date") {
        header.append("Date", &date);
    }
    if !header.has("Message-ID") {
        header.append("Message-ID", &format!("<{id}@{host}>"));
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
