//! What a message is, from all that it has: first what stands in fields, then who it came to, then its words.

use std::sync::LazyLock;

use mailparse::MailHeaderMap;
use regex::Regex;

use super::class::Class;
use super::html::{is_html, plain};
use super::mime::{self, Part, headers, is_returned, is_status};
use super::reading::{Arrival, MessageKind, Reading};
use super::report::{Action, Report, one_line};
use super::signs::Signs;
use super::{fields, free_text, patterns};
use crate::model::Address;
use crate::model::envelope::verp_recipient;

/// Bytes of a message that are looked at; what a report says stands at its beginning.
pub const READ_MAX: usize = 1 << 20;

/// Bytes that are looked at as words where a message has no parts that could be told apart.
const WORDS_MAX: usize = 64 << 10;

static SERIAL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(patterns::SERIAL).ok());

/// Reads a message, or as much of it as is there.
pub fn read(arrival: &Arrival<'_>, message: &[u8]) -> Reading {
    let message = &message[..message.len().min(READ_MAX)];
    let parts = mime::parts(message);
    read_parts(arrival, &parts, true)
}

/// `outer`: it came so, and not inside another.
fn read_parts(arrival: &Arrival<'_>, parts: &[Part<'_>], outer: bool) -> Reading {
    let Some(top) = parts.first() else { return ordinary() };
    let signs = Signs::of(top, parts, arrival);
    let original = Original::of(parts);
    let verp = arrival.recipient.and_then(|to| arrival.verp.iter().find_map(|pattern| verp_recipient(pattern, to)));
    let verp = verp.map(without_serial);
    if let Some(reading) = complaint(top, parts, &original, verp.as_ref()) {
        return reading;
    }
    if report_type(top) == "disposition-notification" && !is_refusal(parts) {
        return Reading { kind: MessageKind::AutoReply, reports: Vec::new(), message_id: original.message_id };
    }
    let mut reports = delivery_reports(top, parts, &signs);
    if reports.iter().any(|report| report.text.is_empty()) {
        complete(&mut reports, &in_words(parts, &signs));
    }
    if reports.is_empty() && !signs.is_answer && signs.writes_reports() {
        reports = in_words(parts, &signs);
        // A gateway may put a report into a message of its own.
        let inside = parts
            .iter()
            .skip(1)
            .find(|part| part.is("message/rfc822"))
            .filter(|_| outer && reports.is_empty() && (signs.writer || signs.called));
        if let Some(inside) = inside {
            let reading = read_parts(&Arrival { null_sender: None, ..*arrival }, &mime::parts(inside.body()), false);
            if reading.kind == MessageKind::Bounce {
                return reading;
            }
        }
    }
    if reports.is_empty() && signs.away && !signs.daemon {
        return auto_reply(signs, original.message_id);
    }
    // Whom a report names that came to the sender of one recipient: him, as he was written to.
    if let Some(recipient) = verp {
        match reports.as_mut_slice() {
            [report] if !is_longer(&recipient, &report.recipient) => report.recipient = recipient,
            [] if arrival.null_sender == Some(true) && signs.writes_reports() && !signs.is_answer => {
                reports.push(untold(recipient, &signs));
            }
            _ => {}
        }
    }
    match reports.is_empty() {
        true => ordinary(),
        false => Reading { kind: MessageKind::Bounce, reports, message_id: original.message_id },
    }
}

/// A recipient of VERP's without what a list manager put before him.
fn without_serial(recipient: Address) -> Address {
    let bare = SERIAL.as_ref().map(|serial| serial.replace(recipient.as_str(), "$1"));
    bare.and_then(|bare| bare.parse().ok()).unwrap_or(recipient)
}

/// Whether `verp` is `reported` with something before it, which a list manager put there and we do not know.
fn is_longer(verp: &Address, reported: &Address) -> bool {
    let (long, short) = (verp.as_str().to_ascii_lowercase(), reported.as_str().to_ascii_lowercase());
    long.strip_suffix(&short).is_some_and(|before| before.ends_with(['-', '+', '.', '_', '=']))
}

fn ordinary() -> Reading {
    Reading { kind: MessageKind::Ordinary, reports: Vec::new(), message_id: None }
}

/// A report that says nothing which can be read, about somebody who is known.
fn untold(recipient: Address, signs: &Signs) -> Report {
    let text = one_line(&signs.subject);
    Report { recipient, action: Action::Failed, status: None, reply: None, class: Class::Unknown, remote: None, text }
}

fn auto_reply(signs: Signs, message_id: Option<String>) -> Reading {
    let report = |recipient: Address| {
        let text = one_line(&signs.subject);
        let action = Action::AutoReply;
        Report { recipient, action, status: None, reply: None, class: Class::Unknown, remote: None, text }
    };
    Reading {
        kind: MessageKind::AutoReply,
        reports: signs.from.clone().filter(|from| !from.domain().is_empty()).map(report).into_iter().collect(),
        message_id,
    }
}

fn report_type(top: &Part<'_>) -> String {
    top.content.params.get("report-type").map(|kind| kind.trim().to_ascii_lowercase()).unwrap_or_default()
}

