//! Transfer encodings (RFC 2045 section 6): text that any MTA takes as it is, quoted-printable, base64.
//!
//! What holds: no line is longer than 998 bytes, and where anything is encoded, 76; no byte but ASCII; line ends are LF.
//! 8bit is never chosen: an MTA that must convert it for the next one breaks a signature made before.

use data_encoding::BASE64;

/// RFC 5322 section 2.1.1, without the line's end.
const LINE_MAX: usize = 998;
/// RFC 2045 sections 6.7 and 6.8.
const ENCODED_MAX: usize = 76;
/// Base64 is shorter where more than one byte in this number must be encoded.
const DENSE: usize = 6;

/// How a part is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    SevenBit,
    QuotedPrintable,
    Base64,
}

impl Transfer {
    /// The one that `text` takes.
    pub fn of_text(text: &[u8]) -> Transfer {
        let others = others(text);
        if others == 0 && has_fine_lines(text) {
            Transfer::SevenBit
        } else if others * DENSE > text.len() {
            Transfer::Base64
        } else {
            Transfer::QuotedPrintable
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Transfer::SevenBit => "7bit",
            Transfer::QuotedPrintable => "quoted-printable",
            Transfer::Base64 => "base64",
        }
    }

    /// Appends `text`, with no line end that it does not have.
    pub fn write(self, out: &mut Vec<u8>, text: &[u8]) {
        match self {
            Transfer::SevenBit => out.extend_from_slice(text),
            Transfer::QuotedPrintable => quoted_printable(out, text),
            Transfer::Base64 => base64(out, text),
        }
    }
}

/// How many bytes are neither printable ASCII nor a blank.
fn others(text: &[u8]) -> usize {
    let is_other = |byte: u8| u8::from(!((32..127).contains(&byte) | (byte == b'\n') | (byte == b'\t')));
    // Sums of few bytes, which the processor makes many at a time.
    let sum = |chunk: &[u8]| usize::from(chunk.iter().map(|&byte| is_other(byte)).sum::<u8>());
    text.chunks(128).map(sum).sum()
}

/// Short, and none that a mailbox of the mbox form would change.
fn has_fine_lines(text: &[u8]) -> bool {
    let mut from = 0;
    for end in memchr::memchr_iter(b'\n', text).chain([text.len()]) {
        let line = &text[from..end];
        if line.len() > LINE_MAX || line.starts_with(b"From ") || line == b"." {
            return false;
        }
        from = end + 1;
    }
    true
}

fn quoted_printable(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + text.len() / 8);
    let mut from = 0;
    for end in memchr::memchr_iter(b'\n', text) {
        quoted_line(out, &text[from..end]);
        out.push(b'\n');
        from = end + 1;
    }
    quoted_line(out, &text[from..]);
}

/// What stands for itself within a line.
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        table[byte as usize] = byte != b'=';
        byte += 1;
    }
    table[b'\t' as usize] = true;
    table
};

fn quoted_line(out: &mut Vec<u8>, line: &[u8]) {
    // What stands for itself, but not at this place of a line: RFC 2045 section 6.7 (3), a mailbox of the mbox form, SMTP.
    let is_odd = |rest: &[u8]| rest.starts_with(b"From ") || rest == b".";
    let odd_last = line.last().is_some_and(|&byte| matches!(byte, b' ' | b'\t'));
    let end = line.len() - usize::from(odd_last);
    let (mut at, mut column) = (0, 0);
    while at < line.len() {
        let run = match column {
            0 if is_odd(&line[at..]) => 0,
            _ => {
                let seen = &line[at..end.min(at + ENCODED_MAX + 1)];
                seen.iter().position(|&byte| !PLAIN[usize::from(byte)]).unwrap_or(seen.len())
            }
        };
        // A line that goes on needs room for its `=`.
        let room = ENCODED_MAX - usize::from(at + run.max(1) < line.len() || column + run > ENCODED_MAX);
        let taken = run.min(room - column);
        if taken > 0 {
            out.extend_from_slice(&line[at..at + taken]);
            (at, column) = (at + taken, column + taken);
        } else if run > 0 || column + 3 > room {
            // A soft line break.
            out.extend_from_slice(b"=\n");
            column = 0;
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            let byte = line[at];
            out.extend_from_slice(&[b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            (at, column) = (at + 1, column + 3);
        }
    }
}

/// Bytes that this number becomes in base64, with their line ends.
pub(super) fn base64_len(bytes: u64) -> u64 {
    const LINE: u64 = ENCODED_MAX as u64 / 4 * 3;
    let rest = bytes % LINE;
    bytes / LINE * (ENCODED_MAX as u64 + 1) + if rest == 0 { 0 } else { rest.div_ceil(3) * 4 + 1 }
}

/// Appends `bytes` in lines of 76.
pub(super) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() / 57 * (ENCODED_MAX + 1) + ENCODED_MAX + 2);
    for chunk in bytes.chunks(ENCODED_MAX / 4 * 3) {
        let begin = out.len();
        out.resize(begin + BASE64.encode_len(chunk.len()), 0);
        BASE64.encode_mut(chunk, &mut out[begin..]);
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> (Transfer, String) {
        let transfer = Transfer::of_text(text.as_bytes());
        let mut out = Vec::new();
        transfer.write(&mut out, text.as_bytes());
        (transfer, String::from_utf8(out).expect("ASCII"))
    }

    fn decoded(transfer: Transfer, body: &str) -> String {
        let mail = format!(
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {}\n\n{body}",
            transfer.name()
        );
        mailparse::parse_mail(mail.as_bytes()).expect("a part").get_body().expect("its text")
    }

    #[test]
    fn each_text_gets_its_encoding() {
        for (text, expected) in [
            ("plain\ntext\n", Transfer::SevenBit),
            ("Grüße aus Köln, wie geht es dir heute?\n", Transfer::QuotedPrintable),
            ("Здравствуйте\n", Transfer::Base64),
            ("From here on\n", Transfer::QuotedPrintable),
            ("a\n.\nb\n", Transfer::QuotedPrintable),
        ] {
            assert_eq!(Transfer::of_text(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(Transfer::of_text("x".repeat(998).as_bytes()), Transfer::SevenBit);
        assert_eq!(Transfer::of_text("x".repeat(999).as_bytes()), Transfer::QuotedPrintable);
    }

    #[test]
    fn quoted_printable_is_as_the_standard_has_it() {
        let (_, body) = written("From a=b ü \n.\nFrom\n");
        assert_eq!(body, "=46rom a=3Db =C3=BC=20\n=2E\nFrom\n");
        assert_eq!(written(&"x".repeat(1_000)).1.lines().map(str::len).max(), Some(76));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(text in "([ -~ü€\u{1f600}\t=.]{0,200}\n){0,4}[ -~ü]{0,90}") {
            let (transfer, body) = written(&text);
            prop_assert!(body.lines().all(|line| line.len() <= 998 && line.is_ascii()));
            prop_assert_eq!(decoded(transfer, &body).replace("\r\n", "\n"), text);
        }
    }
}
