//! A header field's text on lines: folded (RFC 5322 section 2.2.3), in encoded words where that is needed (RFC 2047).
//!
//! What holds: what is written is printable ASCII, has no line end but a fold, and decodes to the text that was given, its blanks
//! at both ends left out. No line is longer than 78 bytes where the text has blanks, and none than 998.

use std::ops::Range;

use data_encoding::BASE64;

/// RFC 5322 section 2.1.1: what a line should have, and what a word may have before it is encoded.
const LINE: usize = 78;
pub(super) const WORD_MAX: usize = 400;
/// RFC 2047 section 2: the bytes within `=?utf-8?b?` and `?=`.
const ENCODED_MAX: usize = 75 - 12;

/// Writes the words of one field.
pub(super) struct Words<'o> {
    out: &'o mut Vec<u8>,
    /// Bytes of the line.
    column: usize,
    written: WrittenField,
}

/// What was written of a field.
#[derive(Clone, Debug, Default)]
pub(super) struct WrittenField {
    /// RFC 6532: an address of it is UTF-8, so the message needs SMTPUTF8.
    pub utf8: bool,
    /// Where the first address is.
    pub address: Option<Range<usize>>,
}

impl<'o> Words<'o> {
    /// Begins the field `name`.
    pub fn begin(out: &'o mut Vec<u8>, name: &str) -> Words<'o> {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        Words { out, column: name.len() + 2, written: WrittenField::default() }
    }

    /// Ends the field.
    pub fn end(self) -> WrittenField {
        self.out.push(b'\n');
        self.written
    }

    /// An address that stands in one piece, behind a blank if `apart`, and in brackets if `brackets`.
    pub fn address(&mut self, spec: &str, utf8: bool, apart: bool, brackets: bool) {
        let (open, close) = if brackets { ("<", ">") } else { ("", "") };
        self.pieces(&[open, spec, close], apart, 1);
        let end = self.out.len() - close.len();
        self.written.address.get_or_insert(end - spec.len()..end);
        self.written.utf8 |= utf8;
    }

    /// Text that stands in one piece, on the next line where it does not fit on this one, behind a blank if `apart`.
    pub fn piece(&mut self, text: &str, apart: bool, room: usize) {
        self.pieces(&[text], apart, room);
    }

    /// A piece of several texts.
    pub fn pieces(&mut self, texts: &[&str], apart: bool, room: usize) {
        let len: usize = texts.iter().map(|text| text.len()).sum();
        if apart && self.column + 1 + len + room > LINE {
            self.out.extend_from_slice(b"\n ");
            self.column = 1;
        } else if apart {
            self.out.push(b' ');
            self.column += 1;
        }
        texts.iter().for_each(|text| self.out.extend_from_slice(text.as_bytes()));
        self.column += len;
    }

    /// Text for a person, as in Subject.
    pub fn text(&mut self, text: &str) {
        let text = text.trim_matches(' ');
        if !must_be_encoded(text) && self.column + text.len() <= LINE {
            self.out.extend_from_slice(text.as_bytes());
            self.column += text.len();
            return;
        }
        let needs = |word: &str| must_be_encoded(word) || word.len() > WORD_MAX;
        let (mut first, mut last) = (None, 0);
        let mut at = 0;
        for word in text.split(' ') {
            if needs(word) {
                first = first.or(Some(at));
                last = at + word.len();
            }
            at += word.len() + 1;
        }
        // What no fold can part.
        let mut at = 0;
        for stretch in stretches(text) {
            if stretch.len() > WORD_MAX {
                first = Some(first.map_or(at, |first| first.min(at)));
                last = last.max(at + stretch.len());
            }
            at += stretch.len() + 1;
        }
        match first {
            // A line of blanks cannot be folded: nothing but encoding keeps them.
            _ if text.contains(BLANKS) => self.encoded(text, false),
            None => self.plain(text, false),
            Some(first) => {
                let (before, behind) = (text[..first].trim_end(), text[last..].trim_start());
                // Blanks beside an encoded word are one fold, so more of them are encoded with it.
                let (from, to) = (if before.is_empty() { 0 } else { before.len() + 1 }, text.len() - behind.len());
                let to = if behind.is_empty() { text.len() } else { to - 1 };
                self.plain(before, false);
                self.encoded(&text[from..to], !before.is_empty());
                self.plain(behind, true);
            }
        }
    }

    fn plain(&mut self, text: &str, apart: bool) {
        let mut apart = apart;
        for stretch in stretches(text) {
            self.piece(stretch, apart, 0);
            apart = true;
        }
    }

    /// Encoded words, behind a blank if `apart`.
    pub fn encoded(&mut self, text: &str, apart: bool) {
        let text = text.trim_end_matches(|c: char| c == ' ' && text.trim_matches(' ').is_empty());
        let mut rest = text;
        let mut apart = apart;
        let q = text.bytes().filter(|&byte| !is_q(byte) && byte != b' ').count() * 2 <= text.len();
        while !rest.is_empty() {
            let room = LINE.saturating_sub(self.column + 13).clamp(0, ENCODED_MAX);
            let fits = fitting(rest, q, room);
            // Behind a field's name, a long one, nothing may fit.
            let len = if fits >= rest.len() || fits > 12 || !apart { fits.max(first_char(rest)) } else { 0 };
            let len = if len == 0 { fitting(rest, q, ENCODED_MAX) } else { len };
            let mut word = String::from(if q { "=?utf-8?q?" } else { "=?utf-8?b?" });
            if q {
                push_q(&mut word, &rest[..len]);
            } else {
                BASE64.encode_append(&rest.as_bytes()[..len], &mut word);
            }
            word.push_str("?=");
            self.piece(&word, apart, 0);
            (rest, apart) = (&rest[len..], true);
        }
    }
}

/// The parts of `text` between its single blanks. A fold stands before one of those, so that no line is of blanks alone.
fn stretches(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let bytes = rest.as_bytes();
        let end = bytes.iter().enumerate().skip(1).find(|&(at, &byte)| {
            byte == b' ' && bytes[at - 1] != b' ' && bytes.get(at + 1).is_some_and(|&next| next != b' ')
        });
        let (stretch, behind) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = behind.get(1..).unwrap_or_default();
        Some(stretch)
    })
}

