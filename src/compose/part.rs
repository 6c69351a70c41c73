//! The parts of a mail (RFC 2045, RFC 2046, RFC 2387): a tree that all rows share, whose constant parts are encoded once.
//!
//! What holds: no value is in a part's header.

use super::error::TemplateError;
use super::origin::Origin;
use super::parameter;
use super::syntax::Book;
use super::transfer::{Transfer, base64};
use super::unit::Kind;

/// One part.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A text that is rendered for each row. `head` has more fields of its header.
    Text { unit: usize, subtype: Subtype, head: String },
    /// A text of `file` without a value, with its header, as it is written. `html`: bytes of HTML before they were encoded.
    Same { file: String, bytes: Vec<u8>, html: usize },
    /// A file with its header, as it is written.
    Constant(Vec<u8>),
    /// `head` is its Content-Type without the boundary.
    Multi { head: String, number: usize, children: Vec<Node> },
    /// What the row attaches.
    Attached,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subtype {
    Plain,
    Html,
}

/// A file that one row attaches.
#[derive(Clone, Copy, Debug)]
pub struct Attachment<'a> {
    /// As the recipient sees it. Blanks stand for control characters, and `_` for slashes.
    pub name: &'a str,
    pub bytes: &'a [u8],
}

impl Node {
    /// A text with `head`, more fields, in its header. One that has no value is encoded here, once.
    pub fn text(book: &mut Book<'_>, origin: Origin, subtype: Subtype, head: String) -> Result<Node, TemplateError> {
        let kind = match subtype {
            Subtype::Plain => Kind::Text,
            Subtype::Html => Kind::Html,
        };
        let unit = book.add(origin, kind)?;
        let found = &book.units[unit];
        let Some(text) = found.constant() else { return Ok(Node::Text { unit, subtype, head }) };
        let mut bytes = text_head(subtype, &head);
        write_text(&mut bytes, &text);
        let html = if subtype == Subtype::Html { text.len() } else { 0 };
        Ok(Node::Same { file: found.origin.file.clone(), bytes, html })
    }

    /// A constant file, of which nothing is interpreted.
    pub fn file(name: &str, bytes: &[u8]) -> Node {
        let mut out = Vec::new();
        write_file_head(&mut out, name, false);
        base64(&mut out, bytes);
        Node::Constant(out)
    }

    /// The same for a file that HTML shows as `cid:NAME` (RFC 2392).
    ///
    /// Errors: a name that would need an encoding in a Content-ID, which readers then do not find.
    pub fn inline(name: &str, bytes: &[u8]) -> Result<Node, TemplateError> {
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._+=@".contains(&byte)) {
            let what = "cid: needs a name of ASCII letters, digits and - . _ + = @ only: rename it";
            return Err(TemplateError::of_file(&format!("inline/{name}"), what));
        }
        let mut out = Vec::new();
        write_file_head(&mut out, name, true);
        base64(&mut out, bytes);
        Ok(Node::Constant(out))
    }
}

/// A text's header up to the name of its encoding.
pub(super) fn text_head(subtype: Subtype, head: &str) -> Vec<u8> {
    let media_type = match subtype {
        Subtype::Plain => "text/plain",
        Subtype::Html => "text/html",
    };
    format!("Content-Type: {media_type}; charset=utf-8\n{head}Content-Transfer-Encoding: ").into_bytes()
}

/// The rest of a text's header, and the text.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    let transfer = Transfer::of_text(text.as_bytes());
    out.extend_from_slice(transfer.name().as_bytes());
    out.extend_from_slice(b"\n\n");
    transfer.write(out, text.as_bytes());
}

/// A file's header, and the empty line.
pub(super) fn write_file_head(out: &mut Vec<u8>, name: &str, inline: bool) {
    out.extend_from_slice(format!("Content-Type: {}", media_type(name)).as_bytes());
    parameter::write(out, "name", name);
    out.extend_from_slice(b"\nContent-Transfer-Encoding: base64\nContent-Disposition: ");
    out.extend_from_slice(if inline { b"inline" } else { b"attachment" });
    parameter::write(out, "filename", name);
    if inline {
        out.extend_from_slice(format!("\nContent-ID: <{name}>").as_bytes());
    }
    out.extend_from_slice(b"\n\n");
}

/// By the name's ending; what is not known is bytes.
fn media_type(name: &str) -> &'static str {
    const TYPES: [(&str, &str); 24] = [
        ("pdf", "application/pdf"),
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("gif", "image/gif"),
        ("webp", "image/webp"),
        ("svg", "image/svg+xml"),
        ("ico", "image/vnd.microsoft.icon"),
        ("txt", "text/plain"),
        ("csv", "text/csv"),
        ("ics", "text/calendar"),
        ("vcf", "text/vcard"),
        ("html", "text/html"),
        ("json", "application/json"),
        ("xml", "application/xml"),
        ("zip", "application/zip"),
        ("gz", "application/gzip"),
        ("mp3", "audio/mpeg"),
        ("mp4", "video/mp4"),
        ("doc", "application/msword"),
        ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("xls", "application/vnd.ms-excel"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("odt", "application/vnd.oasis.opendocument.text"),
    ];
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let known = TYPES.iter().find(|(each, _)| each.eq_ignore_ascii_case(ending));
    known.map_or("application/octet-stream", |(_, media_type)| media_type)
}
