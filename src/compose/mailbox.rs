//! Address fields (RFC 5322 section 3.4) and those of RFC 2369, with values in them.
//!
//! What holds: only the template's own characters are syntax. A value is part of a name, of an address or of a URL, and never
//! a bracket, a comma or a quote, so it cannot add a recipient. Each address that is written is one.

use std::borrow::Cow;

use super::error::FieldError;
use super::escape::{BEGIN, END};
use super::url;
use super::words::{WORD_MAX, Words, must_be_encoded};
use crate::model::Address;

/// A URL is not folded, so one of more bytes than this does not fit on a line (RFC 5322 section 2.1.1).
const URL_MAX: usize = 900;

/// A character and whether it is the template's.
struct Chars<'t> {
    text: std::str::Chars<'t>,
    in_value: bool,
}

impl<'t> Chars<'t> {
    fn new(text: &'t str) -> Chars<'t> {
        Chars { text: text.chars(), in_value: false }
    }
}

impl Iterator for Chars<'_> {
    type Item = (char, bool);

    fn next(&mut self) -> Option<(char, bool)> {
        loop {
            match self.text.next()? {
                BEGIN => self.in_value = true,
                END => self.in_value = false,
                c => return Some((c, !self.in_value)),
            }
        }
    }
}

/// One mailbox as it was read; the next is read into the same texts.
#[derive(Debug, Default)]
struct Mailbox {
    name: String,
    address: String,
    /// It has brackets; without them its name is the address.
    has_address: bool,
}

/// Writes the mailboxes of a rendered field; their number. A mailbox without name and address is none.
pub(super) fn write_mailboxes(words: &mut Words<'_>, text: &str) -> Result<usize, FieldError> {
    let (mut number, mut chars, mut mailbox) = (0, Chars::new(text), Mailbox::default());
    loop {
        let goes_on = mailbox.read(&mut chars)?;
        number += usize::from(mailbox.write(words, number > 0)?);
        if !goes_on {
            return Ok(number);
        }
    }
}

impl Mailbox {
    /// Reads up to a comma, or to the end: then there is none behind it.
    fn read(&mut self, chars: &mut Chars<'_>) -> Result<bool, FieldError> {
        self.name.clear();
        self.address.clear();
        self.has_address = false;
        let (mut quoted, mut in_angle, mut comment) = (false, false, 0_u32);
        while let Some((c, is_syntax)) = chars.next() {
            if comment > 0 {
                comment = match c {
                    '(' if is_syntax => comment + 1,
                    ')' if is_syntax => comment - 1,
                    _ => comment,
                };
                continue;
            }
            let part = if in_angle { &mut self.address } else { &mut self.name };
            match c {
                '\\' if is_syntax && quoted => part.extend(chars.next().map(|(c, _)| c)),
                // Quotes are part of an address, and around a name they are syntax.
                '"' if is_syntax => {
                    quoted = !quoted;
                    if in_angle {
                        part.push(c);
                    }
                }
                _ if !is_syntax || quoted => part.push(c),
                '<' if !self.has_address => (self.has_address, in_angle) = (true, true),
                '>' if in_angle => in_angle = false,
                ',' if !in_angle => return Ok(true),
                '(' if !in_angle => comment = 1,
                '<' | '>' | ',' | ';' | ':' => {
                    let what = "it is no list of addresses: write \"{{ name }}\" <{{ address }}>, …";
                    return Err(FieldError::Syntax(what));
                }
                c => part.push(c),
            }
        }
        if quoted || in_angle || comment > 0 {
            return Err(FieldError::Syntax("a quote, a bracket or a comment is not closed"));
        }
        Ok(false)
    }

    /// Writes it behind a comma if it `follows` another; whether there is one.
    fn write(&self, words: &mut Words<'_>, follows: bool) -> Result<bool, FieldError> {
        let name = single_spaced(&self.name);
        let (name, address) = match self.has_address {
            true => (&*name, self.address.trim()),
            false if name.is_empty() => return Ok(false),
            false => ("", &*name),
        };
        let address: Address = address.parse()?;
        if address.domain().is_empty() {
            return Err(FieldError::Local(String::from(address)));
        }
        if follows {
            words.piece(",", false, 0);
        }
        write_mailbox(words, name, &address, follows);
        Ok(true)
    }
}

