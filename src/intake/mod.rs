//! The ways in: `submit`, the sendmail command's face, and SMTP.
//!
//! What holds: everything about the input is checked before the spool sees a byte of it, as far as it can be known before
//! the body was read; what turns out wrong while the body is read leaves nothing behind. The message's bytes stay as they
//! are, but for the fields that are added and Bcc, which is removed. No field that is added can hold a line break, because
//! each value is made by us or is an [`Address`](crate::model::Address).
//!
//! The parsers ([`header`], [`recipients`], [`mbox`], [`sendmail::parse`], [`smtpd`]) do no I/O of their own and are
//! public for the fuzz targets.
#![forbid(unsafe_code)]

mod accept;
pub mod adopt;
mod body;
mod classify;
pub mod header;
pub mod host;
pub mod list;
mod maildir;
pub mod mbox;
mod post;
pub mod recipients;
pub mod sendmail;
pub mod smtpd;
pub mod submit;
mod way;
pub mod withdraw;

pub use accept::Failure;

use std::io;
use std::time::Duration;

use crate::model::Exit;
use crate::model::address::BadAddress;
use crate::policy::units::{duration_text, size_text};

/// Why a message is not taken. Nothing of it was queued.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("{0}")]
    Usage(String),
    #[error("no recipients: name them as arguments, or have them read from the message with -t")]
    NoRecipients,
    #[error("the message has no recipients: its To, Cc and Bcc name nobody")]
    NobodyNamed,
    #[error(transparent)]
    BadAddress(#[from] BadAddress),
    #[error(
        "too many recipients: {found}, and one message may have {max}; raise [limits] recipients, or send it in parts"
    )]
    TooManyRecipients { found: usize, max: usize },
    #[error("the message is larger than {}; raise [limits] message, or send it in parts", size_text(*max))]
    MessageTooBig { max: u64 },
    #[error("the message's header is larger than {}; raise [limits] header if that is meant to be", size_text(*max))]
    HeaderTooBig { max: u64 },
    #[error("the message's header contains a NUL byte; remove it")]
    NulInHeader,
    #[error("the message has passed {found} hosts (Received fields): this is a loop, so it is not queued again")]
    Loop { found: usize },
    #[error("there is no message: the input is empty")]
    Empty,
    #[error("{what}: this is no mbox: it does not begin with a 'From ' line; queue a single message without --mbox")]
    NoMbox { what: String },
    #[error("{what}: it holds no message")]
    NoMessages { what: String },
    #[error("{what}: cannot read: {source}")]
    Unreadable { what: String, source: io::Error },
    #[error("{what}: cannot open: {source}")]
    NoInput { what: String, source: io::Error },
    #[error("{what}:{number}: {why}; correct it, or have such lines passed over with --skip-bad; nothing was queued")]
    BadLine { what: String, number: u64, why: BadAddress },
    #[error("{what}:{number}: the line has no end within 1 MiB, so this is no list of addresses; nothing was queued")]
    NoList { what: String, number: u64 },
    #[error("{what}: it names no recipient")]
    EmptyList { what: String },
    #[error("the time is more than {} ahead; [drop] ahead allows no more", duration_text(*max))]
    TooFar { max: Duration },
    #[error("the suppression list has every one of the {0} recipients; nothing was queued")]
    AllSuppressed(u64),
    #[error("a sender for each recipient needs one with a domain, and a pattern that makes addresses: {0}")]
    Verp(String),
    #[error("suppress.file: {0}; nothing was queued")]
    Suppress(Box<Refused>),
    #[error("a list post goes into the spool itself, which is not yours: have its owner or root submit it")]
    NotByDrop,
    #[error("only {} are free on the spool's disk, and {} must be; make room, and submit again", size_text(*free), size_text(*needed))]
    Full { free: u64, needed: u64 },
}

impl Refused {
    /// What is wrong with the suppression list.
    fn suppress(why: Refused) -> Refused {
        Refused::Suppress(Box::new(why))
    }

    /// The status that tells an MTA or a program what to do: 65 and 64 not to try again, 75 to.
    pub fn exit(&self) -> Exit {
        match self {
            Refused::Usage(_) | Refused::NoRecipients => Exit::Usage,
            Refused::NobodyNamed
            | Refused::BadAddress(_)
            | Refused::TooManyRecipients { .. }
            | Refused::MessageTooBig { .. }
            | Refused::HeaderTooBig { .. }
            | Refused::NulInHeader
            | Refused::Loop { .. }
            | Refused::NoMbox { .. }
            | Refused::NoMessages { .. }
            | Refused::BadLine { .. }
            | Refused::NoList { .. }
            | Refused::EmptyList { .. }
            | Refused::TooFar { .. }
            | Refused::AllSuppressed(_)
            | Refused::Verp(_)
            | Refused::Empty => Exit::DataErr,
            Refused::Unreadable { .. } => Exit::IoErr,
            Refused::NoInput { .. } => Exit::NoInput,
            Refused::Full { .. } => Exit::TempFail,
            Refused::Suppress(_) => Exit::Config,
            Refused::NotByDrop => Exit::NoPerm,
        }
    }
}
