//! A message as a template: its MIME is kept as structure, its texts are templates, everything else is as it is.
//!
//! What holds: fields that are ours (Date, Message-ID, Bcc and so on) are dropped, and that is noted. A part that is attached is
//! no template, whatever its type.

use mailparse::{DispositionType, MailHeaderMap, ParsedMail};

use super::error::{Place, TemplateError};
use super::fields::{Field, Form, is_ours};
use super::origin::Origin;
use super::part::{Node, Subtype};
use super::sources::EML;
use super::syntax::Book;

/// The deepest nesting of parts, and the most parts.
const DEPTH_MAX: usize = 20;
const PARTS_MAX: usize = 1_000;

/// Reads a message and its fields; `notes` gets what was left out.
///
/// Errors: it is no message, or has no From.
pub(super) fn read<'m>(
    message: &'m [u8],
    notes: &mut Vec<String>,
) -> Result<(Vec<Field>, ParsedMail<'m>), TemplateError> {
    // A mbox's first line is no field.
    let begin = if message.starts_with(b"From ") { memchr::memchr(b'\n', message).map_or(0, |at| at + 1) } else { 0 };
    let message = &message[begin..];
    let mail = mailparse::parse_mail(message)
        .map_err(|error| TemplateError::of_file(EML, format!("it is no message: {error}")))?;
    let mut fields = Vec::new();
    for header in mail.get_headers() {
        let name = header.get_key();
        let raw = header.get_key_raw();
        let at = (raw.as_ptr() as usize).saturating_sub(message.as_ptr() as usize);
        let line =
            memchr::memchr_iter(b'\n', message.get(..at).unwrap_or_default()).count() + 1 + usize::from(begin > 0);
        if is_ours(&name) {
            let is_content = name.get(..8).is_some_and(|begin| begin.eq_ignore_ascii_case("Content-"));
            if !is_content && !name.eq_ignore_ascii_case("MIME-Version") {
                notes.push(format!("{EML}:{line}: {name} is left out: bulkmailer makes its own, or needs none"));
            }
            continue;
        }
        let before = name.chars().count() + 2;
        let mut field = Field::new(&name, Origin { file: EML.to_owned(), text: header.get_value(), line, before })?;
        if field.form == Form::Mailboxes {
            field.origin.text = quoted(&String::from_utf8_lossy(header.get_value_raw()));
        }
        fields.push(field);
    }
    if !fields.iter().any(|field| field.is("From")) {
        return Err(TemplateError::of_file(EML, "From is missing: whose mail is it?"));
    }
    Ok((fields, mail))
}

/// Its parts.
///
/// Errors: a text of it is no template.
pub(super) fn root(book: &mut Book<'_>, mail: &ParsedMail<'_>) -> Result<Node, TemplateError> {
    Reading { book, count: 0 }.node(mail, 0)
}

