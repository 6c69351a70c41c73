//! The parts of a mail (RFC 2045, RFC 2046, RFC 2387): a tree that all rows share, whose constant parts are encoded once.
//!
//! What holds: no value is in a part's header. A boundary has the row's MAC, which no value knew when it was made.

use super::error::TemplateError;
use super::message_id::RowMac;
use super::origin::Origin;
use super::parameter;
use super::syntax::{Book, Kind};
use super::transfer::{Transfer, base64};

/// One part.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A text that is rendered for each row.
    Text { unit: usize, subtype: Subtype, head: String },
    /// With its header, as it is written.
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
    /// A text with `head`, more fields, in its header.
    pub fn text(book: &mut Book<'_>, origin: Origin, subtype: Subtype, head: String) -> Result<Node, TemplateError> {
        let kind = match subtype {
            Subtype::Plain => Kind::Text,
            Subtype::Html => Kind::Html,
        };
        let unit = book.add(origin, kind)?;
        Ok(Node::Text { unit, subtype, head })
    }

    /// A constant text with its header.
    pub fn constant_text(text: &str, subtype: Subtype, head: &str) -> Node {
        let mut out = Vec::new();
        write_text(&mut out, text, subtype, head);
        Node::Constant(out)
    }

    /// A constant file, of which nothing is interpreted.
    pub fn file(name: &str, bytes: &[u8], inline: bool) -> Node {
        let mut out = Vec::new();
        write_file(&mut out, &Attachment { name, bytes }, inline);
        Node::Constant(out)
    }
}

/// A text with its header.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str, subtype: Subtype, head: &str) {
    let transfer = Transfer::of_text(text.as_bytes());
    out.extend_from_slice(match subtype {
        Subtype::Plain => b"Content-Type: text/plain; charset=utf-8\n",
        Subtype::Html => b"Content-Type: text/html; charset=utf-8\n",
    });
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(b"Content-Transfer-Encoding: ");
    out.extend_from_slice(transfer.name().as_bytes());
    out.extend_from_slice(b"\n\n");
    transfer.write(out, text.as_bytes());
}

/// A file with its header.
pub(super) fn write_file(out: &mut Vec<u8>, file: &Attachment<'_>, inline: bool) {
    out.extend_from_slice(format!("Content-Type: {}", media_type(file.name)).as_bytes());
    parameter::write(out, "name", file.name);
    out.extend_from_slice(b"\nContent-Transfer-Encoding: base64\nContent-Disposition: ");
    out.extend_from_slice(if inline { b"inline" } else { b"attachment" });
    parameter::write(out, "filename", file.name);
    if inline {
        out.extend_from_slice(format!("\nContent-ID: <{}>", file.name).as_bytes());
    }
    out.extend_from_slice(b"\n\n");
    base64(out, file.bytes);
}

/// A multipart's `Content-Type` with its boundary, and the empty line.
pub(super) fn write_multi_head(out: &mut Vec<u8>, head: &str, number: usize, mac: &RowMac) {
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(b";\n boundary=\"");
    boundary(out, number, mac);
    out.extend_from_slice(b"\"\n");
}

/// A delimiter line; the last one closes.
pub(super) fn write_delimiter(out: &mut Vec<u8>, number: usize, mac: &RowMac, closes: bool) {
    out.extend_from_slice(b"\n--");
    boundary(out, number, mac);
    out.extend_from_slice(if closes { b"--\n" } else { b"\n" });
}

fn boundary(out: &mut Vec<u8>, number: usize, mac: &RowMac) {
    // No two boundaries of a mail begin alike (RFC 2046 section 5.1.2).
    out.extend_from_slice(b"=_");
    out.extend_from_slice(number.to_string().as_bytes());
    out.push(b'.');
    out.extend_from_slice(mac.as_bytes());
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
