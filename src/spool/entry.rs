//! An entry file's head: the envelope as one JSON line, the recipients as JSON lines where there are several, and an
//! empty line. What follows, to the end of the file, is the message. A recipient is an address, or an object that has its
//! fields besides; a head with fields is numbered 2, any other 1, which older programs read, and in which a recipient is
//! an address alone.
//!
//! Kept true: no head is written that is not read: longer lines, more recipients or more fields are refused before.
//!
//! A merge's head is such a head alone, with no message: its recipients are those of its rows in their order, and `rows` in
//! its first line is what is noted of the rows' file. Its job's kind and the form of its name keep older programs from it.
//!
//! The head's first field is `size`, the number of the message's bytes, in twenty columns: it is filled in when the
//! message is complete, so that a truncated file is known by its length.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};

use super::merge::rows::Noted;
use super::recipient_line::RecipientLine;
use crate::model::address::MAX_LEN;
use crate::model::envelope::{Body, Origin};
use crate::model::format::Newer;
use crate::model::{Address, EntryId, Envelope, Fields, Format, Micros};

/// Where the size stands in the head, and how many columns it has.
pub const SIZE_AT: u64 = 8;
pub const SIZE_WIDTH: usize = 20;

/// Bytes in which most heads end; what is read beyond is read in vain.
pub(super) const HEAD: usize = 1_024;

/// The longest line of a head in bytes, and the most recipients: what a reader accepts, far above what is written.
const LINE_MAX: u64 = 64 << 10;
const RECIPIENTS_MAX: usize = 1_000_000;
/// The most bytes of all lines with fields in one head.
const FIELDS_MAX: usize = 64 << 20;

/// The number of a head without fields.
const PLAIN: u32 = 1;

/// Why a head cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A newer program wrote it: it stays where it is.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// What is wrong with it, for a person.
    #[error("{0}")]
    Damaged(String),
}

impl From<String> for Unreadable {
    fn from(why: String) -> Unreadable {
        Unreadable::Damaged(why)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(from = "HeadLine")]
struct Head {
    #[serde(skip_serializing)]
    size: u64,
    v: u32,
    id: EntryId,
    /// "" is the null sender.
    sender: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<RecipientLine>,
    /// How many recipient lines follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipients: Option<usize>,
    /// The message lies beside, for all entries of the job.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    apart: bool,
    /// It is a merge's head, and these are its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Noted>,
    #[serde(flatten)]
    origin: Origin,
}

/// The line as it is read: serde would keep apart all of it in order to flatten it. A field that [`Origin`] gains is
/// missed here by the compiler.
#[derive(Deserialize)]
struct HeadLine {
    #[serde(default)]
    size: u64,
    v: u32,
    id: EntryId,
    sender: String,
    recipient: Option<RecipientLine>,
    recipients: Option<usize>,
    #[serde(default)]
    apart: bool,
    rows: Option<Noted>,
    submitted: Micros,
    uid: u32,
    body: Option<Body>,
    notify: Option<String>,
    ret: Option<String>,
    envid: Option<String>,
    verp: Option<String>,
}

impl From<HeadLine> for Head {
    fn from(line: HeadLine) -> Head {
        let HeadLine { size, v, id, sender, recipient, recipients, apart, rows, .. } = line;
        let HeadLine { submitted, uid, body, notify, ret, envid, verp, .. } = line;
        let origin = Origin { submitted, uid, body, notify, ret, envid, verp };
        Head { size, v, id, sender, recipient, recipients, apart, rows, origin }
    }
}

/// What the head says of the message behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where the message begins in the file; where the head ends, if it is `apart`.
    pub start: u64,
    /// How many bytes it has.
    pub len: u64,
    /// It lies in the job's folder, and this file has the envelope alone.
    pub apart: bool,
    /// Of a merge's head, which is `apart`: what is noted of its rows. There is no message.
    pub rows: Option<Noted>,
}

impl Extent {
    /// What is wrong with an entry file of `bytes` bytes, if anything.
    pub fn wrong_size(&self, bytes: u64) -> Option<String> {
        let expected = if self.apart { self.start } else { self.start.saturating_add(self.len) };
        (bytes != expected).then(|| format!("it has {bytes} bytes, and {expected} were written"))
    }

