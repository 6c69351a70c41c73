//! The addresses in To, Cc and Bcc (RFC 5322 section 3.4) and in a sendmail's arguments.
//!
//! A reader of ours, because mailparse's refuses quoted local parts, local names without a domain, and comments inside an
//! address, all of which sendmail takes (tried with 0.18). It takes what RFC 5322 has, its obsolete forms with routes and
//! empty members, and groups; display names, encoded or not, are passed over.

use super::refused::Refused;
use crate::model::Address;

/// The addresses of one field's value, or of one argument. What stands there and is no address is an error.
pub fn parse(text: &str) -> Result<Vec<Address>, Refused> {
    let mut reader = Reader::default();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '(' => skip_comment(&mut chars),
            '"' => reader.word.push_str(&quoted(&mut chars)),
            // A domain literal has no specials of its own.
            '[' => {
                reader.word.push('[');
                reader.word.extend(chars.by_ref().take_while(|&c| c != ']').filter(|c| !c.is_whitespace()));
                reader.word.push(']');
            }
            '<' => reader.angle = Some(angle(&mut chars)),
            ',' | ';' => reader.end()?,
            // The name of a group, unless it is inside a route.
            ':' => reader.word.clear(),
            c if c.is_whitespace() => reader.word.push(' '),
            c => reader.word.push(c),
        }
    }
    reader.end()?;
    Ok(reader.found)
}

#[derive(Default)]
struct Reader {
    found: Vec<Address>,
    /// What was read of a member outside angle brackets: its address, or a display name.
    word: String,
    angle: Option<String>,
}

impl Reader {
    fn end(&mut self) -> Result<(), Refused> {
        let word = std::mem::take(&mut self.word);
        let text = match self.angle.take() {
            // The null address names nobody.
            Some(inside) if inside.is_empty() => return Ok(()),
            Some(inside) => inside,
            None => {
                // "a . b @ c" is an address in RFC 5322; spaces around dots and the @ mean nothing.
                let joined = tighten(&word);
                if joined.is_empty() {
                    return Ok(());
                }
                joined
            }
        };
        self.found.push(text.parse()?);
        Ok(())
    }
}

/// Removes blanks at the ends and next to `.` and `@`, outside quotes.
fn tighten(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut in_quotes = false;
    for c in word.trim().chars() {
        in_quotes ^= c == '"' && !out.ends_with('\\');
        if !in_quotes && matches!(c, '.' | '@') {
            out.truncate(out.trim_end().len());
        }
        if !in_quotes && c == ' ' && out.ends_with(['.', '@', ' ']) {
            continue;
        }
        out.push(c);
    }
    out
}

/// A quoted string with its quotes; unterminated, it ends with the text.
fn quoted(chars: &mut std::str::Chars<'_>) -> String {
    let mut out = String::from('"');
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => {
                out.push('\\');
                out.extend(chars.next());
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn skip_comment(chars: &mut std::str::Chars<'_>) {
    let mut depth = 1_u32;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

/// What stands between angle brackets, without comments, blanks and an obsolete route (`@a,@b:`).
fn angle(chars: &mut std::str::Chars<'_>) -> String {
    let mut out = String::new();
    while let Some(c) = chars.next() {
        match c {
            '>' => break,
            '(' => skip_comment(chars),
            '"' => out.push_str(&quoted(chars)),
            ':' if out.starts_with('@') => out.clear(),
            c if c.is_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

/// Removes doubles, keeping the first of each.
pub fn distinct(addresses: Vec<Address>) -> Vec<Address> {
    if addresses.len() < 2 {
        return addresses;
    }
    let mut seen = std::collections::HashSet::new();
    addresses.into_iter().filter(|address| seen.insert(address.clone())).collect()
}

/// The recipients in arguments, each of which may be a list as in a To field.
pub fn addresses(texts: &[String]) -> Result<Vec<Address>, Refused> {
    let mut found = Vec::new();
    for text in texts {
        found.extend(parse(text)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc_5322_and_what_people_write() {
        for (text, expected) in [
            ("a@b.c, \"X, Y\" <x@y>, (com (nested) ment) z@w", "a@b.c x@y z@w"),
            ("Group: a@b, c@d;, e@f", "a@b c@d e@f"),
            ("undisclosed-recipients:;", ""),
            ("=?UTF-8?Q?J=C3=B6rg=2C?= <j@x>", "j@x"),
            ("a@b (Comment, with comma)", "a@b"),
            ("<@relay,@two:x@y>", "x@y"),
            ("root", "root"),
            (",,a@b,", "a@b"),
            ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "pete@silly.test"),
            ("\"a@b\"@x", "\"a@b\"@x"),
            ("a . b @ c . d", "a.b@c.d"),
            ("Joe <joe@x", "joe@x"),
            ("joe@[192.0.2.1]", "joe@[192.0.2.1]"),
            ("jörg@exämple.org", "jörg@exämple.org"),
            ("a@b;c@d", "a@b c@d"),
            ("<>", ""),
            ("-f@x", "-f@x"),
            ("\"Tim \\\"T\\\" O'Shea\" <tim@x>", "tim@x"),
        ] {
            let found: Vec<String> = parse(text).expect(text).into_iter().map(String::from).collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
        let quoted = parse("\"a b\"@x.org").expect("a quoted local part");
        assert_eq!(quoted[0].as_str(), "\"a b\"@x.org");
    }

    #[test]
    fn what_is_no_address_is_said() {
        for bad in ["a@b c@d", "a@", "@b", "John Doe", "a@b@c", "x@y\u{1}z"] {
            assert!(matches!(parse(bad), Err(Refused::BadAddress(_))), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(text in "\\PC{0,80}") {
            let _ = parse(&text);
        }

        #[test]
        fn plain_lists_come_back(parts in proptest::collection::vec("[a-z]{1,8}@[a-z]{1,8}\\.org", 1..6)) {
            let found: Vec<String> = parse(&parts.join(", ")).expect("plain").into_iter().map(String::from).collect();
            prop_assert_eq!(found, parts);
        }
    }
}
