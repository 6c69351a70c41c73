//! What came of an attempt.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a recipient was not delivered to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
        Reason { text: one_line(text, 1_000).trim().to_owned(), status: None }
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

/// A sink's reply to a message that it took, such as `250 2.0.0 Ok: queued as 4Xyz`: one line, not empty, at most
/// [`SinkReply::MAX`] bytes. Copies share the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SinkReply(Arc<str>);

impl SinkReply {
    /// The most bytes of one.
    pub const MAX: usize = 250;

    /// Control characters become spaces, and the text is cut at [`SinkReply::MAX`] bytes; `None` if nothing is left.
    pub fn new(text: &str) -> Option<SinkReply> {
        let text = text.trim();
        if is_one_line(text, SinkReply::MAX) {
            return (!text.is_empty()).then(|| SinkReply(text.into()));
        }
        let clean = one_line(text, SinkReply::MAX);
        let clean = clean.trim();
        (!clean.is_empty()).then(|| SinkReply(clean.into()))
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// The enhanced status code (RFC 2034) behind the code of a reply that it quotes.
    pub fn status(&self) -> Option<&str> {
        let (code, rest) = self.0.split_once(' ')?;
        let status = rest.split(' ').next()?;
        let mut parts = status.split('.');
        let mut number = |most| {
            parts.next().filter(|part| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
        };
        let is_one = code.len() == 3 && code.starts_with('2') && code.bytes().all(|b| b.is_ascii_digit());
        let is_status = number(1) == Some("2") && number(3).is_some() && number(3).is_some() && parts.next().is_none();
        (is_one && is_status).then_some(status)
    }
}

/// Whether `text` has at most `most` bytes, each of them printable ASCII, as nearly every one has.
fn is_one_line(text: &str, most: usize) -> bool {
    text.len() <= most && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// The beginning of `text`, at most `most` bytes of it, with spaces for its control characters.
fn one_line(text: &str, most: usize) -> String {
    if is_one_line(text, most) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len().min(most));
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if clean.len() + c.len_utf8() > most {
            break;
        }
        clean.push(c);
    }
    clean
}

/// What came of one attempt for one recipient. Two deliveries may differ in their replies: compare by [`Verdict::kind`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The sink has it, and replied this.
    Delivered(Option<SinkReply>),
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
            Verdict::Delivered(_) => Kind::Delivered,
            Verdict::Deferred(_) => Kind::Deferred,
            Verdict::Failed(_) => Kind::Failed,
            Verdict::Unknown(_) => Kind::Unknown,
            Verdict::Held(_) => Kind::Held,
            Verdict::Suppressed(_) => Kind::Suppressed,
        }
    }

    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Verdict::Delivered(_) => None,
            Verdict::Deferred(reason)
            | Verdict::Failed(reason)
            | Verdict::Unknown(reason)
            | Verdict::Held(reason)
            | Verdict::Suppressed(reason) => Some(reason),
        }
    }

    /// The sink's reply to a delivery.
    pub fn reply(&self) -> Option<&SinkReply> {
        match self {
            Verdict::Delivered(reply) => reply.as_ref(),
            Verdict::Deferred(_)
            | Verdict::Failed(_)
            | Verdict::Unknown(_)
            | Verdict::Held(_)
            | Verdict::Suppressed(_) => None,
        }
    }

    pub fn is_delivered(&self) -> bool {
        self.kind() == Kind::Delivered
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_one_line_of_bounded_length() {
        let text = |words: &str| SinkReply::new(words).map(|reply| reply.text().to_owned());
        assert_eq!(text("250 2.0.0 Ok: queued as 4Xyz\r\n").as_deref(), Some("250 2.0.0 Ok: queued as 4Xyz"));
        assert_eq!(text("250 \x1b[31mred\n\0 \"x\"").as_deref(), Some("250  [31mred   \"x\""));
        assert_eq!((text(""), text(" \r\n\t")), (None, None));
        // A character is not cut in two.
        for lead in 0..4 {
            let long = text(&("x".repeat(lead) + &"\u{1F4E7}".repeat(30_000))).expect("a text");
            assert!(long.len() <= SinkReply::MAX && long.len() > SinkReply::MAX - 4, "{}", long.len());
        }
    }

    #[test]
    fn a_reply_has_the_enhanced_status_of_a_reply() {
        let status = |words: &str| SinkReply::new(words).and_then(|reply| reply.status().map(str::to_owned));
        assert_eq!(status("250 2.0.0 Ok").as_deref(), Some("2.0.0"));
        assert_eq!(status("250 2.1.5").as_deref(), Some("2.1.5"));
        for other in
            ["250 Ok", "250", "2.0.0 Ok", "Ok 2.0.0", "250 5.1.1 no", "250 2.0 x", "250 2.0.0.0 x", "250 2..0 x"]
        {
            assert_eq!(status(other), None, "{other}");
        }
    }

    #[test]
    fn two_deliveries_with_different_replies_are_deliveries() {
        let (one, two) = (Verdict::Delivered(SinkReply::new("250 one")), Verdict::Delivered(None));
        assert!(one != two && one.is_delivered() && two.is_delivered());
    }
}
