//! What is refused before anything is queued: `[limits]`.

use super::form::Form;
use super::key::Key;
use super::reader::{Reader, Set};
use super::table::Table;
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

pub(super) const TABLE: Table<Limits> =
    Table { name: "limits", about: "What is refused before anything is queued.", keys: KEYS };

type LimitKey = Key<Limits>;

const KEYS: &[LimitKey] = &[
    LimitKey::new("message", Form::Size(1, |limits| &mut limits.message), "The largest message with its header."),
    LimitKey::new(
        "header",
        Form::Size(1, |limits| &mut limits.header),
        "The largest header section of a message, not above
        .Ic limits.message .",
    )
    .otherwise("Default {}, or the limit of a message if that is lower."),
    LimitKey::new(
        "recipients",
        Form::Count(1..=100_000, |limits| &mut limits.recipients),
        "The most recipients of one message.",
    ),
    LimitKey::new(
        "min_free",
        Form::Size(0, |limits| &mut limits.min_free),
        "What must be free on the spool's file system for mail to be accepted; 0 asks for
        nothing.",
    )
    .otherwise("Default {}: room for two of the largest messages, and 64 MiB."),
    LimitKey::new(
        "workers",
        Form::Limit(1..=10_000, |limits| &mut limits.workers),
        "The most workers of all queues of one run, see
        .Ic priority
        of a queue.",
    )
    .otherwise("Default: no limit.")
    .example("16"),
];

/// What follows from the limit of a message, and whether the limit of a header fits to it.
pub(super) fn settle(limits: &mut Limits, set: &Set, reader: &mut Reader<'_>) {
    if !set.is_good("header") {
        limits.header = limits.header.min(limits.message);
    }
    if !set.is_good("min_free") {
        limits.min_free = Limits::min_free_for(limits.message);
    }
    if limits.header > limits.message {
        let (header, message) = (size_text(limits.header), size_text(limits.message));
        let why = format!("a header of {header} never fits into a message of {message}");
        reader.problem(set.first_of(&["header", "message"]), format!("limits.header: {why}: lower it"));
    }
}
