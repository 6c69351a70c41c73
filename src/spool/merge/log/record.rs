//! The records of a log: what each says, and its body in bytes.
//!
//! A body begins with a byte: three bits for the kind of record, five for what it has. Rows, instants and texts are written
//! as the difference to the one before ([`Before`]): a delivery whose reply differs from the last in a queue id alone takes
//! about thirty bytes, its checksum included. Texts are cut: a reply at [`REPLY_MAX`], a reason at [`REASON_MAX`] bytes.
//! Instants after [`Micros::MAX`] count as that.

use std::time::Duration;

use super::varint::{Bytes, put, put_signed};
use crate::model::format::Newer;
use crate::model::verdict::Kind;
use crate::model::{EntryId, Format, Micros, Reason, SinkReply, Verdict};

/// The most rows of an entry.
pub const ROWS_MAX: u16 = 1_000;
/// The most bytes of a reply to a delivery; queue ids come early in one.
pub const REPLY_MAX: usize = 80;
/// The most bytes of a reason.
pub const REASON_MAX: usize = 500;
/// The most bytes of an enhanced status code (RFC 3463 section 2: `5.999.999`).
const STATUS_MAX: usize = 9;

/// The most bytes of a body. An answer is the longest: its byte, two rows, an instant, attempt, waiting time, the next
/// instant, a status and a reason, each with its length.
pub const BODY_MAX: usize = 1 + 3 + 3 + 10 + 5 + 10 + 10 + 1 + STATUS_MAX + 2 + 2 + REASON_MAX;

/// One record. Rows count from 0 in their entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The first of a log, and no other.
    First { id: EntryId, rows: u16 },
    /// Before the first record of a claim: when and by which user, and a random number, so that no old bytes chain on.
    Claimed { at: Micros, by: u32, random: u32 },
    /// The row is handed over next.
    Begun { row: u16 },
    /// What came of a row; in the same record the row that is begun next, where that is known already.
    Answer { answer: Answer, begun: Option<u16> },
    /// The row that was begun was not handed over after all.
    TakenBack { row: u16 },
    /// The row waits for a person.
    Held { row: u16, at: Micros, reason: Reason },
    /// A person removed the row.
    Removed { row: u16, at: Micros },
    /// The row is open again, with no attempt made and no time waited; it is due at `due`, or with its head.
    Reopened { row: u16, at: Micros, due: Option<Micros> },
}

/// What came of one attempt on a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub row: u16,
    pub at: Micros,
    /// Counted from 1.
    pub attempt: u32,
    /// The time that counts towards expiry, up to this attempt; in microseconds on disk.
    pub waited: Duration,
    /// When it is tried again, if it is.
    pub next: Option<Micros>,
    pub verdict: Verdict,
}

/// What records are written as a difference to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    row: u16,
    at: Micros,
    reply: String,
    reason: String,
}

/// A body that is no record of ours.
#[derive(Debug, PartialEq, Eq)]
pub enum Unread {
    Bad,
    Newer(Newer),
}

const FIRST: u8 = 0;
const CLAIMED: u8 = 1;
const BEGUN: u8 = 2;
const ANSWER: u8 = 3;
const TAKEN_BACK: u8 = 4;
const HELD: u8 = 5;
const REMOVED: u8 = 6;
const REOPENED: u8 = 7;

/// Where in the first byte an answer has its verdict, and that another row is begun, and that the rest has its short form:
/// first attempt, no time waited, none to come, no enhanced status.
const VERDICT: u8 = 3;
const AND_BEGUN: u8 = 1 << 6;
const SHORT: u8 = 1 << 7;
/// A record other than an answer has a status, or a due time.
const MORE: u8 = 1 << 3;

const KINDS: [Kind; 6] = [Kind::Delivered, Kind::Deferred, Kind::Failed, Kind::Unknown, Kind::Held, Kind::Suppressed];