/// Ten blanks: no fold, and no reader, keeps those.
const BLANKS: &str = "          ";

/// Whether it is no printable ASCII, or would be read as an encoded word.
pub(super) fn must_be_encoded(text: &str) -> bool {
    let bytes = text.as_bytes();
    !bytes.iter().all(|byte| (32..127).contains(byte)) || bytes.windows(2).any(|pair| pair == b"=?")
}

/// What RFC 2047 section 5 (3) lets stand in a phrase.
fn is_q(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'!' | b'*' | b'+' | b'-' | b'/')
}

fn push_q(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('_'),
            byte if is_q(byte) => out.push(char::from(byte)),
            byte => out.push_str(&format!("={byte:02X}")),
        }
    }
}

/// Bytes of `text`, whole characters, that become at most `room` bytes.
fn fitting(text: &str, q: bool, room: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        used = match q {
            true => {
                used + text[at..end].bytes().map(|byte| if is_q(byte) || byte == b' ' { 1 } else { 3 }).sum::<usize>()
            }
            false => end.div_ceil(3) * 4,
        };
        if used > room {
            return at;
        }
    }
    text.len()
}

fn first_char(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use mailparse::parse_header;
    use proptest::prelude::*;

    use super::*;

    fn field(name: &str, text: &str) -> String {
        let mut out = Vec::new();
        let mut words = Words::begin(&mut out, name);
        words.text(text);
        words.end();
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn short_ascii_stands_as_it_is_and_long_is_folded() {
        assert_eq!(field("Subject", " Hello Anna "), "Subject: Hello Anna\n");
        let long = field("Subject", &"word ".repeat(40));
        assert!(long.lines().count() > 2 && long.lines().all(|line| line.len() <= 78), "{long}");
        assert_eq!(long.replace("\n ", " ").trim_end(), format!("Subject: {}", "word ".repeat(40).trim()));
    }

    #[test]
    fn what_is_no_ascii_is_encoded_with_as_little_as_can_be() {
        assert_eq!(field("Subject", "Hello Jörg, good day"), "Subject: Hello =?utf-8?q?J=C3=B6rg=2C?= good day\n");
        assert_eq!(field("Subject", "=?utf-8?q?x?="), "Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=\n");
        assert!(field("Subject", "Привет").starts_with("Subject: =?utf-8?b?"));
    }

    #[test]
    fn no_line_is_too_long_where_no_fold_can_stand() {
        for text in ["ab  ".repeat(400) + "z", format!("Hello {} z", "ab  c   ".repeat(400))] {
            let written = field("Subject", &text);
            assert!(written.lines().all(|line| line.len() <= 998), "{written}");
            assert_eq!(mailparse::parse_header(written.as_bytes()).expect("a field").0.get_value(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(text in "([ -~]{0,30}|[ü€\u{1f600}א a-z]{0,90}|[a-z]{300,1100}| {1,20}|=\\?|([a-z]{1,4} {2,9}){1,300}z){0,6}") {
            let written = field("Subject", &text);
            prop_assert!(written.is_ascii() && written.lines().all(|line| line.len() <= 998), "{}", written);
            prop_assert!(written.lines().skip(1).all(|line| line.starts_with(' ') && !line.trim().is_empty()), "{}", written);
            let (parsed, _) = parse_header(written.as_bytes()).expect("a field");
            prop_assert_eq!(parsed.get_value(), text.trim_matches(' '), "{}", written);
        }
    }
}
