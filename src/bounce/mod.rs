//! Bounces: what a message says of how others were delivered, and the ledger of it.
//!
//! Reading is pure, and never panics whatever the bytes are. A delay is never a failure. What is not surely a report is
//! [`Kind::Ordinary`], and nobody is blamed for it.
#![forbid(unsafe_code)]

use serde::Serialize;

use crate::model::Address;

/// A message's envelope as it came in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival<'a> {
    /// `None` is the null sender, as of every honest report (RFC 5321 section 4.5.5).
    pub sender: Option<&'a Address>,
    /// Whom it came to. A sender that VERP made tells who bounced.
    pub recipient: Option<&'a Address>,
    /// The patterns of the senders that VERP makes here, see [`VERP`](crate::model::envelope::VERP).
    pub verp: &'a [String],
}

/// What a message turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    pub kind: Kind,
    /// One for each recipient that is told of; none of an ordinary message.
    pub reports: Vec<Report>,
    /// The Message-ID of the message that is told of, without its angle brackets.
    pub message_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A report on a delivery: of failure, of delay, of success.
    Bounce,
    /// A report that a recipient complained (RFC 5965).
    Complaint,
    /// Written by a program to whoever writes (RFC 3834).
    AutoReply,
    /// Anything else.
    Ordinary,
}

/// What is told of one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub recipient: Address,
    pub action: Action,
    /// RFC 3463, as in `5.1.1`.
    pub status: Option<String>,
    /// RFC 5321 section 4.2, as in 550.
    pub reply: Option<u16>,
    pub class: Class,
    /// The MTA that said it.
    pub remote: Option<String>,
    /// Its words, on one line, bounded.
    pub text: String,
}

/// RFC 3464 section 2.3.3, and what is no report on a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Failed,
    Delayed,
    Relayed,
    Delivered,
    /// To several others, by an alias.
    Expanded,
    Complaint,
    AutoReply,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// There is no such mailbox, or no more.
    UserUnknown,
    /// There is no such domain, or it takes no mail.
    DomainUnknown,
    /// The mailbox exists, and takes no mail now.
    MailboxFull,
    /// Switched off.
    MailboxDisabled,
    /// The message is larger than somebody takes.
    TooLarge,
    /// The sending host or domain is on a list of somebody's.
    Blocked,
    /// Taken for spam, or for a virus.
    Content,
    /// Refused by a rule: who may write, how a sender must prove who he is.
    Policy,
    /// Too much in a time.
    Rate,
    /// The remote host cannot be reached, or answers too late.
    Network,
    /// A mail system's own fault.
    System,
    /// A loop.
    Loop,
    /// Nobody says.
    Unknown,
}