impl Record {
    /// Appends the body, and notes what the next one differs from.
    pub fn encode(&self, before: &mut Before, out: &mut Vec<u8>) {
        match self {
            Record::First { id, rows } => {
                out.push(FIRST);
                put(Format::MergeLog.number().into(), out);
                put((*rows).into(), out);
                out.extend_from_slice(id.as_str().as_bytes());
            }
            Record::Claimed { at, by, random } => {
                out.push(CLAIMED);
                before.put_at(*at, out);
                put((*by).into(), out);
                out.extend_from_slice(&random.to_le_bytes());
            }
            Record::Begun { row } => before.put_head(BEGUN, *row, out),
            Record::Answer { answer, begun } => answer.encode(*begun, before, out),
            Record::TakenBack { row } => before.put_head(TAKEN_BACK, *row, out),
            Record::Held { row, at, reason } => {
                let status = status(Some(reason));
                before.put_head(HELD | more(status.is_some()), *row, out);
                before.put_at(*at, out);
                if let Some(status) = status {
                    put_text(status, out);
                }
                put_shared(cut(&reason.text, REASON_MAX), &mut before.reason, out);
            }
            Record::Removed { row, at } => {
                before.put_head(REMOVED, *row, out);
                before.put_at(*at, out);
            }
            Record::Reopened { row, at, due } => {
                before.put_head(REOPENED | more(due.is_some()), *row, out);
                before.put_at(*at, out);
                if let Some(due) = due {
                    put_signed(micros(*due) - micros(*at), out);
                }
            }
        }
    }

    /// Reads a whole body.
    pub fn decode(body: &[u8], before: &mut Before) -> Result<Record, Unread> {
        let mut bytes = Bytes(body);
        let head = bytes.byte().ok_or(Unread::Bad)?;
        if head == FIRST {
            // What follows the number is the newer program's affair.
            let format = bytes.number().ok_or(Unread::Bad)?;
            Format::MergeLog.age(format).map_err(Unread::Newer)?;
        }
        let record = Record::read(head, &mut bytes, before).ok_or(Unread::Bad)?;
        if bytes.0.is_empty() { Ok(record) } else { Err(Unread::Bad) }
    }

    fn read(head: u8, bytes: &mut Bytes<'_>, before: &mut Before) -> Option<Record> {
        let (kind, flags) = (head & 7, head & !7);
        let may_have_more = kind == HELD || kind == REOPENED;
        if kind != ANSWER && flags & !(if may_have_more { MORE } else { 0 }) != 0 {
            return None;
        }
        let has_more = flags & MORE != 0;
        Some(match kind {
            FIRST => {
                let rows = bytes.small()?;
                let id = std::str::from_utf8(bytes.take(bytes.0.len())?).ok()?;
                Record::First { rows, id: id.parse().ok()? }
            }
            CLAIMED => {
                let (at, by) = (before.at(bytes)?, bytes.small()?);
                Record::Claimed { at, by, random: u32::from_le_bytes(bytes.take(4)?.try_into().ok()?) }
            }
            BEGUN => Record::Begun { row: before.row(bytes)? },
            ANSWER => return Answer::read(flags, bytes, before),
            TAKEN_BACK => Record::TakenBack { row: before.row(bytes)? },
            HELD => {
                let (row, at) = (before.row(bytes)?, before.at(bytes)?);
                let status = if has_more { Some(text(bytes)?) } else { None };
                Record::Held { row, at, reason: Reason { text: shared(bytes, &mut before.reason)?, status } }
            }
            REMOVED => Record::Removed { row: before.row(bytes)?, at: before.at(bytes)? },
            _ => {
                let (row, at) = (before.row(bytes)?, before.at(bytes)?);
                let due = if has_more { Some(instant(micros(at), bytes)?) } else { None };
                Record::Reopened { row, at, due }
            }
        })
    }

    /// Every record as it reads back: its texts cut, its instants bounded.
    #[cfg(test)]
    pub fn as_kept(&self) -> Record {
        let mut out = Vec::new();
        self.encode(&mut Before::default(), &mut out);
        Record::decode(&out, &mut Before::default()).expect("our own")
    }
}

impl Answer {
    fn encode(&self, begun: Option<u16>, before: &mut Before, out: &mut Vec<u8>) {
        let kind = self.verdict.kind();
        let status = status(self.verdict.reason());
        let is_short = self.attempt == 1 && self.waited.is_zero() && self.next.is_none() && status.is_none();
        let flags = if begun.is_some() { AND_BEGUN } else { 0 } | if is_short { SHORT } else { 0 };
        let verdict = KINDS.iter().position(|&each| each == kind).unwrap_or(0) as u8;
        before.put_head(ANSWER | verdict << VERDICT | flags, self.row, out);
        if let Some(begun) = begun {
            before.put_row(begun, out);
        }
        before.put_at(self.at, out);
        if !is_short {
            put(self.attempt.into(), out);
            put(u64::try_from(self.waited.as_micros()).unwrap_or(u64::MAX), out);
            out.push(u8::from(self.next.is_some()) | u8::from(status.is_some()) << 1);
            if let Some(next) = self.next {
                put_signed(micros(next) - micros(self.at), out);
            }
            if let Some(status) = status {
                put_text(status, out);
            }
        }
        match self.verdict.reason() {
            Some(reason) => put_shared(cut(&reason.text, REASON_MAX), &mut before.reason, out),
            None => {
                let reply = self.verdict.reply().map_or("", SinkReply::text);
                put_shared(cut(reply, REPLY_MAX).trim_end(), &mut before.reply, out);
            }
        }
    }

