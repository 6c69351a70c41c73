//! Records as they follow each other on disk: the length of the body (one or two bytes), a CRC-32, the body.
//!
//! Kept true: the CRC covers the CRC of the record before, so a record counts only behind the very one that it was written
//! behind. No body is empty: zeros are no record. [`Chain`] is what a writer must know of what came before; a reader that
//! came to the same place knows the same.

use super::record::{BODY_MAX, Before, Record, Unread};
use super::varint::{Bytes, put};
use crate::model::format::Newer;

/// The most bytes of a record with its length and CRC.
pub const RECORD_MAX: usize = 2 + CRC + BODY_MAX;

const CRC: usize = 4;

/// Where a log ends, and what the next record is chained to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    end: u64,
    crc: u32,
    before: Before,
}

/// What stands at the end of a chain.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A record, and how many bytes it has.
    Record(Record, usize),
    /// The beginning of one, perhaps: more bytes may tell.
    More,
    /// Nothing that belongs here.
    Bad,
    /// What a newer program wrote.
    Newer(Newer),
}

impl Chain {
    /// How many bytes of the log are valid.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Appends `record` to `out`, and goes behind it.
    pub fn push(&mut self, record: &Record, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(64);
        record.encode(&mut self.before, &mut body);
        let begin = out.len();
        put(body.len() as u64, out);
        self.crc = self.crc_of(&body);
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&body);
        self.end += (out.len() - begin) as u64;
    }

    /// Reads the record at the beginning of `bytes`, which follow this chain, and goes behind it if there is one.
    pub fn step(&mut self, bytes: &[u8]) -> Step {
        let mut rest = Bytes(bytes);
        let Some(len) = rest.number() else { return if bytes.len() < 2 { Step::More } else { Step::Bad } };
        let Ok(len) = usize::try_from(len) else { return Step::Bad };
        if len == 0 || len > BODY_MAX {
            return Step::Bad;
        }
        let Some((crc, body)) = rest.take(CRC).zip(rest.take(len)) else { return Step::More };
        let is_ours = self.crc_of(body).to_le_bytes() == *crc;
        if !is_ours {
            return Step::Bad;
        }
        let mut before = self.before.clone();
        match Record::decode(body, &mut before) {
            Ok(record) => {
                let used = bytes.len() - rest.0.len();
                *self = Chain { end: self.end + used as u64, crc: self.crc_of(body), before };
                Step::Record(record, used)
            }
            Err(Unread::Bad) => Step::Bad,
            Err(Unread::Newer(newer)) => Step::Newer(newer),
        }
    }

    /// The CRC of a body behind this chain. Its length needs no cover: with another the CRC is of another text.
    fn crc_of(&self, body: &[u8]) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.crc.to_le_bytes());
        crc.update(body);
        crc.finalize()
    }
}
