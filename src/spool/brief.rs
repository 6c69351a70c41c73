//! What a listing has of an entry's head. The form that most heads have is read without a JSON parser, and any other by
//! [`entry`](super::entry): `quick` understands nothing that it would not, and then the same.

use super::entry::Extent;
use crate::model::address::MAX_LEN;
use crate::model::{Address, EntryId, Envelope, Micros};

/// An entry's head, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Brief<'a> {
    pub id: &'a str,
    /// "" is the null sender.
    pub sender: &'a str,
    pub recipients: Recipients<'a>,
    pub submitted: Micros,
    pub extent: Extent,
}

/// Its recipients.
#[derive(Clone, Copy, Debug)]
pub enum Recipients<'a> {
    One(&'a str),
    Several(&'a [Address]),
}

impl<'a> Recipients<'a> {
    pub fn len(self) -> usize {
        match self {
            Recipients::One(_) => 1,
            Recipients::Several(all) => all.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let (one, several) = match self {
            Recipients::One(one) => (Some(one), &[][..]),
            Recipients::Several(all) => (None, all),
        };
        one.into_iter().chain(several.iter().map(Address::as_str))
    }
}

impl<'a> Brief<'a> {
    pub fn of(envelope: &'a Envelope, extent: Extent) -> Brief<'a> {
        Brief {
            id: envelope.id.as_str(),
            sender: envelope.sender_text(),
            recipients: Recipients::Several(&envelope.recipients),
            submitted: envelope.origin.submitted,
            extent,
        }
    }
}

/// The head of the entry `id` that a file begins with, if it has one plain recipient and nothing that few heads have.
pub(super) fn quick<'a>(head: &'a [u8], id: &'a EntryId) -> Option<Brief<'a>> {
    let mut text = Text(head);
    text.skip(b"{\"size\":")?;
    while text.skip(b" ").is_some() {}
    let len = text.number()?;
    text.skip(b",\"v\":1,\"id\":\"")?;
    text.skip(id.as_str().as_bytes())?;
    text.skip(b"\",\"sender\":\"")?;
    let sender = text.plain()?;
    text.skip(b"\",\"recipient\":\"")?;
    let recipient = text.plain()?;
    text.skip(b"\",\"submitted\":")?;
    let submitted = Micros(text.number()?);
    text.skip(b",\"uid\":")?;
    u32::try_from(text.number()?).ok()?;
    text.skip(b"}\n\n")?;
    let start = (head.len() - text.0.len()) as u64;
    let sound = is_plain_address(recipient) && (sender.is_empty() || is_plain_address(sender));
    let extent = Extent { start, len, apart: false, rows: None };
    let id = id.as_str();
    sound.then_some(Brief { id, sender, recipients: Recipients::One(recipient), submitted, extent })
}

/// What is left of a head.
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    fn skip(&mut self, what: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(what)?;
        Some(())
    }

    /// A JSON number of at most eighteen digits.
    fn number(&mut self) -> Option<u64> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.0.split_at_checked(digits)?;
        if !(1..=18).contains(&digits) || (digits > 1 && number.first() == Some(&b'0')) {
            return None;
        }
        self.0 = rest;
        Some(number.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
    }

    /// A string's content without escapes, up to its closing quote.
    fn plain(&mut self) -> Option<&'a str> {
        let end = memchr::memchr(b'"', self.0)?;
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        // Whatever has another byte is for the parser.
        let text = text.iter().all(|&byte| is_plain(byte) || matches!(byte, b'@' | b'+' | b'=')).then_some(text)?;
        std::str::from_utf8(text).ok()
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

/// Whether `text`, of which each byte is plain, is certainly an [`Address`]. Most are.
fn is_plain_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let label = |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-');
    !local.is_empty() && text.len() <= MAX_LEN && domain.bytes().all(is_plain) && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::envelope::Origin;
    use crate::model::{EntryId, Fields};
    use crate::spool::entry;

    fn id() -> EntryId {
        "00000000003abcdefghjk".parse().expect("an id")
    }

    fn head(sender: &str, recipient: &str) -> Vec<u8> {
        let submitted = Micros(1_795_526_824_000_001);
        let origin = Origin { submitted, uid: 7, body: None, notify: None, ret: None, envid: None, verp: None };
        let (sender, recipients) = (sender.parse().ok(), vec![recipient.parse().expect("an address")]);
        let envelope = Envelope { id: id(), sender, recipients, fields: Fields::default(), origin };
        entry::head(&envelope).expect("a head")
    }

    /// That what [`quick`] reads is what the parser reads; whether it read it.
    fn agrees(head: &[u8]) -> bool {
        let id = id();
        let Some(brief) = quick(head, &id) else { return false };
        let (envelope, extent) = entry::read(head).expect("the parser reads it, too");
        let other = Brief::of(&envelope, extent);
        assert_eq!((brief.id, brief.sender, brief.submitted), (other.id, other.sender, other.submitted));
        assert_eq!(brief.extent, extent);
        assert!(brief.recipients.iter().eq(other.recipients.iter()));
        true
    }

    #[test]
    fn most_heads_are_read_quickly() {
        for (sender, recipient) in [("s@example.org", "r.+x=y_z@a-b.example"), ("", "R@x"), ("a@b.c.", "r@x")] {
            let mut head = head(sender, recipient);
            assert!(agrees(&head) != sender.ends_with('.'), "{sender} {recipient}");
            head.extend_from_slice(b"Subject: x\n\n");
            assert!(agrees(&head) != sender.ends_with('.'), "{sender} {recipient}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_quickly_is_read_by_the_parser(
            sender in "[a-z0-9.+=@<>\"\\\\é-]{0,12}",
            local in "[a-zA-Z0-9.+=é-]{1,70}",
            domain in "[a-z0-9._-]{1,80}",
            at in 0usize..260,
            byte in any::<u8>(),
        ) {
            let recipient = format!("{local}@{domain}");
            if recipient.parse::<Address>().is_ok() {
                let mut head = head(&sender, &recipient);
                agrees(&head);
                if let Some(place) = head.get_mut(at) {
                    *place = byte;
                }
                agrees(&head);
                head.truncate(at);
                agrees(&head);
            }
        }
    }
}