    fn read(flags: u8, bytes: &mut Bytes<'_>, before: &mut Before) -> Option<Record> {
        let kind = *KINDS.get(usize::from((flags >> VERDICT) & 7))?;
        let row = before.row(bytes)?;
        let begun = if flags & AND_BEGUN != 0 { Some(before.row(bytes)?) } else { None };
        let at = before.at(bytes)?;
        let (mut attempt, mut waited, mut next, mut status) = (1, Duration::ZERO, None, None);
        if flags & SHORT == 0 {
            (attempt, waited) = (bytes.small()?, Duration::from_micros(bytes.number()?));
            let has = bytes.byte().filter(|has| has & !3 == 0)?;
            next = if has & 1 != 0 { Some(instant(micros(at), bytes)?) } else { None };
            status = if has & 2 != 0 { Some(text(bytes)?) } else { None };
        }
        let of_reply = kind == Kind::Delivered;
        let text = shared(bytes, if of_reply { &mut before.reply } else { &mut before.reason })?;
        let reason = |text| Reason { text, status };
        let verdict = match kind {
            Kind::Delivered => Verdict::Delivered(SinkReply::new(&text)),
            Kind::Deferred => Verdict::Deferred(reason(text)),
            Kind::Failed => Verdict::Failed(reason(text)),
            Kind::Unknown => Verdict::Unknown(reason(text)),
            Kind::Held => Verdict::Held(reason(text)),
            Kind::Suppressed => Verdict::Suppressed(reason(text)),
        };
        Some(Record::Answer { answer: Answer { row, at, attempt, waited, next, verdict }, begun })
    }
}

impl Before {
    fn put_head(&mut self, head: u8, row: u16, out: &mut Vec<u8>) {
        out.push(head);
        self.put_row(row, out);
    }

    fn put_row(&mut self, row: u16, out: &mut Vec<u8>) {
        put_signed(i64::from(row) - i64::from(self.row), out);
        self.row = row;
    }

    fn row(&mut self, bytes: &mut Bytes<'_>) -> Option<u16> {
        self.row = u16::try_from(i64::from(self.row).checked_add(bytes.signed()?)?).ok()?;
        Some(self.row)
    }

    fn put_at(&mut self, at: Micros, out: &mut Vec<u8>) {
        put_signed(micros(at) - micros(self.at), out);
        self.at = at.min(Micros::MAX);
    }

    fn at(&mut self, bytes: &mut Bytes<'_>) -> Option<Micros> {
        self.at = instant(micros(self.at), bytes)?;
        Some(self.at)
    }
}

fn more(has_more: bool) -> u8 {
    if has_more { MORE } else { 0 }
}

/// An instant as a number whose differences cannot overflow.
fn micros(at: Micros) -> i64 {
    at.min(Micros::MAX).0.cast_signed()
}

fn instant(from: i64, bytes: &mut Bytes<'_>) -> Option<Micros> {
    let at = u64::try_from(from.checked_add(bytes.signed()?)?).ok().map(Micros)?;
    (at <= Micros::MAX).then_some(at)
}

/// The enhanced status, unless it is longer than any.
fn status(reason: Option<&Reason>) -> Option<&str> {
    reason?.status.as_deref().filter(|status| status.len() <= STATUS_MAX)
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn text(bytes: &mut Bytes<'_>) -> Option<String> {
    let len = bytes.small()?;
    Some(std::str::from_utf8(bytes.take(len)?).ok()?.to_owned())
}

/// The beginning of `text`, at most `most` bytes, no character cut in two.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Writes how many bytes `text` has in common with the one before at its beginning, and the rest.
fn put_shared(text: &str, before: &mut String, out: &mut Vec<u8>) {
    let same = text.bytes().zip(before.bytes()).take_while(|(ours, theirs)| ours == theirs).count();
    let same = text.floor_char_boundary(same);
    put(same as u64, out);
    put_text(&text[same..], out);
    before.truncate(same);
    before.push_str(&text[same..]);
}

fn shared(bytes: &mut Bytes<'_>, before: &mut String) -> Option<String> {
    let same = bytes.small()?;
    let rest = text(bytes)?;
    if !before.is_char_boundary(same) || same + rest.len() > REASON_MAX {
        return None;
    }
    before.truncate(same);
    before.push_str(&rest);
    Some(before.clone())
}
