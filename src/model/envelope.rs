//! The envelope of one entry: everything that is known about it besides the message's bytes.

use serde::{Deserialize, Serialize};

use super::address::BadAddress;
use super::{Address, EntryId, Fields, Micros};

/// What the message's body may contain (RFC 6152).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    #[serde(rename = "7BIT")]
    SevenBit,
    #[serde(rename = "8BITMIME")]
    EightBitMime,
}

/// One entry's envelope. `recipients` has at least one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub id: EntryId,
    /// The envelope sender; `None` is the null sender `<>` of RFC 5321 section 4.5.5.
    pub sender: Option<Address>,
    pub recipients: Vec<Address>,
    /// What the message says to each of them alone.
    pub fields: Fields,
    pub origin: Origin,
}

/// Where an entry came from and what was asked for it; the same for all entries of one submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// When it was accepted.
    pub submitted: Micros,
    /// The real user id of the process that submitted it.
    pub uid: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<Body>,
    /// RFC 3461 NOTIFY, as `-N` gave it: `never`, or a list of `success,failure,delay`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub notify: Option<String>,
    /// RFC 3461 RET: `full` or `hdrs`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ret: Option<String>,
    /// RFC 3461 ENVID, as `-V` gave it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub envid: Option<String>,
    /// Each recipient gets it from a sender of his own, made by this pattern (VERP).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verp: Option<String>,
}

/// The VERP pattern of Postfix and others: `list+user=domain@host`.
pub const VERP: &str = "{local}+{rlocal}={rdomain}@{domain}";

/// What is wrong with a VERP pattern, if anything.
pub fn verp_fault(pattern: &str) -> Option<&'static str> {
    if !pattern.contains("{rlocal}") || !pattern.contains("{rdomain}") {
        return Some("a VERP pattern needs {rlocal} and {rdomain}, which tell the recipients apart");
    }
    let rest = VERP_PARTS.iter().fold(pattern.to_owned(), |rest, part| rest.replace(part, ""));
    rest.contains(['{', '}']).then_some("the parts of a VERP pattern are {local}, {domain}, {rlocal} and {rdomain}")
}

/// The two characters between the parts, if an MTA that makes such senders itself (XVERP, as Postfix has it) can make those
/// of `pattern`: it must be [`VERP`] but for these, which are `-`, `=` or `+`.
pub fn verp_delimiters(pattern: &str) -> Option<[char; 2]> {
    let rest = pattern.strip_prefix("{local}")?.strip_suffix("{rdomain}@{domain}")?;
    let (first, second) = rest.split_once("{rlocal}")?;
    let single = |text: &str| text.parse::<char>().ok().filter(|c| matches!(c, '-' | '=' | '+'));
    Some([single(first)?, single(second)?])
}

/// What a VERP pattern may have in braces.
const VERP_PARTS: [&str; 4] = ["{local}", "{domain}", "{rlocal}", "{rdomain}"];