    /// Positions the file that has the message at its first byte. One that lies apart must have its whole length.
    pub fn of_message(&self, mut file: File) -> io::Result<File> {
        if !self.apart {
            file.seek(SeekFrom::Start(self.start))?;
        } else if file.metadata()?.len() != self.len {
            return Err(io::Error::other(format!("it has not the {} bytes that were written", self.len)));
        }
        Ok(file)
    }
}

/// The longest head that an envelope with so many recipients can have: each byte of an address may
/// be six in JSON.
pub fn longest_head(recipients: usize) -> u64 {
    LINE_MAX + (recipients as u64).saturating_mul(6 * MAX_LEN as u64 + 4)
}

/// The head's bytes for `envelope`, with the size still zero.
pub fn head(envelope: &Envelope) -> io::Result<Vec<u8>> {
    head_of(envelope, None, None)
}

/// The whole file of an entry whose message of `len` bytes lies in its job's folder.
pub fn head_apart(envelope: &Envelope, len: u64) -> io::Result<Vec<u8>> {
    head_of(envelope, Some(len), None)
}

/// The whole file of a merge's head, with a recipient for each of the `rows`.
pub fn head_of_rows(envelope: &Envelope, rows: Noted) -> io::Result<Vec<u8>> {
    head_of(envelope, Some(0), Some(rows))
}

fn head_of(envelope: &Envelope, apart: Option<u64>, rows: Option<Noted>) -> io::Result<Vec<u8>> {
    let several = envelope.recipients.len() != 1;
    let Envelope { recipients, fields, .. } = envelope;
    let line = |i: usize, address: &Address| RecipientLine::of(address.clone(), fields.of(i).cloned());
    let head = Head {
        size: 0,
        v: if fields.is_empty() { PLAIN } else { Format::Entry.number() },
        id: envelope.id.clone(),
        sender: envelope.sender_text().to_owned(),
        recipient: if several { None } else { recipients.first().map(|address| line(0, address)) },
        recipients: several.then_some(recipients.len()),
        apart: apart.is_some(),
        rows,
        origin: envelope.origin.clone(),
    };
    let json = serde_json::to_string(&head)?;
    let mut bytes = Vec::with_capacity(json.len() + 64 + if several { envelope.recipients.len() * 40 } else { 0 });
    // `json` is an object, so its text begins with a brace.
    bytes.extend_from_slice(format!("{{\"size\":{:>SIZE_WIDTH$},{}\n", apart.unwrap_or(0), &json[1..]).as_bytes());
    let makes = |address: &Address| format!("the fields of {address} make");
    fits(bytes.len(), || match recipients.first() {
        Some(address) if !several => makes(address),
        Some(_) | None => "its envelope makes".to_owned(),
    })?;
    if several {
        let mut bounds = Bounds::default();
        bounds.recipients(recipients.len()).map_err(unfit)?;
        for (i, address) in recipients.iter().enumerate() {
            let start = bytes.len();
            match fields.of(i) {
                None => serde_json::to_writer(&mut bytes, address)?,
                Some(_) => {
                    serde_json::to_writer(&mut bytes, &line(i, address))?;
                    bounds.fields(bytes.len() - start).map_err(unfit)?;
                }
            }
            bytes.push(b'\n');
            fits(bytes.len() - start, || makes(address))?;
        }
    }
    bytes.push(b'\n');
    Ok(bytes)
}

/// Refuses a line that a reader would not take.
fn fits(bytes: usize, what: impl FnOnce() -> String) -> io::Result<()> {
    if bytes as u64 <= LINE_MAX {
        return Ok(());
    }
    Err(unfit(format!("{} a line of {bytes} bytes, and at most {LINE_MAX} are possible", what())))
}

