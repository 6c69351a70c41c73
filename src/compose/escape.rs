//! A value's text as it is written into a part: HTML in HTML, as it is in text, marked in a header.
//!
//! What holds: no control character gets through but the tab and the line feed, nor one that turns the direction of writing,
//! with which a value would show as another; a line end of any kind becomes a line feed.

use std::convert::Infallible;

/// What stands for a control character in a body, as HTML has it for NUL.
const REPLACED: &str = "\u{fffd}";
/// Begin and end of a value in a header that is being rendered. No value and no template has them.
pub(super) const BEGIN: char = '\u{2}';
pub(super) const END: char = '\u{3}';

/// What a byte needs.
const PLAIN: u8 = 0;
const HTML: u8 = 1;
const CONTROL: u8 = 2;
/// The first byte of U+0080 to U+009F, which are controls.
const LATIN: u8 = 3;
/// The first byte of U+2000 to U+2FFF, among which are those that turn the direction.
const TURN: u8 = 4;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [PLAIN; 256];
    let mut byte = 0;
    while byte < 32 {
        table[byte] = CONTROL;
        byte += 1;
    }
    (table[b'\t' as usize], table[b'\n' as usize]) = (PLAIN, PLAIN);
    (table[127], table[0xc2], table[0xe2]) = (CONTROL, LATIN, TURN);
    let mut n = 0;
    while n < 5 {
        table[b"&<>\"'"[n] as usize] = HTML;
        n += 1;
    }
    table
}

/// Writes `value` by pieces, as HTML's text or attribute if `html`.
pub(super) fn pieces<E>(value: &str, html: bool, mut write: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
    let bytes = value.as_bytes();
    let (mut from, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        let (instead, len) = match CLASSES[byte as usize] {
            PLAIN => {
                at += 1;
                continue;
            }
            HTML if !html => {
                at += 1;
                continue;
            }
            HTML => (entity(byte), 1),
            LATIN if bytes.get(at + 1).is_none_or(|&next| next >= 0xa0) => {
                at += 1;
                continue;
            }
            LATIN => (REPLACED, 2),
            TURN if !value.get(at..).and_then(|rest| rest.chars().next()).is_some_and(turns_direction) => {
                at += 3;
                continue;
            }
            TURN => (REPLACED, 3),
            _ if byte == b'\r' => ("\n", 1 + usize::from(bytes.get(at + 1) == Some(&b'\n'))),
            _ => (REPLACED, 1),
        };
        if from < at {
            write(&value[from..at])?;
        }
        write(instead)?;
        at += len;
        from = at;
    }
    if from < at { write(&value[from..at]) } else { Ok(()) }
}

/// Appends `value`, as HTML's text or attribute if `html`.
pub(super) fn push(out: &mut String, value: &str, html: bool) {
    let Ok(()) = pieces::<Infallible>(value, html, |piece| {
        out.push_str(piece);
        Ok(())
    });
}

fn entity(byte: u8) -> &'static str {
    match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        _ => "&#39;",
    }
}

/// Whether a header takes `c` for a line end or for nothing to be seen.
pub(super) fn is_blank_in_header(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether `c` overrides, embeds or isolates a direction of writing (UAX 9 section 2).
pub(super) fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Appends `value` without control characters.
pub(super) fn push_line(out: &mut String, value: &str) {
    let Ok(()) = line::<Infallible>(value, |piece| {
        out.push_str(piece);
        Ok(())
    });
}

/// Writes `value` without control characters and what turns the direction: those are blanks, a line end of two characters one.
pub(super) fn line<E>(value: &str, mut write: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
    if value.bytes().all(|byte| (32..127).contains(&byte)) {
        return write(value);
    }
    let (mut out, mut last) = (String::with_capacity(value.len()), ' ');
    for c in value.chars() {
        if !(last == '\r' && c == '\n') {
            out.push(if is_blank_in_header(c) || turns_direction(c) { ' ' } else { c });
        }
        last = c;
    }
    write(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(value: &str, html: bool) -> String {
        let mut out = String::new();
        let _ = pieces::<()>(value, html, |piece| {
            out.push_str(piece);
            Ok(())
        });
        out
    }

    #[test]
    fn html_is_escaped_in_html_alone() {
        assert_eq!(escaped("<b a=\"1\" c='2'>&amp;", true), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;");
        assert_eq!(escaped("<b>&", false), "<b>&");
    }

    #[test]
    fn controls_are_replaced_and_line_ends_are_one() {
        for html in [false, true] {
            assert_eq!(
                escaped("a\r\nb\rc\n\td\0\u{7f}\u{85}\u{a0}ü", html),
                "a\nb\nc\n\td\u{fffd}\u{fffd}\u{fffd}\u{a0}ü"
            );
        }
    }

    #[test]
    fn nothing_turns_the_direction_of_writing() {
        let turns = "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        let stays = "\u{200e}\u{200f}\u{2029}\u{202f}\u{2065}\u{206a}\u{20ac}\u{2000}\u{1f600}\u{5d0}";
        for html in [false, true] {
            assert_eq!(escaped(&format!("a{turns}b{stays}c"), html), format!("a{}b{stays}c", REPLACED.repeat(9)));
        }
        let _ = line::<()>(&format!("a{turns}b\u{200f}"), |written| {
            assert_eq!(written, format!("a{}b\u{200f}", " ".repeat(9)));
            Ok(())
        });
    }

    #[test]
    fn a_header_gets_no_control() {
        let _ = line::<()>("a\r\nb\u{2}c\u{85}\u{2028}d\tü", |written| {
            assert_eq!(written, "a b c  d ü");
            Ok(())
        });
    }
}