/// The sender that `pattern` makes of `sender` for `recipient`: `{local}` and `{domain}` stand for the parts of the
/// sender's address, `{rlocal}` and `{rdomain}` for the recipient's.
///
/// Errors: the result is no address; a quoted local part does not fit into another, for example.
pub fn verp(pattern: &str, sender: &Address, recipient: &Address) -> Result<Address, BadAddress> {
    let values = [sender.local(), sender.domain(), recipient.local(), recipient.domain()];
    let mut made = String::new();
    let mut rest = pattern;
    // One part after another: what an address brings in is not looked through for more.
    while let Some(c) = rest.chars().next() {
        match VERP_PARTS.iter().zip(values).find(|(name, _)| rest.starts_with(**name)) {
            Some((name, value)) => {
                made.push_str(value);
                rest = &rest[name.len()..];
            }
            None => {
                made.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    made.parse()
}

/// Whose sender `sender` is, if `pattern` made it: the reverse of [`verp`].
///
/// The first of several ways to read it is taken that has a domain with a dot; a sender that could have been made without
/// VERP as well is none.
pub fn verp_recipient(pattern: &str, sender: &Address) -> Option<Address> {
    fn go<'t>(pattern: &str, text: &'t str, found: &mut [Option<&'t str>; 4]) -> bool {
        let Some(c) = pattern.chars().next() else { return text.is_empty() };
        let Some(part) = VERP_PARTS.iter().position(|name| pattern.starts_with(name)) else {
            let starts = text.chars().next().is_some_and(|other| other.eq_ignore_ascii_case(&c));
            return starts && go(&pattern[c.len_utf8()..], &text[c.len_utf8()..], found);
        };
        let rest = &pattern[VERP_PARTS[part].len()..];
        // The recipient's local part may have the delimiters in it, his domain and the sender's cannot.
        let ends: Vec<usize> = text.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
        let long = part == 2;
        let mut tries: Box<dyn Iterator<Item = &usize>> =
            if long { Box::new(ends.iter().rev()) } else { Box::new(ends.iter()) };
        tries.any(|&end| {
            found[part] = Some(&text[..end]);
            let domain = |at: usize| found[at].is_none_or(|domain| !domain.contains(['@', '=']) || at != 1 && at != 3);
            domain(part) && go(rest, &text[end..], found)
        })
    }
    let mut found = [None; 4];
    if verp_fault(pattern).is_some() || !go(pattern, sender.as_str(), &mut found) {
        return None;
    }
    let domain = found[3].filter(|domain| domain.contains('.'))?;
    format!("{}@{domain}", found[2]?).parse().ok()
}

impl Envelope {
    /// Whether some address needs SMTPUTF8 (RFC 6531).
    pub fn is_utf8(&self) -> bool {
        self.sender.iter().chain(&self.recipients).any(Address::is_utf8)
    }

    /// The sender for this recipient, which is a position in the envelope. The null sender is the same for all.
    ///
    /// Errors: the VERP pattern makes no address of it.
    pub fn sender_for(&self, recipient: usize) -> Result<Option<Address>, BadAddress> {
        match (&self.origin.verp, &self.sender, self.recipients.get(recipient)) {
            (Some(pattern), Some(sender), Some(recipient)) => verp(pattern, sender, recipient).map(Some),
            _ => Ok(self.sender.clone()),
        }
    }

    /// The sender as text; the null sender is "".
    pub fn sender_text(&self) -> &str {
        self.sender.as_ref().map_or("", Address::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recipient_has_a_sender_of_his_own() {
        let address = |text: &str| text.parse::<Address>().expect(text);
        let made = |pattern: &str, sender: &str, recipient: &str| {
            verp(pattern, &address(sender), &address(recipient)).map(String::from).ok()
        };
        let postfix = made(VERP, "owner-list@example.org", "user@example.net");
        assert_eq!(postfix.as_deref(), Some("owner-list+user=example.net@example.org"));
        let other = made("b-{rdomain}-{rlocal}@bounce.{domain}", "l@x.org", "u@y.org");
        assert_eq!(other.as_deref(), Some("b-y.org-u@bounce.x.org"));
        // What a recipient brings in stands for itself.
        assert_eq!(made(VERP, "l@x.org", "{domain}@y.org").as_deref(), Some("l+{domain}=y.org@x.org"));
        for (sender, recipient) in [("l", "u@y.org"), ("l@x.org", "\"a b\"@y.org")] {
            assert_eq!(made(VERP, sender, recipient), None, "{sender} {recipient}");
        }
        let long = format!("{}@y.org", "a".repeat(240));
        assert_eq!(made(VERP, "list@x.org", &long), None);
    }

    #[test]
    fn an_mta_makes_senders_of_one_form_only() {
        assert_eq!(verp_delimiters(VERP), Some(['+', '=']));
        assert_eq!(verp_delimiters("{local}-{rlocal}={rdomain}@{domain}"), Some(['-', '=']));
        for other in [
            "{local}+{rlocal}={rdomain}@bounce.{domain}",
            "{local}++{rlocal}={rdomain}@{domain}",
            "x{rlocal}={rdomain}@y",
        ] {
            assert_eq!(verp_delimiters(other), None, "{other}");
        }
    }
}