/// Without blanks at its ends, and with single ones within.
fn single_spaced(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.is_ascii() && !text.contains("  ") {
        return text.into();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").into()
}

fn write_mailbox(words: &mut Words<'_>, name: &str, address: &Address, apart: bool) {
    let local = address.local();
    // Dots at odd places are no dot-atom (RFC 5322 section 3.2.3).
    let odd = !local.starts_with('"') && local.split('.').any(str::is_empty);
    let spec = if odd { Cow::from(format!("\"{local}\"@{}", address.domain())) } else { address.as_str().into() };
    if name.is_empty() {
        words.address(&spec, address.is_utf8(), apart, false);
        return;
    }
    let is_atom = |byte: u8| byte.is_ascii_alphanumeric() || b" !#$%&'*+-/=?^_`{|}~".contains(&byte);
    let quoted = match name.bytes().all(is_atom) {
        true => Cow::from(name),
        false => format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")).into(),
    };
    if must_be_encoded(name) || name.split(' ').any(|word| word.len() > WORD_MAX) {
        words.encoded(name, apart);
    } else {
        // Its blanks are folds also within quotes.
        for (n, word) in quoted.split(' ').enumerate() {
            words.piece(word, apart || n > 0, 0);
        }
    }
    words.address(&spec, address.is_utf8(), true, true);
}

/// Writes the URLs in brackets of a rendered List- field (RFC 2369); their number. What is beside them is left out.
pub(super) fn write_urls(words: &mut Words<'_>, text: &str) -> Result<usize, FieldError> {
    let (mut number, mut open) = (0, false);
    let (mut url, mut value) = (String::new(), String::new());
    let take = |url: &mut String, value: &mut String, in_value: bool| {
        let text = std::mem::take(value);
        match (in_value, url.is_empty()) {
            (true, true) => url::push_whole(url, &text).map_err(FieldError::Url),
            (true, false) => {
                url::push_part(url, &text);
                Ok(())
            }
            (false, _) => Ok(()),
        }
    };
    let mut in_value = false;
    for c in text.chars() {
        match c {
            BEGIN if open => in_value = true,
            END if open => {
                take(&mut url, &mut value, true)?;
                in_value = false;
            }
            // Outside of brackets nothing is written.
            BEGIN | END => {
                in_value = c == BEGIN;
                value.clear();
            }
            _ if in_value => value.push(c),
            '<' if !open => open = true,
            '>' if open => {
                open = false;
                if url.len() > URL_MAX {
                    return Err(FieldError::Url(format!("the URL is longer than {URL_MAX} bytes: shorten its values")));
                }
                if number > 0 {
                    words.piece(",", false, 0);
                }
                words.pieces(&["<", &url, ">"], number > 0, 1);
                url.clear();
                number += 1;
            }
            ' ' => {}
            c if open && c.is_ascii_graphic() && c != '<' => url.push(c),
            _ if open => return Err(FieldError::Url("a URL has a character that must be percent-encoded".to_owned())),
            _ => {}
        }
    }
    if open { Err(FieldError::Syntax("a bracket is not closed")) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[` and `]` stand for a value's marks.
    fn addresses(text: &str) -> Result<String, String> {
        let text = text.replace('[', "\u{2}").replace(']', "\u{3}");
        let mut out = Vec::new();
        let mut words = Words::begin(&mut out, "To");
        write_mailboxes(&mut words, &text).map_err(|error| error.to_string())?;
        words.end();
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    fn urls(text: &str) -> Result<String, String> {
        let text = text.replace('[', "\u{2}").replace(']', "\u{3}");
        let mut out = Vec::new();
        let mut words = Words::begin(&mut out, "List-Unsubscribe");
        write_urls(&mut words, &text).map_err(|error| error.to_string())?;
        words.end();
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn names_and_addresses_are_written_as_they_must_be() {
        for (text, expected) in [
            ("[Anna Bell] <[a@x.org]>", "To: Anna Bell <a@x.org>\n"),
            ("\"[Bell, Anna \"x\" \\]\" <[a@x.org]>", "To: \"Bell, Anna \\\"x\\\" \\\\\" <a@x.org>\n"),
            ("[a@x.org]", "To: a@x.org\n"),
            ("[Jörg] <[a@x.org]>", "To: =?utf-8?q?J=C3=B6rg?= <a@x.org>\n"),
            ("[] <[a@x.org]>, Team <t@x.org>", "To: a@x.org, Team <t@x.org>\n"),
            ("[a..b@x.org]", "To: \"a..b\"@x.org\n"),
            ("<[\"john smith\"@x.org]>", "To: \"john smith\"@x.org\n"),
            ("\"=?[x]?=\" <a@x.org>", "To: =?utf-8?b?PT94Pz0=?= <a@x.org>\n"),
            ("Team (of \"ours\") <t@x.org>", "To: Team <t@x.org>\n"),
        ] {
            assert_eq!(addresses(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_value_adds_no_recipient() {
        let written = addresses("[Eve <eve@x.org>, Bob] <[a@x.org]>").expect("a name");
        assert_eq!(written, "To: \"Eve <eve@x.org>, Bob\" <a@x.org>\n");
        for bad in ["[a@x.org, b@x.org]", "<[a@x.org>, <b@x.org]>", "<[a@x.org> b]>", "[a]", "<[]>", "x <[a b@x.org]>"]
        {
            assert!(addresses(bad).is_err(), "{bad}");
        }
        for bad in ["group: a@x.org;", "<a@x.org", "\"a <a@x.org>"] {
            assert!(addresses(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_in_a_url_stays_in_it() {
        assert_eq!(
            urls("<https://x.org/u?e=[a&b>, <mailto:eve@x.org]>, <mailto:u@x.org>").as_deref(),
            Ok("List-Unsubscribe: <https://x.org/u?e=a%26b%3E%2C%20%3Cmailto%3Aeve%40x.org>,\n <mailto:u@x.org>\n")
        );
        assert_eq!(urls("<[https://x.org/?a=b]>").as_deref(), Ok("List-Unsubscribe: <https://x.org/?a=b>\n"));
        assert!(urls("<[javascript:x]>").is_err() && urls("<https://x.org").is_err());
        assert!(urls(&format!("<https://x.org/[{}]>", "a".repeat(URL_MAX))).is_err());
    }
}
