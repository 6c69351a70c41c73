//! What stands in fields: `message/delivery-status` (RFC 3464, RFC 6533) and `message/feedback-report` (RFC 5965).

use mailparse::{MailHeader, MailHeaderMap};

use super::address::address;
use super::class::{self, Class};
use super::mime::headers;
use super::report::{Action, Report, one_line};
use crate::model::Address;

/// The most recipients of one report.
const RECIPIENTS_MAX: usize = 1_000;

fn first(fields: &[MailHeader<'_>], names: &[&str]) -> Option<String> {
    let value = |name: &&str| fields.get_first_value(name).filter(|value| !value.trim().is_empty());
    names.iter().find_map(value)
}

/// The action that a field or a status is. A delay that is called a failure by its field only is none.
fn action(said: &str, status: Option<&str>) -> Option<Action> {
    let word = said.trim().to_ascii_lowercase();
    let word = word.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or("");
    match (word, status.and_then(|status| status.chars().next())) {
        ("delayed", _) => Some(Action::Delayed),
        ("delivered", _) => Some(Action::Delivered),
        ("relayed", _) => Some(Action::Relayed),
        ("expanded", _) => Some(Action::Expanded),
        ("failed" | "failure" | "fail" | "error", _) => Some(Action::Failed),
        (_, Some('5')) => Some(Action::Failed),
        (_, Some('4')) => Some(Action::Delayed),
        (_, Some('2')) => Some(Action::Relayed),
        (_, _) => None,
    }
}

/// The recipients of the fields of a delivery status, its blocks of fields in any state.
pub(super) fn delivery_status(text: &str) -> Vec<Report> {
    let mut found: Vec<Report> = Vec::new();
    let mut rest = text.as_bytes();
    let mut mta = None;
    while !rest.is_empty() && found.len() < RECIPIENTS_MAX {
        let (fields, len) = headers(rest);
        rest = &rest[len.max(1).min(rest.len())..];
        mta = mta.or_else(|| first(&fields, &["Reporting-MTA"]));
        // Several recipients in one block, where the empty line between them is missing.
        let is_start = |field: &MailHeader<'_>| {
            ["original-recipient", "final-recipient"].contains(&field.get_key().to_ascii_lowercase().as_str())
        };
        let mut blocks: Vec<Vec<MailHeader<'_>>> = vec![Vec::new()];
        for field in fields {
            let again = blocks.last().is_some_and(|block| block.get_first_value(&field.get_key()).is_some());
            if is_start(&field) && again {
                blocks.push(Vec::new());
            }
            if let Some(block) = blocks.last_mut() {
                block.push(field);
            }
        }
        found.extend(blocks.iter().filter_map(|block| recipient(block, mta.as_deref())));
    }
    found
}

fn recipient(fields: &[MailHeader<'_>], mta: Option<&str>) -> Option<Report> {
    let named = ["Original-Recipient", "Final-Recipient", "X-Actual-Recipient"];
    let mut all = named.iter().filter_map(|name| fields.get_first_value(name).and_then(|value| address(&value)));
    // A local alias says less than the address that it stands for.
    let who = all.find(|address| !address.domain().is_empty())?;
    let said = first(fields, &["Diagnostic-Code", "X-Diagnostic", "X-Notes"]).unwrap_or_default();
    let (kind, words) = said.split_once(';').unwrap_or(("", &said));
    let words = if kind.len() <= 20 { words } else { &said };
    let status = first(fields, &["Status"]).and_then(|status| class::status_in(&status));
    // What the remote MTA said is more exact than "5.0.0" or "5.5.0".
    let within = class::status_in(words).filter(|_| status.as_deref().is_none_or(|status| status.ends_with(".0")));
    let action = action(&first(fields, &["Action"]).unwrap_or_default(), status.as_deref())?;
    let status = within.or(status);
    let reply = class::reply_in(words);
    let remote = first(fields, &["Remote-MTA"]);
    let remote = remote.as_deref().or(mta).map(|name| one_line(name.rsplit_once(';').map_or(name, |(_, name)| name)));
    let class = match action {
        Action::Failed | Action::Delayed => class::class(status.as_deref(), reply, &words.replace(who.as_str(), "")),
        _ => Class::Unknown,
    };
    Some(Report { recipient: who, action, status, reply, class, remote, text: one_line(words) })
}

/// A feedback report.
pub(super) struct Feedback {
    /// Whether a person complained; other reports tell of what a machine found, or that there is no ground.
    pub complaint: bool,
    pub recipients: Vec<Address>,
    pub remote: Option<String>,
    pub text: String,
}

pub(super) fn feedback(text: &str) -> Option<Feedback> {
    let (fields, _) = headers(text.as_bytes());
    let kind = first(&fields, &["Feedback-Type"])?;
    let kind = kind.trim().to_ascii_lowercase();
    let complaint =
        matches!(kind.as_str(), "abuse" | "fraud" | "virus" | "other" | "opt-out" | "opt-out-list" | "miscategorized");
    let all = ["Original-Rcpt-To", "Removal-Recipient"].iter().flat_map(|name| fields.get_all_values(name));
    let recipients = all.filter_map(|value| address(&value)).take(RECIPIENTS_MAX).collect();
    let remote = first(&fields, &["Reporting-MTA", "User-Agent"]);
    let remote = remote.map(|name| one_line(name.rsplit_once(';').map_or(&name, |(_, name)| name)));
    Some(Feedback { complaint, recipients, remote, text: format!("feedback: {}", one_line(&kind)) })
}
