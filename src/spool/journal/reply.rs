//! A sink's replies to deliveries, as a journal has them: in place, behind a group's status (`Journal::answer`), or, where they
//! differ, in an attempt's line (`worker::record`, through `Journal::note`). `SpoolQueue::deliveries` reads them for `show`.
//!
//! Kept true: a reply in place has one byte a character, none of which JSON escapes, and always fills its width. So any part
//! of it may overwrite what was there.

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::model::verdict::Kind;
use crate::model::{SinkReply, Verdict};
use crate::spool::history::{Delivery, JournalLine, each_line, kind_of};

/// What stands between a status and the reply.
const REPLY: &str = "\",\"reply\":\"";

/// Bytes of a reply in place; queue ids come early in one.
pub(super) const REPLY_WIDTH: usize = 80;

/// Bytes behind a status: the reply, `"}` and a newline.
pub(super) const BEHIND_STATUS: usize = REPLY.len() + REPLY_WIDTH + 3;

/// Appends what the answer writes behind the status: nothing unless all deliveries have one reply.
pub(super) fn in_place(verdicts: &[Verdict], answer: &mut Vec<u8>) {
    if let Some(reply) = common(verdicts) {
        answer.extend_from_slice(REPLY.as_bytes());
        answer.extend_from_slice(&plain(reply));
    }
}

/// The reply to each delivery, if it is the same.
fn common(verdicts: &[Verdict]) -> Option<&SinkReply> {
    let mut delivered = verdicts.iter().filter(|verdict| verdict.is_delivered());
    let first = delivered.next()?.reply()?;
    delivered.all(|verdict| verdict.reply() == Some(first)).then_some(first)
}

/// The beginning of a reply in printable ASCII, with spaces behind it.
fn plain(reply: &SinkReply) -> [u8; REPLY_WIDTH] {
    let mut field = [b' '; REPLY_WIDTH];
    for (place, c) in field.iter_mut().zip(reply.text().chars()) {
        *place = match c {
            '"' => b'\'',
            '\\' => b'/',
            ' '..='~' => c as u8,
            _ => b'?',
        };
    }
    field
}

/// Reads the deliveries out of a journal, by the recipients' positions. Their time is that of the hand-over, where it was
/// announced.
pub(in crate::spool) fn read_deliveries(journal: impl Read) -> io::Result<BTreeMap<usize, Delivery>> {
    let mut found = BTreeMap::new();
    each_line(journal, &mut |line| add_delivery(&mut found, line))?;
    Ok(found)
}

/// Adds what a line tells of deliveries to those that were `found` before it.
pub(in crate::spool) fn add_delivery(found: &mut BTreeMap<usize, Delivery>, line: JournalLine) {
    match line {
        JournalLine::Begun { begun: at, group, status, reply } => {
            let answered = group.into_iter().zip(status.chars());
            let reply = reply.map(|reply| reply.trim_end().to_owned()).filter(|reply| !reply.is_empty());
            for (recipient, _) in answered.filter(|&(_, letter)| kind_of(letter) == Some(Kind::Delivered)) {
                found.insert(recipient, Delivery { at, reply: reply.clone() });
            }
        }
        JournalLine::Attempt(attempt) => {
            for result in attempt.results.iter().filter(|result| result.verdict == Kind::Delivered.name()) {
                for &recipient in &result.group {
                    let known = found.entry(recipient).or_insert(Delivery { at: attempt.at, reply: None });
                    known.reply = result.reply.clone().or(known.reply.take());
                }
            }
        }
        JournalLine::Reopened { group, .. } => group.iter().for_each(|recipient| drop(found.remove(recipient))),
        JournalLine::Noticed { .. } | JournalLine::Removed { .. } | JournalLine::First { .. } => {}
    }
}
