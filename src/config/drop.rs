//! What one user may have waiting who hands in through the drop: `[drop]`.

use std::time::Duration;

use serde::Deserialize;

use super::reader::{Reader, first_of};
use super::scalar::Value;
use super::values;
use crate::policy::units::size_text;

/// What one user may have waiting who hands in through `drop/`, so that he keeps nobody else waiting.
#[derive(Clone, Debug, PartialEq)]
pub struct DropBounds {
    /// Bytes of his entries in all queues; at least one message's; default 1 GiB.
    pub bytes: u64,
    /// How many entries; default 100,000.
    pub entries: usize,
    /// How far off the time may be that he asks for; default a year.
    pub ahead: Duration,
}

impl Default for DropBounds {
    fn default() -> DropBounds {
        DropBounds { bytes: 1 << 30, entries: 100_000, ahead: Duration::from_secs(365 * 24 * 3600) }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [drop]")]
pub(super) struct Table {
    pub bytes: Value,
    pub entries: Value,
    pub ahead: Value,
}

impl Table {
    /// `message` is the limit of one message.
    pub fn read(&self, message: u64, reader: &mut Reader<'_>) -> DropBounds {
        let default = DropBounds::default();
        let bytes = reader.value("drop.bytes", &self.bytes, default.bytes.max(message), values::size_of(1));
        if bytes < message {
            let (bytes, message) = (size_text(bytes), size_text(message));
            let why =
                format!("a message of {message} (limits.message) would never get through within {bytes}: raise it");
            reader.problem(first_of(&[&self.bytes]), format!("drop.bytes: {why}"));
        }
        DropBounds {
            bytes,
            entries: reader.value("drop.entries", &self.entries, default.entries, values::count(1..=1_000_000_000)),
            ahead: reader.value("drop.ahead", &self.ahead, default.ahead, values::some_time),
        }
    }
}
