//! A message as it came in, and what it turned out to be.

use serde::Serialize;

use super::report::Report;
use crate::model::Address;

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
    pub kind: MessageKind,
    /// One for each recipient that is reported; none of an ordinary message.
    pub reports: Vec<Report>,
    /// The Message-ID of the message that is reported, without its angle brackets.
    pub message_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    /// A report on a delivery: of failure, of delay, of success.
    Bounce,
    /// A report that a recipient complained (RFC 5965).
    Complaint,
    /// Written by a program to whoever writes (RFC 3834).
    AutoReply,
    /// Anything else.
    Ordinary,
}
