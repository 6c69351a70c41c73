//! What a message tells of one recipient, and what that weighs against his address.

use serde::Serialize;

use super::class::Class;
use crate::model::Address;
use crate::policy::score::Rules;

/// The most bytes of an MTA's words.
const TEXT_MAX: usize = 500;

/// What a message says about one recipient.
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

/// Words on one line, bounded.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() + 1 > TEXT_MAX {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().filter(|c| !c.is_control()));
    }
    line
}
