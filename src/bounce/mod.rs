//! Bounces: what a message says of how others were delivered, and the ledger of it.
//!
//! Reading is pure, and never panics whatever the bytes are. A delay is never a failure. What is not surely a report is
//! [`Kind::Ordinary`], and nobody is blamed for it.
#![forbid(unsafe_code)]

mod class;
mod fields;
pub mod ledger;
mod mime;
mod read;
mod text;
mod texts;

use serde::Serialize;

pub use self::read::{READ_MAX, read};
use crate::model::Address;
use crate::policy::score::Rules;

/// A message's envelope as it came in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival<'a> {
    /// Whether it came from the null sender, as every honest report does (RFC 5321 section 4.5.5); `None` where nobody knows.
    pub null_sender: Option<bool>,
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

impl Report {
    /// What it weighs against the address; `None` if it is no bad news about anybody.
    ///
    /// Failures that say nothing of the address weigh nothing: a message that a filter did not like, a sending host on a
    /// list, a limit of the receiver's.
    pub fn weight(&self, rules: &Rules) -> Option<f64> {
        match self.action {
            Action::Failed => {}
            // Decides at once, whatever the sum is.
            Action::Complaint => return Some(0.0),
            Action::Delayed | Action::Relayed | Action::Delivered | Action::Expanded | Action::AutoReply => {
                return None;
            }
        }
        let passing = self.status.as_deref().is_some_and(|status| status.starts_with('4'));
        Some(match self.class {
            Class::UserUnknown | Class::DomainUnknown | Class::MailboxDisabled if !passing => 1.0,
            Class::UserUnknown
            | Class::DomainUnknown
            | Class::MailboxDisabled
            | Class::MailboxFull
            | Class::Network
            | Class::System
            | Class::Loop
            | Class::Unknown => rules.soft,
            Class::TooLarge | Class::Blocked | Class::Content | Class::Policy | Class::Rate => 0.0,
        })
    }

    /// The reason that it is for a suppression.
    pub fn why(&self) -> String {
        let words = if self.text.is_empty() { String::new() } else { format!(": {}", self.text) };
        match self.action {
            Action::Complaint => format!("complaint{words}"),
            _ => format!("bounces, the last one {}{words}", self.class.name()),
        }
    }
}

impl Action {
    /// As it is spelled in files and options.
    pub fn name(self) -> &'static str {
        match self {
            Action::Failed => "failed",
            Action::Delayed => "delayed",
            Action::Relayed => "relayed",
            Action::Delivered => "delivered",
            Action::Expanded => "expanded",
            Action::Complaint => "complaint",
            Action::AutoReply => "auto-reply",
        }
    }
}

impl Class {
    /// As it is spelled in files and options.
    pub fn name(self) -> &'static str {
        match self {
            Class::UserUnknown => "user-unknown",
            Class::DomainUnknown => "domain-unknown",
            Class::MailboxFull => "mailbox-full",
            Class::MailboxDisabled => "mailbox-disabled",
            Class::TooLarge => "too-large",
            Class::Blocked => "blocked",
            Class::Content => "content",
            Class::Policy => "policy",
            Class::Rate => "rate",
            Class::Network => "network",
            Class::System => "system",
            Class::Loop => "loop",
            Class::Unknown => "unknown",
        }
    }
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
