//! Whether From is aligned with the envelope sender (RFC 7489 section 3.1.2): a receiver that finds them apart, and no
//! signature of From's domain, treats the mail as the owner of that domain asks for.
//!
//! Two domains are aligned if they are one, or one is above the other. The organizational domain that RFC 7489 means
//! follows from a list that changes from day to day, so `a.example.org` and `b.example.org` count as apart.

use crate::intake::recipients;
use crate::model::Address;

/// Compares the From of messages with one sender. Most have the same From, which is read once.
#[derive(Debug)]
pub struct Alignment {
    /// The sender's domain, in small letters; `None` for the null sender, and where the MTA adds its own.
    domain: Option<String>,
    last: Vec<u8>,
    /// What is wrong with it.
    fault: Option<String>,
}

impl Alignment {
    pub fn new(sender: Option<&Address>) -> Alignment {
        let domain = sender.map(|sender| plain(sender.domain())).filter(|domain| !domain.is_empty());
        Alignment { domain, last: Vec::new(), fault: None }
    }

    /// What is wrong with the From of `message`, whose lines end with LF: its domain, and the sender's.
    pub fn fault(&mut self, message: &[u8]) -> Option<&str> {
        let wanted = self.domain.as_deref()?;
        let value = from(message)?;
        if value != self.last {
            value.clone_into(&mut self.last);
            let addresses = recipients::parse(&String::from_utf8_lossy(value)).unwrap_or_default();
            let domains: Vec<String> = addresses.iter().map(|address| plain(address.domain())).collect();
            let is_apart = |domain: &String| !is_within(domain, wanted) && !is_within(wanted, domain);
            let apart = domains.iter().find(|domain| is_apart(domain));
            self.fault = apart.map(|domain| format!("From is of {domain}, the sender of {wanted}"));
        }
        self.fault.as_deref()
    }
}

fn plain(domain: &str) -> String {
    domain.strip_suffix('.').unwrap_or(domain).to_lowercase()
}

fn is_within(domain: &str, above: &str) -> bool {
    domain.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The value of the field From, with its folds.
fn from(message: &[u8]) -> Option<&[u8]> {
    let mut rest = message;
    loop {
        let mut end = 0;
        // A field ends with the line behind which no blank follows.
        loop {
            end += rest.get(end..)?.iter().position(|&byte| byte == b'\n')? + 1;
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (field, behind) = rest.split_at_checked(end)?;
        match field.split_at_checked(5) {
            Some((name, value)) if name.eq_ignore_ascii_case(b"From:") => return Some(value),
            _ if field == b"\n" => return None,
            _ => rest = behind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_aligned_with_itself_and_with_those_above_and_below() {
        let sender: Address = "bounce@News.Example.org".parse().expect("an address");
        let mut alignment = Alignment::new(Some(&sender));
        for (from, is_aligned) in [
            ("Shop <a@news.example.org>", true),
            ("a@example.org", true),
            ("=?utf-8?q?x?=\n <a@x.news.example.ORG>", true),
            ("a@otherexample.org", false),
            ("a@example.com", false),
            ("a@mail.example.org", false),
        ] {
            let message = format!("To: b@y.org\nfrom: {from}\nSubject: x\n\nFrom: a@example.net\n");
            for _ in 0..2 {
                assert_eq!(alignment.fault(message.as_bytes()).is_none(), is_aligned, "{from}");
            }
        }
        assert!(alignment.fault(b"To: x\n\nFrom: a@example.net\n").is_none());
        let local: Address = "root".parse().expect("an address");
        for sender in [None, Some(&local)] {
            assert!(Alignment::new(sender).fault(b"From: a@x.org\n\n").is_none());
        }
    }
}