/// Whether a receipt (RFC 8098) tells that a rule threw the message away, as a refusal by Sieve does.
fn is_refusal(parts: &[Part<'_>]) -> bool {
    let part = parts.iter().find(|part| part.is("message/disposition-notification"));
    part.is_some_and(|part| {
        let (fields, _) = headers(part.body());
        let said = fields.get_first_value("Disposition").unwrap_or_default().to_ascii_lowercase();
        said.contains("automatic-action") && said.contains("deleted")
    })
}

/// What is known of the message that is told of.
#[derive(Default)]
struct Original {
    message_id: Option<String>,
    recipients: Vec<Address>,
}

impl Original {
    fn of(parts: &[Part<'_>]) -> Original {
        let Some(part) = parts.iter().skip(1).find(|part| is_returned(part)) else { return Original::default() };
        let decoded = part.text();
        let bytes =
            if part.field("Content-Transfer-Encoding").trim().is_empty() { part.body() } else { decoded.as_bytes() };
        let (fields, _) = headers(bytes);
        let id = fields.get_first_value("Message-ID").map(|id| id.trim().trim_matches(['<', '>']).to_owned());
        let to = ["X-Original-To", "Delivered-To", "To", "Cc"].iter().flat_map(|name| fields.get_all_values(name));
        let lists = to.filter_map(|list| mailparse::addrparse(&list).ok());
        let each = |list: mailparse::MailAddrList| list.extract_single_info().and_then(|info| info.addr.parse().ok());
        Original { message_id: id.filter(|id| !id.is_empty()), recipients: lists.filter_map(each).collect() }
    }
}

/// A complaint (RFC 5965), if it is one.
fn complaint(top: &Part<'_>, parts: &[Part<'_>], original: &Original, verp: Option<&Address>) -> Option<Reading> {
    let part = parts.iter().find(|part| part.is("message/feedback-report"));
    let part = part.filter(|_| top.is("multipart/report") || report_type(top) == "feedback-report")?;
    let feedback = fields::feedback(&part.text())?;
    if !feedback.complaint {
        return Some(ordinary());
    }
    let mut named = feedback.recipients;
    if named.is_empty() {
        // Only if the message was for one.
        named = match (verp, original.recipients.as_slice()) {
            (Some(recipient), _) => vec![recipient.clone()],
            (None, [recipient]) => vec![recipient.clone()],
            (None, _) => Vec::new(),
        };
    }
    let report = |recipient: Address| Report {
        recipient,
        action: Action::Complaint,
        status: None,
        reply: None,
        class: Class::Unknown,
        remote: feedback.remote.clone(),
        text: feedback.text.clone(),
    };
    named.retain(|address| !address.domain().is_empty());
    let reports = named.into_iter().map(report).collect();
    Some(Reading { kind: MessageKind::Complaint, reports, message_id: original.message_id.clone() })
}

/// What stands in the fields of a delivery status.
fn delivery_reports(top: &Part<'_>, parts: &[Part<'_>], signs: &Signs) -> Vec<Report> {
    let trusted = top.is("multipart/report") || signs.writes_reports();
    let mut reports: Vec<Report> = Vec::new();
    for part in parts.iter().filter(|part| is_status(part)).filter(|_| trusted && !signs.is_answer) {
        reports.extend(fields::delivery_status(&part.text()));
    }
    // The same recipient twice, as with two parts.
    let mut seen: Vec<String> = Vec::new();
    reports.retain(|report| {
        let key = format!("{} {:?}", report.recipient.as_str().to_ascii_lowercase(), report.action);
        let new = !seen.contains(&key);
        seen.push(key);
        new
    });
    reports
}

/// Adds what the words say to fields that say only that it failed, as those of Exim and OpenSMTPD do.
fn complete(reports: &mut [Report], words: &[Report]) {
    for report in reports.iter_mut().filter(|report| report.text.is_empty()) {
        let same = |other: &&Report| other.recipient.as_str().eq_ignore_ascii_case(report.recipient.as_str());
        let Some(told) = words.iter().find(same) else { continue };
        let is_vague = |status: &String| status.ends_with(".0.0");
        let as_severe =
            |status: &&String| report.status.as_ref().is_none_or(|own| own.chars().next() == status.chars().next());
        if report.status.as_ref().is_none_or(is_vague) {
            report.status = told.status.as_ref().filter(as_severe).or(report.status.as_ref()).cloned();
        }
        report.reply = report.reply.or(told.reply);
        if report.class == Class::Unknown && matches!(report.action, Action::Failed | Action::Delayed) {
            report.class = told.class;
        }
        report.text.clone_from(&told.text);
    }
}

/// What the words of the first texts tell.
fn in_words(parts: &[Part<'_>], signs: &Signs) -> Vec<Report> {
    let writer = free_text::Writer { own: signs.from.clone(), is_daemon: signs.daemon };
    let texts =
        parts.iter().filter(|part| part.content.mimetype.starts_with("text/") || part.content.mimetype.is_empty());
    let mut texts: Vec<String> = texts.take(3).map(Part::text).collect();
    if texts.is_empty() {
        // The boundary is lost.
        let begin = parts.first().map_or(&[][..], Part::body);
        texts.push(String::from_utf8_lossy(&begin[..begin.len().min(WORDS_MAX)]).replace('\r', ""));
    }
    for words in texts {
        let words = if is_html(&words) { plain(&words) } else { words };
        let mut reports = free_text::read(&words, &writer);
        if reports.is_empty() && words.to_ascii_lowercase().contains("final-recipient:") {
            // The fields stand in a text.
            reports = fields::delivery_status(&words);
        }
        if !signs.failed.is_empty() {
            let known = |report: &Report| signs.failed.contains(&report.recipient);
            if !reports.iter().any(known) {
                let action = reports.first().map_or(Action::Failed, |report| report.action);
                let like = |recipient: &Address| Report { action, ..untold(recipient.clone(), signs) };
                reports = signs.failed.iter().map(like).collect();
            }
        }
        if !reports.is_empty() {
            return reports;
        }
    }
    Vec::new()
}