fn unfit(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// What the recipient lines of one head have together, for the writer as for the reader.
#[derive(Default)]
struct Bounds {
    with_fields: usize,
}

impl Bounds {
    fn recipients(&self, count: usize) -> Result<(), String> {
        let many = || Err(format!("its envelope has {count} recipients, and at most {RECIPIENTS_MAX} are possible"));
        if count > RECIPIENTS_MAX { many() } else { Ok(()) }
    }

    /// Adds a line with fields of this many bytes, its newline not counted.
    fn fields(&mut self, bytes: usize) -> Result<(), String> {
        self.with_fields += bytes;
        let many = || Err(format!("the fields of its recipients have more than {FIELDS_MAX} bytes"));
        if self.with_fields > FIELDS_MAX { many() } else { Ok(()) }
    }
}

/// The size as it stands in the head.
pub fn size_field(len: u64) -> String {
    format!("{len:>SIZE_WIDTH$}")
}

/// The number of a head that cannot be read otherwise.
#[derive(Deserialize)]
struct Number {
    v: u64,
}

/// Reads a head's first line. What it has of a newer format need not look like ours.
fn first_line(line: &[u8]) -> Result<Head, Unreadable> {
    // One look at the whole line spares one at each of its texts.
    let head = std::str::from_utf8(line).map_or_else(|_| serde_json::from_slice(line), serde_json::from_str::<Head>);
    let v = match &head {
        Ok(head) => Some(u64::from(head.v)),
        Err(_) => serde_json::from_slice::<Number>(line).ok().map(|number| number.v),
    };
    match v {
        Some(0) => return Err("its envelope has version 0, which there never was".to_owned().into()),
        Some(v) => drop(Format::Entry.age(v)?),
        None => {}
    }
    head.map_err(|error| format!("its first line is no envelope: {error}").into())
}

/// Reads a head from the start of an entry file.
pub fn read(file: impl Read) -> Result<(Envelope, Extent), Unreadable> {
    read_if(BufReader::with_capacity(HEAD, file), |_| Ok(()))
}

/// Reads a head without fields: a stranger's takes no more memory than its addresses. Any other is refused by its first line.
pub(super) fn read_plain(file: impl Read) -> Result<(Envelope, Extent), Unreadable> {
    read_if(BufReader::with_capacity(HEAD, file), |v| match v {
        PLAIN => Ok(()),
        _ => Err("its recipients have fields, which only a job can use".to_owned()),
    })
}

/// Reads a head if its number `suits`, which is asked before more than the first line is read.
pub(super) fn read_if(
    mut reader: impl BufRead,
    suits: impl Fn(u32) -> Result<(), String>,
) -> Result<(Envelope, Extent), Unreadable> {
    let mut start = 0;
    let mut line = Vec::new();
    next_line(&mut reader, &mut line, &mut start)?;
    let head = first_line(&line)?;
    suits(head.v)?;
    let plain = head.v == PLAIN;
    if plain && head.recipient.as_ref().is_some_and(RecipientLine::has_fields) {
        return Err(format!("its envelope has version {PLAIN}, in which recipients have no fields").into());
    }
    let sender = Address::sender(&head.sender).map_err(|error| error.to_string())?;
    let (mut recipients, mut fields) = (Vec::new(), Fields::default());
    let mut add = |line: RecipientLine| {
        let (address, own) = line.into_parts();
        own.into_iter().for_each(|own| fields.set(recipients.len(), own));
        recipients.push(address);
    };
    head.recipient.into_iter().for_each(&mut add);
    let mut bounds = Bounds::default();
    let more = head.recipients.unwrap_or(0);
    bounds.recipients(more)?;
    for _ in 0..more {
        next_line(&mut reader, &mut line, &mut start)?;
        let one =
            if plain { serde_json::from_slice(&line).map(RecipientLine::Plain) } else { serde_json::from_slice(&line) };
        let one: RecipientLine = one.map_err(|error| format!("a recipient line: {error}"))?;
        if one.has_fields() {
            bounds.fields(line.len())?;
        }
        add(one);
    }
    if recipients.is_empty() {
        return Err("its envelope has no recipient".to_owned().into());
    }
    next_line(&mut reader, &mut line, &mut start)?;
    if !line.is_empty() {
        return Err("no empty line follows its envelope".to_owned().into());
    }
    if head.rows.is_some_and(|rows| !head.apart || rows.rows as usize != recipients.len()) {
        return Err("it has not one recipient for each of its rows".to_owned().into());
    }
    Ok((
        Envelope { id: head.id, sender, recipients, fields, origin: head.origin },
        Extent { start, len: head.size, apart: head.apart, rows: head.rows },
    ))
}

/// One line without its newline; counts its bytes.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>, start: &mut u64) -> Result<(), String> {
    line.clear();
    let read = reader.take(LINE_MAX).read_until(b'\n', line).map_err(|error| format!("it cannot be read: {error}"))?;
    *start += read as u64;
    match line.pop() {
        Some(b'\n') => Ok(()),
        Some(_) | None => Err("it ends in the middle of its envelope".to_owned()),
    }
}

#[cfg(test)]
mod tests;