/// An address field with its encoded words as quoted texts: what they encode, a comma too, is part of a name.
fn quoted(raw: &str) -> String {
    let unfolded = raw.replace(['\r', '\n'], "");
    let is_encoded = |word: &&str| word.starts_with("=?") && word.ends_with("?=") && word.matches('?').count() == 4;
    let (mut out, mut encoded) = (Vec::new(), Vec::new());
    // The words in turn, and an end.
    for word in unfolded.split_ascii_whitespace().map(Some).chain([None]) {
        if let Some(word) = word.filter(is_encoded) {
            encoded.push(word);
            continue;
        }
        if !encoded.is_empty() {
            // Blanks between encoded words are none (RFC 2047 section 6.2).
            let field = format!("X: {}\n", std::mem::take(&mut encoded).join(" "));
            let text =
                mailparse::parse_header(field.as_bytes()).map_or(String::new(), |(header, _)| header.get_value());
            out.push(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
        }
        out.extend(word.map(str::to_owned));
    }
    out.join(" ")
}

struct Reading<'b, 's> {
    book: &'b mut Book<'s>,
    count: usize,
}

impl Reading<'_, '_> {
    fn node(&mut self, part: &ParsedMail<'_>, depth: usize) -> Result<Node, TemplateError> {
        self.count += 1;
        if depth > DEPTH_MAX || self.count > PARTS_MAX {
            return Err(TemplateError::of_file(EML, "it has more than 1000 parts, or parts more than 20 deep"));
        }
        let number = self.count;
        let media_type = part.ctype.mimetype.to_ascii_lowercase();
        if media_type.starts_with("multipart/") {
            if matches!(media_type.as_str(), "multipart/signed" | "multipart/encrypted") {
                let what = format!("{media_type} would not hold once the text is changed: sign behind bulkmailer");
                return Err(TemplateError::of_file(EML, what));
            }
            let children = part.subparts.iter().map(|child| self.node(child, depth + 1));
            let children = children.collect::<Result<Vec<Node>, _>>()?;
            return Ok(Node::Multi { head: multi_head(part, &media_type), number, children });
        }
        let attached = part.get_content_disposition().disposition == DispositionType::Attachment;
        let subtype = match media_type.as_str() {
            "text/plain" if !attached => Subtype::Plain,
            "text/html" if !attached => Subtype::Html,
            _ => return Ok(constant(part)),
        };
        let name = format!("{EML} (part {number}, {media_type})");
        let unread = |error| TemplateError::new(Place::whole(&name), format!("it cannot be decoded: {error}"));
        let text = part.get_body().map_err(unread)?.replace("\r\n", "\n");
        Node::text(self.book, Origin::whole(&name, &text), subtype, kept_head(part))
    }
}

/// Its Content-Type, parameters but the boundary kept.
fn multi_head(part: &ParsedMail<'_>, media_type: &str) -> String {
    let mut head = format!("Content-Type: {media_type}");
    let mut params: Vec<(&String, &String)> =
        part.ctype.params.iter().filter(|(name, _)| !["boundary", "charset"].contains(&name.as_str())).collect();
    params.sort();
    for (name, value) in params {
        let fine = |text: &str| text.bytes().all(|byte| (32..127).contains(&byte) && !matches!(byte, b'"' | b'\\'));
        if fine(name) && fine(value) && name.len() + value.len() < 500 {
            head.push_str(&format!(";\n {name}=\"{value}\""));
        }
    }
    head
}

/// The part's fields that do not depend on its encoding, as they stand; not those of the message itself.
fn kept_head(part: &ParsedMail<'_>) -> String {
    let mut out = String::new();
    for name in ["Content-Disposition", "Content-ID", "Content-Language", "Content-Location"] {
        if let Some(header) = part.get_headers().get_first_header(name) {
            push_header(&mut out, name, header.get_value_raw());
        }
    }
    out
}

fn push_header(out: &mut String, name: &str, raw: &[u8]) {
    let value = String::from_utf8_lossy(raw).replace("\r\n", "\n");
    let is_fine = value.is_ascii() && value.lines().all(|line| line.len() < 900);
    let is_folded = value.lines().skip(1).all(|line| line.starts_with([' ', '\t']) && !line.trim().is_empty());
    if is_fine && is_folded && !value.contains('\0') {
        out.push_str(&format!("{name}: {}\n", value.trim()));
    }
}

/// A part that stays: decoded and encoded again, so that its lines are what a mail's may be.
fn constant(part: &ParsedMail<'_>) -> Node {
    let mut head = String::new();
    let headers = part.get_headers();
    let media_type = headers.get_first_header("Content-Type");
    push_header(
        &mut head,
        "Content-Type",
        media_type.map_or(b"application/octet-stream", |header| header.get_value_raw()),
    );
    head.push_str(&kept_head(part));
    if let Some(header) = headers.get_first_header("Content-Description") {
        push_header(&mut head, "Content-Description", header.get_value_raw());
    }
    let mut out = head.into_bytes();
    if part.ctype.mimetype.starts_with("message/") {
        // RFC 2046 section 5.2.1: a message is not encoded.
        out.extend_from_slice(b"Content-Transfer-Encoding: 7bit\n\n");
        out.extend(part.get_body_raw().unwrap_or_default().into_iter().filter(|&byte| byte != b'\r'));
        return Node::Constant(out);
    }
    out.extend_from_slice(b"Content-Transfer-Encoding: base64\n\n");
    super::transfer::base64(&mut out, &part.get_body_raw().unwrap_or_default());
    Node::Constant(out)
}
