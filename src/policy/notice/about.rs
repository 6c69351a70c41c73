//! What a notice is about: what came of whom, and who wants to know of it.

use serde::{Deserialize, Serialize};

use crate::model::{Address, Micros, Reason};

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// It is not tried again.
    Failed,
    /// It is tried again.
    Delayed,
    /// An MTA has it that was not told to notify anybody.
    Relayed,
    /// It is where it was to go.
    Delivered,
}

impl About {
    /// The action of RFC 3464 section 2.3.3, which is the name in a journal, too.
    pub fn name(self) -> &'static str {
        match self {
            About::Failed => "failed",
            About::Delayed => "delayed",
            About::Relayed => "relayed",
            About::Delivered => "delivered",
        }
    }

    /// What NOTIFY calls it (RFC 3461 section 4.1).
    fn word(self) -> &'static str {
        match self {
            About::Failed => "failure",
            About::Delayed => "delay",
            About::Relayed | About::Delivered => "success",
        }
    }

    /// Whether a sender who asked for `notify` wants to know; one who did not ask wants to know of trouble.
    pub fn is_wanted(self, notify: Option<&str>) -> bool {
        match notify {
            None => self.word() != "success",
            Some(list) => list.split(',').any(|word| word.eq_ignore_ascii_case(self.word())),
        }
    }

    pub(super) fn subject(self) -> &'static str {
        match self {
            About::Failed => "Your mail could not be delivered",
            About::Delayed => "Your mail is delayed",
            About::Relayed => "Your mail was handed on",
            About::Delivered => "Your mail was delivered",
        }
    }

    /// The status where the sink gave none (RFC 3463).
    pub(super) fn status(self) -> &'static str {
        match self {
            About::Failed => "5.0.0",
            About::Delayed => "4.0.0",
            About::Relayed | About::Delivered => "2.0.0",
        }
    }
}

/// What came of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientStatus {
    pub recipient: Address,
    /// When it was tried last, where that is known.
    pub at: Option<Micros>,
    pub reason: Option<Reason>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_to_know_what() {
        for (notify, wanted) in [
            (None, [true, true, false]),
            (Some("never"), [false; 3]),
            (Some("failure"), [true, false, false]),
            (Some("success,delay"), [false, true, true]),
            (Some("SUCCESS"), [false, false, true]),
        ] {
            assert_eq!(
                [About::Failed, About::Delayed, About::Relayed].map(|a| a.is_wanted(notify)),
                wanted,
                "{notify:?}"
            );
        }
    }
}
