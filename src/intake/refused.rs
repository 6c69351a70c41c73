//! Why mail is not taken, in words that say what to do, and the status that tells a program or an MTA.
//!
//! What holds: nothing of what was refused is queued.

use std::io;
use std::time::Duration;

use crate::model::Exit;
use crate::model::address::BadAddress;
use crate::policy::units::{duration_text, size_text};
use crate::queue::QueueError;

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
    #[error("a list post or a merge goes into the spool itself, which is not yours: have its owner or root submit it")]
    NotByDrop,
    #[error("only {} are free on the spool's disk, and {} must be; make room, and submit again", size_text(*free), size_text(*needed))]
    Full { free: u64, needed: u64 },
}

impl Refused {
    /// What is wrong with an option of the sendmail command.
    pub(super) fn option(what: &str) -> Refused {
        Refused::Usage(format!("sendmail: {what}; the options are those of sendmail(1), see bulkmailer(1)"))
    }

    /// What is wrong with the suppression list.
    pub(super) fn suppress(why: Refused) -> Refused {
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

/// Why a message of several was not taken: that one alone, or the spool cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Spool(#[from] QueueError),
}

impl Failure {
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Refused(refused) => refused.exit(),
            Failure::Spool(error) => error.exit(),
        }
    }
}
