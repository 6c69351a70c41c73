//! The summary of many notices that were held back.

use super::about::{About, RecipientStatus};
use super::fold::{clean, indented, paragraph};
use super::head::head;
use crate::model::{Address, EntryId, Envelope, Micros};

/// The summary of notices that were held back, because there were too many in an hour.
#[derive(Clone, Debug)]
pub struct NoticeSummary<'a> {
    /// The summary's own id.
    pub id: &'a EntryId,
    pub now: Micros,
    pub host: &'a str,
    pub to: &'a Address,
    /// When the first of the hour was sent.
    pub since: Micros,
    pub held_back: u64,
    /// A line each, as far as they were kept.
    pub lines: &'a [String],
}

impl NoticeSummary<'_> {
    /// The whole message.
    pub fn message(&self) -> String {
        let mut out = head(self.id, self.now, self.host, self.to, "More of your mail could not be delivered");
        out.push_str(
            "Auto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
             Content-Transfer-Encoding: 8bit\n\n",
        );
        out.push_str(&paragraph(&format!("This is the mail system of {}.", self.host)));
        out.push_str(&paragraph(&format!(
            "Since {} there were so many notices for you that {} of them were held back. This is in place of them: each \
             line below is a message of yours, with whom it did not reach and why. It is not tried again, unless it says \
             that it is delayed.",
            self.since.rfc5322(),
            self.held_back
        )));
        for line in self.lines {
            out.push_str(&indented(line));
        }
        let unnamed = self.held_back.saturating_sub(self.lines.len() as u64);
        if unnamed > 0 {
            out.push_str(&paragraph(&format!("And {unnamed} more.")));
        }
        out
    }
}

/// One message's line in a summary; control characters become spaces, and it has at most 1,200 bytes.
pub fn summary_line(about: About, envelope: &Envelope, statuses: &[RecipientStatus]) -> String {
    let named: Vec<&str> = statuses.iter().take(3).map(|status| status.recipient.as_str()).collect();
    let more = if statuses.len() > 3 { format!(" and {} more", statuses.len() - 3) } else { String::new() };
    let reason = statuses.iter().find_map(|status| status.reason.as_ref()).map_or("", |reason| &reason.text);
    let reason: String = reason.chars().take(100).collect();
    clean(&format!("{}: {}: {}{more}: {reason}", envelope.id, about.name(), named.join(", ")))
}
