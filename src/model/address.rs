//! An envelope address: what stands between `<` and `>` in MAIL and RCPT (RFC 5321 section 4.1.2, RFC 6531).
//!
//! Kept true by construction: no control character, no space and no angle bracket outside a quoted local part, bounded
//! length. So an address can go into an argument list, a JSON line or an SMTP command and never be taken for more.

use std::fmt;

use serde::{Deserialize, Serialize};

/// RFC 5321 section 4.5.3.1.3: a path is at most 256 octets with its brackets.
pub const MAX_LEN: usize = 254;

/// `local@domain`, or a bare local name such as `root`, as sendmail takes it. UTF-8 is allowed (RFC 6531).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

/// Text that is no address, with what is wrong with it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad address {shown:?}: {why}")]
pub struct BadAddress {
    shown: String,
    why: &'static str,
}

impl Address {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the last `@`, or "" for a local name.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// Everything before the last `@`.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(local, _)| local)
    }

    /// Whether it needs SMTPUTF8 (RFC 6531).
    pub fn is_utf8(&self) -> bool {
        !self.0.is_ascii()
    }

    /// Reads an envelope sender: `""` and `"<>"` are the null sender, `None`.
    pub fn sender(text: &str) -> Result<Option<Address>, BadAddress> {
        match text {
            "" | "<>" => Ok(None),
            other => other.parse().map(Some),
        }
    }
}

/// Whether `text` is an address of the plainest kind, as nearly all are: one look at each byte, for each hand-over reads some.
fn is_plain(text: &str) -> bool {
    let (mut in_domain, mut label) = (false, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => label += 1,
            b'-' if !in_domain || label > 0 => label += 1,
            b'+' | b'=' if !in_domain => {}
            b'.' if !in_domain || (1..=63).contains(&label) => label = 0,
            b'@' if !in_domain && at > 0 => (in_domain, label) = (true, 0),
            _ => return false,
        }
    }
    in_domain && (1..=63).contains(&label) && text.len() <= MAX_LEN
}

/// What is wrong with `text` as an address, if anything.
fn fault(text: &str) -> Option<&'static str> {
    if is_plain(text) { None } else { fault_of_any(text) }
}

fn fault_of_any(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > MAX_LEN {
        return Some("it is longer than 254 bytes (RFC 5321 section 4.5.3.1.3)");
    }
    if text.chars().any(char::is_control) {
        return Some("it contains a control character");
    }
    if text.contains(char::REPLACEMENT_CHARACTER) {
        // What stands for bytes that are no UTF-8, as in a header of another charset: whose address it was is lost.
        return Some("it is not UTF-8 (RFC 6531)");
    }
    let (local, domain) = match text.rsplit_once('@') {
        Some((local, domain)) => (local, Some(domain)),
        None => (text, None),
    };
    if local.is_empty() {
        return Some("nothing stands before the @");
    }
    if let Some(why) = domain.and_then(domain_fault) {
        return Some(why);
    }
    match local.strip_prefix('"') {
        Some(rest) => quoted_fault(rest),
        None => local
            .chars()
            .any(|c| !is_atom_char(c))
            .then_some("its local part has a space, a bracket, a comma, a second @ or a quote"),
    }
}

/// Anything but what RFC 5322 calls specials (a dot is fine) and white space.
pub(super) fn is_atom_char(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | ',' | ';' | ':' | '@' | '"' | '\\')
}

/// `rest` is a quoted local part without its opening quote.
fn quoted_fault(rest: &str) -> Option<&'static str> {
    let Some(inner) = rest.strip_suffix('"') else {
        return Some("its quoted local part does not end in a quote");
    };
    let mut escaped = false;
    for c in inner.chars() {
        match (escaped, c) {
            (false, '"') => return Some("a quote inside its quoted local part is not escaped"),
            (false, '\\') => escaped = true,
            (false | true, _) => escaped = false,
        }
    }
    escaped.then_some("its quoted local part does not end in a quote")
}

fn domain_fault(domain: &str) -> Option<&'static str> {
    if domain.is_empty() {
        return Some("nothing follows the @");
    }
    if let Some(literal) = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) {
        let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-');
        return (literal.is_empty() || !literal.bytes().all(fine)).then_some("its address literal is malformed");
    }
    let name = domain.strip_suffix('.').unwrap_or(domain);
    if name.split('.').any(str::is_empty) {
        return Some("its domain has an empty label");
    }
    if name.split('.').any(|label| label.len() > 63 || label.starts_with('-')) {
        return Some("a label of its domain is too long or begins with '-'");
    }
    let fine =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || (!c.is_ascii() && !c.is_whitespace());
    (!name.chars().all(fine)).then_some("its domain has a character that no domain has")
}

impl std::str::FromStr for Address {
    type Err = BadAddress;

    /// Takes `local@domain` or `<local@domain>`.
    fn from_str(text: &str) -> Result<Address, BadAddress> {
        let bare = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
        match fault(bare) {
            None => Ok(Address(bare.to_owned())),
            Some(why) => Err(BadAddress { shown: bare.chars().take(80).collect(), why }),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = BadAddress;

    fn try_from(text: String) -> Result<Address, BadAddress> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_plain_address_has_no_fault(text in "[a-c._+=@-]{0,12}", long in "[a.@-]{60,70}@(a{60,66}[.])?b") {
            for text in [text, long] {
                prop_assert!(!is_plain(&text) || fault_of_any(&text).is_none(), "{text}");
            }
        }
    }

    #[test]
    fn plain_is_what_most_addresses_are() {
        for text in ["a@b", "first.last+tag@mail-1.example.org", "list-bounces+r=x.org@a_b.org"] {
            assert!(is_plain(text), "{text}");
        }
        for text in
            ["a", "@b", "a@", "a@b.", "a@.b", "a@-b", "a@b@c", "j\u{f6}rg@x.org", "\"a b\"@x.org", "a@[127.0.0.1]"]
        {
            assert!(!is_plain(text), "{text}");
        }
    }

    #[test]
    fn takes_what_mail_is_sent_to() {
        for good in [
            "a@b",
            "root",
            "-f@x.org",
            "jörg@exämple.org",
            "\"a b\"@x.org",
            "\"a@b\"@x.org",
            "\"a\\\"b\"@x.org",
            "x@[192.0.2.1]",
            "x@[IPv6:::1]",
            "o'brien+tag=y@x.org",
            "<a@b.c>",
            "a!b",
        ] {
            assert!(good.parse::<Address>().is_ok(), "{good}");
        }
        assert_eq!("<a@b.c>".parse::<Address>().expect("bracketed").as_str(), "a@b.c");
        assert_eq!("\"a@b\"@x.org".parse::<Address>().expect("quoted").domain(), "x.org");
    }

    #[test]
    fn refuses_what_could_be_taken_for_more() {
        let long = format!("{}@x.org", "a".repeat(260));
        for bad in [
            "",
            "@",
            "a@",
            "@b",
            "a b@c",
            "a@b c",
            "a\r\nRCPT TO:<x>@b",
            "a\0@b",
            "a@b\n",
            "a@@b",
            "a@b@c",
            "\"a@b",
            "\"a\"b\"@c",
            "a@b..c",
            "a@-b",
            "a,b@c",
            "a@b>",
            "<a@b",
            "a\u{85}@b",
            "j\u{fffd}rg@b",
            &long,
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_null_sender_has_two_spellings() {
        assert_eq!(Address::sender(""), Ok(None));
        assert_eq!(Address::sender("<>"), Ok(None));
        assert!(Address::sender(" ").is_err());
    }
}
