//! The parts of a message, as far as anybody wants to look: so many parts, so deep.
//!
//! Time and memory are linear in the bytes that are looked at, whatever they are; nothing recurses.

use mailparse::{MailHeader, MailHeaderMap, ParsedContentType};

/// So many parts are looked at, and so deep inside one another.
const PARTS_MAX: usize = 100;
const DEPTH_MAX: usize = 8;
/// The most bytes of a part's text that are decoded: what a report says stands at its beginning.
const TEXT_MAX: usize = 256 << 10;
/// The most bytes of a header section that are parsed.
const HEADER_MAX: usize = 256 << 10;

/// One part, from its header to its end.
pub(super) struct Part<'m> {
    pub headers: Vec<MailHeader<'m>>,
    pub content: ParsedContentType,
    /// With its header.
    bytes: &'m [u8],
    /// Where the header ends.
    body_at: usize,
    depth: usize,
}

impl<'m> Part<'m> {
    fn new(bytes: &'m [u8], depth: usize) -> Part<'m> {
        let (headers, body_at) = headers(bytes);
        let content = headers.get_first_value("Content-Type").unwrap_or_default();
        let content = mailparse::parse_content_type(if content.trim().is_empty() { "text/plain" } else { &content });
        Part { headers, content, bytes, body_at, depth }
    }

    /// The first field of this name; "" if there is none.
    pub fn field(&self, name: &str) -> String {
        self.headers.get_first_value(name).unwrap_or_default()
    }

    /// The type, in small letters.
    pub fn is(&self, mimetype: &str) -> bool {
        self.content.mimetype.eq_ignore_ascii_case(mimetype)
    }

    pub fn body(&self) -> &'m [u8] {
        &self.bytes[self.body_at..]
    }

    /// The body as text, decoded, with bare line feeds.
    pub fn text(&self) -> String {
        let len = self.bytes.len().min(self.body_at + TEXT_MAX);
        // A leaf: mailparse goes into none but multiparts.
        let decoded = match self.content.mimetype.starts_with("multipart/") {
            false => mailparse::parse_mail(&self.bytes[..len]).and_then(|mail| mail.get_body()),
            true => Ok(String::new()),
        };
        let text = decoded.unwrap_or_else(|_| String::from_utf8_lossy(&self.bytes[self.body_at..len]).into_owned());
        text.replace("\r\n", "\n").replace('\r', "\n")
    }

    /// The parts inside a multipart.
    fn children(&self) -> Vec<Part<'m>> {
        let boundary = self.content.params.get("boundary").map(|boundary| boundary.trim_end()).unwrap_or("");
        if boundary.is_empty() || !self.content.mimetype.starts_with("multipart/") || self.depth >= DEPTH_MAX {
            return Vec::new();
        }
        let body = self.body();
        let (mut found, mut begin, mut at) = (Vec::new(), None, 0);
        while at < body.len() && found.len() < PARTS_MAX {
            let end = body[at..].iter().position(|&b| b == b'\n').map_or(body.len(), |len| at + len + 1);
            let line = &body[at..end];
            let delimiter = line.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary.as_bytes()));
            if let Some(after) = delimiter.map(|after| after.trim_ascii()).filter(|after| matches!(*after, b"" | b"--"))
            {
                found.extend(begin.map(|begin| Part::new(&body[begin..at], self.depth + 1)));
                begin = after.is_empty().then_some(end);
                if begin.is_none() {
                    return found;
                }
            }
            at = end;
        }
        // The end is missing, as in a report that was cut.
        if let Some(begin) = begin.filter(|_| found.len() < PARTS_MAX) {
            found.push(Part::new(&body[begin..], self.depth + 1));
        }
        found
    }
}

/// Whether the part is the message that is reported, or its header.
pub(super) fn is_returned(part: &Part<'_>) -> bool {
    let types =
        ["message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers", "message/rfc822-headers"];
    types.iter().any(|mimetype| part.is(mimetype))
}

/// Whether the part has the fields of a report.
pub(super) fn is_status(part: &Part<'_>) -> bool {
    let types = ["message/delivery-status", "message/global-delivery-status", "text/delivery-status"];
    types.iter().any(|mimetype| part.is(mimetype))
}

/// The fields at the beginning, and where what follows them begins. A line that is no field is passed over.
pub(super) fn headers(bytes: &[u8]) -> (Vec<MailHeader<'_>>, usize) {
    let window = &bytes[..bytes.len().min(HEADER_MAX)];
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(rest) = window.get(at..).filter(|rest| !rest.is_empty()) {
        let line = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |len| len + 1);
        if rest[..line].trim_ascii().is_empty() {
            return (found, at + line);
        }
        match mailparse::parse_header(rest) {
            Ok((field, len)) => {
                found.push(field);
                at += len.max(1);
            }
            Err(_) => at += line,
        }
    }
    (found, at.min(bytes.len()))
}

/// The whole message, and then its parts, in their order; not the parts of messages inside it.
pub(super) fn parts(message: &[u8]) -> Vec<Part<'_>> {
    let (mut todo, mut seen) = (vec![Part::new(message, 0)], Vec::new());
    while let Some(part) = todo.pop() {
        let inside = part.children();
        seen.push(part);
        if seen.len() + todo.len() < PARTS_MAX {
            todo.extend(inside.into_iter().rev());
        }
    }
    seen
}
