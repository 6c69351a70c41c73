//! What came of an attempt.

use serde::{Deserialize, Serialize};

/// Why a recipient was not delivered to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What the sink said, or what we saw; one line, at most 1,000 bytes.
    pub text: String,
    /// The enhanced status code (RFC 3463), where there was one: `5.1.1`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<String>,
}

impl Reason {
    /// A reason without an enhanced status. Control characters become spaces, and the text is cut at 1,000 bytes.
    pub fn new(text: &str) -> Reason {
        let mut clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if clean.len() > 1_000 {
            let cut = (0..=1_000).rev().find(|&i| clean.is_char_boundary(i)).unwrap_or(0);
            clean.truncate(cut);
        }
        Reason { text: clean.trim().to_owned(), status: None }
    }

    /// Whether the enhanced status tells of this message or recipient, and not of the system or its connections, which are
    /// RFC 3463's subjects 3 (but for a message that is too large for the system) and 4.
    pub fn is_of_entry(&self) -> bool {
        let subject = self.status.as_deref().and_then(|status| status.split('.').nth(1));
        subject.is_some_and(|subject| subject != "3" && subject != "4") || self.status.as_deref() == Some("4.3.4")
    }

    pub fn with_status(mut self, status: Option<String>) -> Reason {
        self.status = status;
        self
    }
}

/// What came of one attempt for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The MTA has it.
    Delivered,
    /// Not now; it is tried again.
    Deferred(Reason),
    /// Never; it is not tried again.
    Failed(Reason),
    /// The whole message was within the sink's reach and its answer never came.
    Unknown(Reason),
    /// The outcome is unknown and stays so until a person decides: `on_crash = "hold"`.
    Held(Reason),
    /// Never handed over: the recipient is on the suppression list.
    Suppressed(Reason),
}

/// The verdict's letter in a journal's status, and its name in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Delivered,
    Deferred,
    Failed,
    Unknown,
    Held,
    Suppressed,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Delivered => "delivered",
            Kind::Deferred => "deferred",
            Kind::Failed => "failed",
            Kind::Unknown => "unknown",
            Kind::Held => "held",
            Kind::Suppressed => "suppressed",
        }
    }
}

impl Verdict {
    pub fn kind(&self) -> Kind {
        match self {
            Verdict::Delivered => Kind::Delivered,
            Verdict::Deferred(_) => Kind::Deferred,
            Verdict::Failed(_) => Kind::Failed,
            Verdict::Unknown(_) => Kind::Unknown,
            Verdict::Held(_) => Kind::Held,
            Verdict::Suppressed(_) => Kind::Suppressed,
        }
    }

    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Verdict::Delivered => None,
            Verdict::Deferred(reason)
            | Verdict::Failed(reason)
            | Verdict::Unknown(reason)
            | Verdict::Held(reason)
            | Verdict::Suppressed(reason) => Some(reason),
        }
    }
}

/// What came of handing one group of recipients over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The sink answered: a verdict for each recipient of the group, in its order.
    Answered(Vec<Verdict>),
    /// All of the group were refused, and it is not certain that the fault is theirs.
    Doubtful(Doubtful),
    /// The sink itself is down: nothing was handed over, and no entry is to blame.
    SinkDown(String),
    /// We were told to stop now before anything was handed over.
    Stopped,
}

/// Whom a refusal may blame beside the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Refused for now, as a sink does that is down.
    Sink,
    /// The reply names the sender; if many senders get it, the sink refuses everybody.
    Sender,
    /// Refused for good, before anything was known of the message: the sender's fault, or ours.
    Either,
    /// Refused for good for want of a login or an account that may send: this host's, or one sender's.
    Account,
    /// Refused for good, in words that blame this host: its quota, its name or its address.
    Us,
}

impl Blame {
    /// Whether no message fails for it: it is deferred.
    pub fn is_ours(self) -> bool {
        matches!(self, Blame::Account | Blame::Us)
    }
}

/// A refusal of which it is not certain whose fault it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubtful {
    /// What it is for each recipient of the group, in its order, if the fault is theirs.
    pub verdicts: Vec<Verdict>,
    pub blame: Blame,
    /// Equal for refusals that have one cause.
    pub cause: u64,
}
