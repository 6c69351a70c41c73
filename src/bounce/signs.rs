//! What the header tells of the writer: a program that reports, one that answers, or a person.

use std::sync::LazyLock;

use mailparse::MailHeaderMap;
use regex::Regex;

use super::mime::{Part, is_returned, is_status};
use super::reading::Arrival;
use super::{address, free_text, patterns};
use crate::model::Address;

static WRITERS: LazyLock<Option<Regex>> = LazyLock::new(|| free_text::build(&free_text::any(patterns::WRITERS, " ")));
static SUBJECTS: LazyLock<Option<Regex>> =
    LazyLock::new(|| free_text::build(&free_text::any(patterns::SUBJECTS, " +")));
static DAEMONS: LazyLock<Option<Regex>> = LazyLock::new(|| free_text::build(patterns::DAEMONS));
static MARKED: LazyLock<Option<Regex>> = LazyLock::new(|| free_text::build(patterns::MARKED));
static ANSWERS: LazyLock<Option<Regex>> = LazyLock::new(|| free_text::build(patterns::ANSWERS));
static AWAY: LazyLock<Option<Regex>> = LazyLock::new(|| free_text::build(&free_text::any(patterns::AWAY, " +")));

fn says(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// What the header tells of the writer.
pub(super) struct Signs {
    pub from: Option<Address>,
    pub subject: String,
    /// Of someone who writes reports.
    pub writer: bool,
    /// It is a program that writes nothing else.
    pub daemon: bool,
    /// The subject is that of what it returns, and marked.
    pub marked: bool,
    /// It has the fields of a report.
    pub fields: bool,
    /// Called as reports are.
    pub called: bool,
    pub null_sender: bool,
    /// Somebody answers, or passes something on.
    pub is_answer: bool,
    /// To a list, or by one.
    pub is_list: bool,
    pub automatic: bool,
    /// Whom Exim names.
    pub failed: Vec<Address>,
    pub away: bool,
    /// A returned message is attached.
    pub returned: bool,
    /// It was sent to nobody who could be answered: the fields of a person are missing.
    pub has_reply: bool,
}

impl Signs {
    pub fn of(top: &Part<'_>, parts: &[Part<'_>], arrival: &Arrival<'_>) -> Signs {
        let (from, subject) = (top.field("From"), top.field("Subject"));
        let submitted = top.field("Auto-Submitted").to_ascii_lowercase();
        let replied = submitted.trim_start().starts_with("auto-replied");
        let precedence = top.field("Precedence").to_ascii_lowercase();
        let automatic = submitted.trim_start().starts_with("auto-");
        let has = |name: &str| top.headers.get_first_value(name).is_some();
        let path = top.field("Return-Path");
        // Some MTAs spell the null sender so.
        let null_path = path.trim() == "<>" || says(&DAEMONS, &path);
        // Whoever answers a person says to what.
        let marked = says(&MARKED, &subject) && !has("In-Reply-To") && !has("References");
        let daemon = says(&DAEMONS, &from) || says(&DAEMONS, &path);
        let responder = ["X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Vacation", "X-Auto-Reply"]
            .iter()
            .any(|name| has(name));
        let from_address = mailparse::addrparse(&from).ok().and_then(|list| list.extract_single_info());
        let from_address = from_address.and_then(|info| info.addr.parse().ok()).or_else(|| address::address(&from));
        let failed = top.headers.get_all_values("X-Failed-Recipients");
        let failed = failed.iter().flat_map(|list| list.split(',')).filter_map(address::address);
        let failed = failed.filter(|address| !address.domain().is_empty()).collect();
        Signs {
            writer: says(&WRITERS, &from),
            called: says(&SUBJECTS, subject.trim()),
            null_sender: arrival.null_sender.unwrap_or(null_path),
            is_answer: says(&ANSWERS, &subject) && !daemon && !marked,
            marked,
            daemon,
            fields: top.is("multipart/report") && parts.iter().any(is_status),
            is_list: ["List-Id", "List-Unsubscribe", "List-Post"].iter().any(|name| has(name)),
            automatic,
            away: replied || responder || precedence.contains("auto_reply") || says(&AWAY, subject.trim()),
            failed,
            returned: parts.iter().skip(1).any(is_returned),
            has_reply: has("In-Reply-To") || has("References"),
            from: from_address,
            subject,
        }
    }

    /// Whether words that sound like a report are one.
    pub fn writes_reports(&self) -> bool {
        if !self.failed.is_empty() {
            return true;
        }
        let signs = [
            (self.writer, 2),
            (self.fields, 2),
            (self.marked, 2),
            (self.called, 1),
            (self.null_sender, 1),
            (self.automatic, 1),
            (self.returned, 1),
            (!self.is_list && !self.has_reply && self.called, 1),
        ];
        let sum: i32 = signs.iter().filter(|(sign, _)| *sign).map(|(_, weight)| weight).sum();
        let against = 2 * i32::from(self.is_list && !self.writer) + i32::from(self.has_reply && !self.writer);
        sum - against >= 2
    }
}
