//! What one user may have waiting who hands in through the drop: `[drop]`.

use std::time::Duration;

use super::form::Form;
use super::key::Key;
use super::reader::{Reader, Set};
use super::table::Table;
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

pub(super) const TABLE: Table<DropBounds> = Table {
    name: "drop",
    about: "What one user may have waiting who hands mail in through
        .Pa drop/ .",
    keys: KEYS,
};

type DropKey = Key<DropBounds>;

const KEYS: &[DropKey] = &[
    DropKey::new(
        "bytes",
        Form::Size(1, |drop| &mut drop.bytes),
        "What his mail may take in all queues, waiting, held or failed.
        At least
        .Ic limits.message .",
    )
    .otherwise("Default {}, or the limit of a message if that is higher."),
    DropKey::new(
        "entries",
        Form::Count(1..=1_000_000_000, |drop| &mut drop.entries),
        "How many messages of his may wait, be held or have failed, in all queues.
        A queue takes as many with
        .Fl Fl key
        of his within
        .Ic key_keep .",
    ),
    DropKey::new(
        "ahead",
        Form::Time(|drop| &mut drop.ahead),
        "How far off the time may be that he asks for with
        .Ic submit Fl Fl at .",
    ),
];

/// A user may always have one message, whose limit is `message`.
pub(super) fn settle(drop: &mut DropBounds, message: u64, set: &Set, reader: &mut Reader<'_>) {
    if !set.is_good("bytes") {
        drop.bytes = drop.bytes.max(message);
    }
    if drop.bytes < message {
        let (bytes, message) = (size_text(drop.bytes), size_text(message));
        let why = format!("a message of {message} (limits.message) would never get through within {bytes}: raise it");
        reader.problem(set.at("bytes"), format!("drop.bytes: {why}"));
    }
}
