//! What a face asks for one message: all that is known of it besides its bytes.

use crate::model::{Address, Body, EntryId, Micros};

/// What is known of a message besides its bytes.
#[derive(Clone, Debug, Default)]
pub struct Submission {
    /// The envelope sender; the outer `None` means that none was given.
    pub sender: Option<Option<Address>>,
    /// Where none was given, the message's own: Return-Path, then the hint, then From. Else it is the submitting user.
    pub sender_from_header: bool,
    /// What an mbox's separating line says.
    pub sender_hint: Option<Address>,
    pub recipients: Vec<Address>,
    /// Take recipients from To, Cc and Bcc too.
    pub from_header: bool,
    /// The sender's full name, for a From field that is missing.
    pub full_name: Option<String>,
    /// A lone dot ends the message.
    pub dot: bool,
    pub body: Option<Body>,
    pub notify: Option<String>,
    pub ret: Option<String>,
    pub envid: Option<String>,
    /// The VERP pattern.
    pub verp: Option<String>,
    /// Of several messages with this key, one is queued.
    pub key: Option<String>,
    /// It is not handed over before; at once, where none is given.
    pub at: Option<Micros>,
    /// Who submits, where it is not the running user.
    pub user: Option<u32>,
    /// What a missing Message-ID is made of, where it is not the entry's own id.
    pub message_id: Option<EntryId>,
    /// Who brought it, if it came over SMTP.
    pub via: Option<Via>,
    /// What it was found to be, if that is something special; the outer `None` means that nobody looked.
    pub class: Option<Option<&'static str>>,
}

/// An SMTP client, for the Received field (RFC 5321 section 4.4).
#[derive(Clone, Debug)]
pub struct Via {
    /// What it calls itself; made of characters that a host's name or an address literal may have.
    pub client: String,
    pub protocol: &'static str,
}
