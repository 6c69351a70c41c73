//! The envelope of one entry: everything that is known about it besides the message's bytes.

use serde::{Deserialize, Serialize};

use super::{Address, EntryId, Micros};

/// What the message's body may contain (RFC 6152).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    #[serde(rename = "7BIT")]
    SevenBit,
    #[serde(rename = "8BITMIME")]
    EightBitMime,
}

/// One entry's envelope. `recipients` has at least one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub id: EntryId,
    /// The envelope sender; `None` is the null sender `<>` of RFC 5321 section 4.5.5.
    pub sender: Option<Address>,
    pub recipients: Vec<Address>,
    pub origin: Origin,
}

/// Where an entry came from and what was asked for it; the same for all entries of one submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// When it was accepted.
    pub submitted: Micros,
    /// The real user id of the process that submitted it.
    pub uid: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<Body>,
    /// RFC 3461 NOTIFY, as `-N` gave it: `never`, or a list of `success,failure,delay`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub notify: Option<String>,
    /// RFC 3461 RET: `full` or `hdrs`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ret: Option<String>,
    /// RFC 3461 ENVID, as `-V` gave it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub envid: Option<String>,
}

impl Envelope {
    /// Whether some address needs SMTPUTF8 (RFC 6531).
    pub fn is_utf8(&self) -> bool {
        self.sender.iter().chain(&self.recipients).any(Address::is_utf8)
    }

    /// The sender as text; the null sender is "".
    pub fn sender_text(&self) -> &str {
        self.sender.as_ref().map_or("", Address::as_str)
    }
}
