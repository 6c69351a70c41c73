//! What is refused before anything is queued: `[limits]`.

use serde::Deserialize;

use super::reader::{Reader, first_of};
use super::scalar::Value;
use super::values;
use crate::policy::units::size_text;

/// What is refused before anything is queued.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of one message with its header; default 64 MiB.
    pub message: u64,
    /// Bytes of one message's header section; default 256 KiB.
    pub header: u64,
    /// Recipients of one entry; default 1,000 (RFC 5321 section 4.5.3.1.8 asks for at least 100).
    pub recipients: usize,
    /// The most workers of all queues of one run; default no limit.
    pub workers: Option<usize>,
    /// Bytes that must be free on the spool's file system for `submit` to accept mail;
    /// default twice the message limit and 64 MiB.
    pub min_free: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        let message = 64 << 20;
        Limits { message, header: 256 << 10, recipients: 1_000, workers: None, min_free: Limits::min_free_for(message) }
    }
}

impl Limits {
    /// What must stay free where messages may have `message` bytes: room for two of them and 64 MiB.
    pub fn min_free_for(message: u64) -> u64 {
        message.saturating_mul(2).saturating_add(64 << 20)
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [limits]")]
pub(super) struct Table {
    pub message: Value,
    pub header: Value,
    pub recipients: Value,
    pub workers: Value,
    pub min_free: Value,
}

impl Table {
    pub fn read(&self, reader: &mut Reader<'_>) -> Limits {
        let default = Limits::default();
        let message = reader.value("limits.message", &self.message, default.message, values::size_of(1));
        let header = reader.value("limits.header", &self.header, default.header.min(message), values::size_of(1));
        if header > message {
            let why = format!("a header of {} never fits into a message of {}", size_text(header), size_text(message));
            reader.problem(first_of(&[&self.header, &self.message]), format!("limits.header: {why}: lower it"));
        }
        let min_free = Limits::min_free_for(message);
        Limits {
            message,
            header,
            recipients: reader.value(
                "limits.recipients",
                &self.recipients,
                default.recipients,
                values::count(1..=100_000),
            ),
            workers: reader
                .value("limits.workers", &self.workers, None, |value| values::count(1..=10_000)(value).map(Some)),
            min_free: reader.value("limits.min_free", &self.min_free, min_free, values::size),
        }
    }
}
