//! An entry file's head: the envelope as one JSON line, the recipients as JSON lines where there are several, and an
//! empty line. What follows, to the end of the file, is the message.
//!
//! The head's first field is `size`, the number of the message's bytes, in twenty columns: it is filled in when the
//! message is complete, so that a truncated file is known by its length.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};

use super::names::EntryName;
use crate::model::address::MAX_LEN;
use crate::model::envelope::Origin;
use crate::model::{Address, EntryId, Envelope};

/// Where the size stands in the head, and how many columns it has.
pub const SIZE_AT: u64 = 8;
pub const SIZE_WIDTH: usize = 20;

/// Bytes in which most heads end; what is read beyond is read in vain.
const HEAD: usize = 1_024;

/// The longest line of a head in bytes, and the most recipients: what a reader accepts, far above what is written.
const LINE_MAX: u64 = 64 << 10;
const RECIPIENTS_MAX: usize = 1_000_000;

#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(skip_serializing, default)]
    size: u64,
    v: u32,
    id: EntryId,
    /// "" is the null sender.
    sender: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    recipient: Option<Address>,
    /// How many recipient lines follow.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    recipients: Option<usize>,
    /// The message lies beside, for all entries of the job.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    apart: bool,
    #[serde(flatten)]
    origin: Origin,
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
    head_of(envelope, None)
}

/// The whole file of an entry whose message of `len` bytes lies in its job's folder.
pub fn head_apart(envelope: &Envelope, len: u64) -> io::Result<Vec<u8>> {
    head_of(envelope, Some(len))
}

fn head_of(envelope: &Envelope, apart: Option<u64>) -> io::Result<Vec<u8>> {
    let several = envelope.recipients.len() != 1;
    let head = Head {
        size: 0,
        v: 1,
        id: envelope.id.clone(),
        sender: envelope.sender_text().to_owned(),
        recipient: if several { None } else { envelope.recipients.first().cloned() },
        recipients: several.then_some(envelope.recipients.len()),
        apart: apart.is_some(),
        origin: envelope.origin.clone(),
    };
    let json = serde_json::to_string(&head)?;
    let mut bytes = Vec::with_capacity(json.len() + 64 + if several { envelope.recipients.len() * 40 } else { 0 });
    // `json` is an object, so its text begins with a brace.
    bytes.extend_from_slice(format!("{{\"size\":{:>SIZE_WIDTH$},{}\n", apart.unwrap_or(0), &json[1..]).as_bytes());
    if several {
        for recipient in &envelope.recipients {
            serde_json::to_writer(&mut bytes, recipient)?;
            bytes.push(b'\n');
        }
    }
    bytes.push(b'\n');
    Ok(bytes)
}

/// The size as it stands in the head.
pub fn size_field(len: u64) -> String {
    format!("{len:>SIZE_WIDTH$}")
}

/// Reads a head from the start of an entry file. The error is what is wrong with it, for a person.
pub fn read(file: impl Read) -> Result<(Envelope, Extent), String> {
    let mut reader = BufReader::with_capacity(HEAD, file);
    let mut start = 0;
    let mut line = Vec::new();
    next_line(&mut reader, &mut line, &mut start)?;
    let head: Head =
        serde_json::from_slice(&line).map_err(|error| format!("its first line is no envelope: {error}"))?;
    if head.v != 1 {
        return Err(format!("its envelope has version {}, and 1 is known", head.v));
    }
    let sender = Address::sender(&head.sender).map_err(|error| error.to_string())?;
    let mut recipients: Vec<Address> = head.recipient.into_iter().collect();
    let more = head.recipients.unwrap_or(0);
    if more > RECIPIENTS_MAX {
        return Err(format!("its envelope speaks of {more} recipients"));
    }
    for _ in 0..more {
        next_line(&mut reader, &mut line, &mut start)?;
        recipients.push(serde_json::from_slice(&line).map_err(|error| format!("a recipient line: {error}"))?);
    }
    if recipients.is_empty() {
        return Err("its envelope has no recipient".to_owned());
    }
    next_line(&mut reader, &mut line, &mut start)?;
    if !line.is_empty() {
        return Err("no empty line follows its envelope".to_owned());
    }
    Ok((
        Envelope { id: head.id, sender, recipients, origin: head.origin },
        Extent { start, len: head.size, apart: head.apart },
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

/// Reads the head of an entry file of `size` bytes that bears `name`. The error is what is wrong, for a person.
pub(super) fn read_named(file: &File, size: u64, name: &EntryName) -> Result<(Envelope, Extent), String> {
    let (envelope, extent) = read(file)?;
    if envelope.id != name.id {
        return Err(format!("its envelope belongs to entry {}", envelope.id));
    }
    match extent.wrong_size(size) {
        Some(why) => Err(why),
        None => Ok((envelope, extent)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Micros;

    fn envelope(recipients: usize) -> Envelope {
        Envelope {
            id: EntryId::new(Micros(3)),
            sender: "jörg@example.org".parse().ok(),
            recipients: (0..recipients).filter_map(|i| format!("-r{i}@example.net").parse().ok()).collect(),
            origin: Origin {
                submitted: Micros(3),
                uid: 7,
                body: None,
                notify: Some("never".into()),
                ret: None,
                envid: None,
                verp: None,
            },
        }
    }

    #[test]
    fn a_head_reads_back() {
        for count in [1, 2, 100] {
            let bytes = head(&envelope(count)).expect("an envelope is JSON");
            let (back, extent) = read(&bytes[..]).expect("our own head");
            assert_eq!((back, extent.start, extent.len), (envelope_like(&bytes, count), bytes.len() as u64, 0));
        }
    }

    fn envelope_like(bytes: &[u8], count: usize) -> Envelope {
        let (back, _) = read(bytes).expect("our own head");
        Envelope { id: back.id, ..envelope(count) }
    }

    #[test]
    fn the_size_is_filled_in_in_place() {
        let mut bytes = head(&envelope(1)).expect("an envelope is JSON");
        let at = SIZE_AT as usize;
        bytes[at..at + SIZE_WIDTH].copy_from_slice(size_field(123_456).as_bytes());
        assert_eq!(read(&bytes[..]).expect("our own head").1.len, 123_456);
    }

    #[test]
    fn every_truncation_is_noticed() {
        let bytes = head(&envelope(3)).expect("an envelope is JSON");
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes[..]);
        }
    }
}
