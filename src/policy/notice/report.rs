//! A delivery status notification (RFC 3464).
//!
//! A notice has three parts (RFC 6522): a text for a person, with what to do; the same for a program; and the message, or
//! its header, which the caller copies between [`Notice::opening`] and [`Notice::closing`].

use std::collections::BTreeMap;

use super::about::{About, RecipientStatus};
use super::fold::{field, indented, paragraph};
use super::head::head;
use crate::model::{Address, EntryId, Envelope, Micros, Reason};

/// So many recipients are named to the person; the program's part has all of them.
const NAMED_MAX: usize = 100;
/// So many recipients come with the diagnostic text, which may be long.
const DIAGNOSED_MAX: usize = 1_000;

/// What comes back of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    Header,
    Message,
}

/// One notice.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    pub about: About,
    /// The notice's own id.
    pub id: &'a EntryId,
    pub now: Micros,
    /// This host's name.
    pub host: &'a str,
    pub to: &'a Address,
    /// Of the mail that it is about.
    pub envelope: &'a Envelope,
    /// At least one.
    pub statuses: &'a [RecipientStatus],
    /// Until when what is delayed is tried.
    pub until: Option<Micros>,
    pub returned: Returned,
}

impl Notice<'_> {
    /// Everything before the returned message or header.
    pub fn opening(&self) -> String {
        let text = self.text();
        let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
        let (report, returned) = match (self.is_global(), self.returned) {
            (false, Returned::Header) => ("delivery-status", "text/rfc822-headers"),
            (false, Returned::Message) => ("delivery-status", "message/rfc822"),
            (true, Returned::Header) => ("global-delivery-status", "message/global-headers"),
            (true, Returned::Message) => ("global-delivery-status", "message/global"),
        };
        // RFC 3464 section 2.1, RFC 6533 section 4.
        let bits = if self.is_global() { "8bit" } else { "7bit" };
        let boundary = self.boundary();
        let mut out = head(self.id, self.now, self.host, self.to, self.about.subject());
        out.push_str(&format!(
            "Auto-Submitted: auto-replied\nMIME-Version: 1.0\nContent-Type: multipart/report; \
             report-type={report};\n\tboundary=\"{boundary}\"\nContent-Transfer-Encoding: 8bit\n\n\
             --{boundary}\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit\n\n{text}\n\
             --{boundary}\nContent-Type: message/{report}\nContent-Transfer-Encoding: {bits}\n\n"
        ));
        self.fields(&mut out);
        out.push_str(&format!("\n--{boundary}\nContent-Type: {returned}\nContent-Transfer-Encoding: 8bit\n\n"));
        out
    }

    /// Everything behind it.
    pub fn closing(&self) -> String {
        format!("\n--{}--\n", self.boundary())
    }

    /// No message can hold it: the id follows from that of its entry, which it got after it was written.
    fn boundary(&self) -> String {
        format!("={}=", self.id)
    }

    /// It names somebody in UTF-8 (RFC 6533).
    fn is_global(&self) -> bool {
        self.to.is_utf8() || self.envelope.is_utf8()
    }

    /// The part for a person.
    fn text(&self) -> String {
        let mut out = paragraph(&format!("This is the mail system of {}.", self.host));
        let submitted = self.envelope.origin.submitted.rfc5322();
        let told = match (self.about, &self.envelope.sender) {
            (About::Failed, Some(_)) => format!(
                "Your mail of {submitted} could not be delivered to those named below, and it is not tried again."
            ),
            (About::Failed, None) => format!(
                "Mail without a sender, which most likely is a notice itself, was queued on {submitted} and could not \
                 be delivered. There is nobody but you to be told."
            ),
            (About::Delayed, _) => format!(
                "Your mail of {submitted} could not be delivered yet to those named below. You need not do anything: \
                 it is tried again{}.",
                self.until.map_or(String::new(), |until| format!(" until {}", until.rfc5322()))
            ),
            (About::Relayed, _) => format!(
                "Your mail of {submitted} was handed on for those named below, to a mail system that may not tell you \
                 what becomes of it."
            ),
            (About::Delivered, _) => format!("Your mail of {submitted} was delivered to those named below."),
        };
        out.push_str(&paragraph(&told));
        for (reason, whom) in self.by_reason() {
            for recipient in &whom {
                out.push_str(&format!("    <{recipient}>\n"));
            }
            if let Some(reason) = reason {
                out.push_str(&indented(&reason.text));
                if self.about == About::Failed {
                    out.push_str(&indented(advice(reason.status.as_deref().unwrap_or(""))));
                }
            }
            out.push('\n');
        }
        let unnamed = self.statuses.len().saturating_sub(NAMED_MAX);
        if unnamed > 0 {
            out.push_str(&paragraph(&format!("And {unnamed} more, who are named in the report beside this text.")));
        }
        out
    }

    /// The first recipients, those with the same reason together.
    fn by_reason(&self) -> Vec<(Option<&Reason>, Vec<&Address>)> {
        let mut places: BTreeMap<Option<&str>, usize> = BTreeMap::new();
        let mut groups: Vec<(Option<&Reason>, Vec<&Address>)> = Vec::new();
        for recipient in self.statuses.iter().take(NAMED_MAX) {
            let reason = recipient.reason.as_ref();
            let place = *places.entry(reason.map(|reason| reason.text.as_str())).or_insert_with(|| {
                groups.push((reason, Vec::new()));
                groups.len() - 1
            });
            if let Some((_, whom)) = groups.get_mut(place) {
                whom.push(&recipient.recipient);
            }
        }
        groups
    }

    /// The part for a program (RFC 3464 sections 2.2 and 2.3).
    fn fields(&self, out: &mut String) {
        let global = self.is_global();
        let origin = &self.envelope.origin;
        if let Some(envid) = &origin.envid {
            field(out, "Original-Envelope-Id", &decoded(envid), global);
        }
        field(out, "Reporting-MTA", &format!("dns; {}", self.host), global);
        field(out, "Arrival-Date", &origin.submitted.rfc5322(), global);
        for (n, recipient) in self.statuses.iter().enumerate() {
            let kind = if recipient.recipient.is_utf8() { "utf-8" } else { "rfc822" };
            out.push('\n');
            field(out, "Final-Recipient", &format!("{kind}; {}", recipient.recipient), global);
            field(out, "Action", self.about.name(), global);
            let status = recipient.reason.as_ref().and_then(|reason| reason.status.as_deref());
            field(out, "Status", status.unwrap_or(self.about.status()), global);
            if let Some(reason) = recipient.reason.as_ref().filter(|_| n < DIAGNOSED_MAX) {
                field(out, "Diagnostic-Code", &format!("X-Bulkmailer; {}", reason.text), global);
            }
            if let Some(at) = recipient.at {
                field(out, "Last-Attempt-Date", &at.rfc5322(), global);
            }
            field(out, "Final-Log-ID", self.envelope.id.as_str(), global);
            if let Some(until) = self.until.filter(|_| self.about == About::Delayed) {
                field(out, "Will-Retry-Until", &until.rfc5322(), global);
            }
        }
    }
}

/// What the sender can do about a failure with this status (RFC 3463).
fn advice(status: &str) -> &'static str {
    let (class, detail) = status.split_once('.').unwrap_or((status, ""));
    match detail {
        "1.1" | "1.3" | "1.6" => "Look whether the address is right, and send it again to the right one.",
        "1.2" | "1.8" | "4.4" => {
            "Look whether what stands behind the @ is right, and send it again to the right address."
        }
        "2.2" => "The mailbox is full: send it again later, or tell the recipient in another way.",
        "2.3" | "3.4" => "The message is too large: send it in parts, or without what makes it large.",
        _ if class == "4" => "The other side could not take it for too long: send it again later.",
        _ if detail.starts_with("7.") => {
            "It was refused by a rule of the other side: the text above may say which, and the postmaster there can tell."
        }
        _ => "If the text above does not tell you what to change, show this message to your postmaster.",
    }
}

/// An envelope id without its xtext encoding (RFC 3461 section 4); as it is, where that would not be printable.
fn decoded(xtext: &str) -> String {
    let mut out = String::new();
    let mut rest = xtext;
    while let Some((before, after)) = rest.split_once('+') {
        out.push_str(before);
        let code = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(code) if (33..=126).contains(&code) => out.push(char::from(code)),
            Some(_) | None => return xtext.to_owned(),
        }
        rest = &after[2..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use mailparse::MailHeaderMap;
    use proptest::prelude::*;

    use super::super::summary::summary_line;
    use super::*;
    use crate::model::envelope::Origin;

    fn envelope(sender: &str, recipients: &[&str]) -> Envelope {
        Envelope {
            id: EntryId::new(Micros(1)),
            sender: Address::sender(sender).expect("a sender"),
            recipients: recipients.iter().map(|text| text.parse().expect("an address")).collect(),
            fields: crate::model::Fields::default(),
            origin: Origin {
                submitted: Micros(1_795_526_824_000_000),
                uid: 0,
                body: None,
                notify: None,
                ret: None,
                envid: Some("a+2Bb".to_owned()),
                verp: None,
            },
        }
    }

    fn recipient(address: &str, text: &str, status: Option<&str>) -> RecipientStatus {
        let reason = Some(Reason { text: text.to_owned(), status: status.map(str::to_owned) });
        RecipientStatus {
            recipient: address.parse().expect("an address"),
            at: Some(Micros(1_795_526_825_000_000)),
            reason,
        }
    }

    fn compose(about: About, sender: &str, statuses: &[RecipientStatus], original: &str) -> String {
        let envelope = envelope(sender, &statuses.iter().map(|o| o.recipient.as_str()).collect::<Vec<_>>());
        let to = envelope.sender.clone().unwrap_or_else(|| "postmaster@h.example".parse().expect("an address"));
        let notice = Notice {
            about,
            id: &EntryId::of_key(&["n"]),
            now: Micros(1_795_526_826_000_000),
            host: "h.example",
            to: &to,
            envelope: &envelope,
            statuses,
            until: Some(Micros(1_795_999_999_000_000)),
            returned: Returned::Header,
        };
        notice.opening() + original + &notice.closing()
    }

    #[test]
    fn a_notice_has_its_three_parts_and_their_fields() {
        let statuses =
            [recipient("a@x.org", "550 5.1.1 no such user", Some("5.1.1")), recipient("b@x.org", "no", None)];
        let text = compose(About::Failed, "s@example.org", &statuses, "Subject: hi\n");
        let mail = mailparse::parse_mail(text.as_bytes()).expect("a message");
        assert_eq!(mail.headers.get_first_value("To").as_deref(), Some("<s@example.org>"));
        assert_eq!(mail.headers.get_first_value("Auto-Submitted").as_deref(), Some("auto-replied"));
        assert_eq!(mail.ctype.params["report-type"], "delivery-status");
        let kinds: Vec<&str> = mail.subparts.iter().map(|part| part.ctype.mimetype.as_str()).collect();
        assert_eq!(kinds, ["text/plain", "message/delivery-status", "text/rfc822-headers"]);
        let person = mail.subparts[0].get_body().expect("text");
        assert!(person.contains("<a@x.org>") && person.contains("Look whether the address is right"), "{person}");
        let program = mail.subparts[1].get_body().expect("text");
        let blocks: Vec<&str> = program.trim_end().split("\n\n").collect();
        assert_eq!(blocks.len(), 3, "{program}");
        for (block, expected) in [
            (0, "Original-Envelope-Id: a+b"),
            (0, "Reporting-MTA: dns; h.example"),
            (0, "Arrival-Date: "),
            (1, "Final-Recipient: rfc822; a@x.org"),
            (1, "Action: failed"),
            (1, "Status: 5.1.1"),
            (1, "Diagnostic-Code: X-Bulkmailer; 550 5.1.1 no such user"),
            (1, "Last-Attempt-Date: "),
            (2, "Status: 5.0.0"),
        ] {
            assert!(blocks[block].lines().any(|line| line.starts_with(expected)), "{expected}: {program}");
        }
        assert!(!program.contains("Will-Retry-Until"));
        assert_eq!(mail.subparts[2].get_body().expect("text").trim(), "Subject: hi");
    }

    #[test]
    fn a_delay_says_until_when_and_a_double_bounce_that_it_is_one() {
        let text = compose(About::Delayed, "s@x.org", &[recipient("a@x.org", "busy", Some("4.2.1"))], "");
        assert!(text.contains("\nAction: delayed\nStatus: 4.2.1\n") && text.contains("\nWill-Retry-Until: "), "{text}");
        let text = compose(About::Failed, "", &[recipient("a@x.org", "no", None)], "");
        assert!(text.contains("To: <postmaster@h.example>") && text.contains("but you to be told"), "{text}");
    }

    #[test]
    fn an_address_in_utf_8_makes_a_global_report() {
        let text = compose(About::Failed, "s@x.org", &[recipient("jörg@x.org", "nö", None)], "");
        let mail = mailparse::parse_mail(text.as_bytes()).expect("a message");
        assert_eq!(mail.ctype.params["report-type"], "global-delivery-status");
        assert_eq!(mail.subparts[1].ctype.mimetype, "message/global-delivery-status");
        assert!(text.contains("Final-Recipient: utf-8; jörg@x.org") && text.contains("; nö"), "{text}");
        let text = compose(About::Failed, "s@x.org", &[recipient("a@x.org", "nö", None)], "");
        assert!(text.contains("X-Bulkmailer; n?\n") && text.contains("charset=utf-8"), "{text}");
    }

    #[test]
    fn many_recipients_are_all_reported_and_not_all_named() {
        let statuses: Vec<RecipientStatus> =
            (0..1_500).map(|n| recipient(&format!("r{n}@x.org"), "no", None)).collect();
        let text = compose(About::Failed, "s@x.org", &statuses, "");
        assert_eq!(text.matches("Final-Recipient: ").count(), 1_500);
        assert_eq!(text.matches("Diagnostic-Code: ").count(), DIAGNOSED_MAX);
        assert!(text.contains("And 1400 more") && text.matches("    <r").count() == NAMED_MAX);
    }

    proptest! {
        #[test]
        fn no_text_from_outside_becomes_a_line_of_its_own(said in "[\\PC\r\n\0\t =:]{0,400}", envid in "[!-~]{1,30}") {
            let statuses = [recipient("a@x.org", &said, None)];
            let mut envelope = envelope("s@x.org", &["a@x.org"]);
            envelope.origin.envid = Some(envid);
            let id = EntryId::of_key(&["n"]);
            let notice = Notice {
                about: About::Failed, id: &id, now: Micros(1), host: "h", to: &"s@x.org".parse().expect("an address"),
                envelope: &envelope, statuses: &statuses, until: None, returned: Returned::Message,
            };
            let text = notice.opening() + &notice.closing();
            let mail = mailparse::parse_mail(text.as_bytes()).expect("a message");
            prop_assert_eq!(mail.subparts.len(), 3);
            let known = ["Original-Envelope-Id", "Reporting-MTA", "Arrival-Date", "Final-Recipient", "Action", "Status",
                "Diagnostic-Code", "Last-Attempt-Date", "Final-Log-ID"];
            for line in mail.subparts[1].get_body().expect("text").lines().filter(|line| !line.is_empty()) {
                let named = line.split_once(':').is_some_and(|(name, _)| known.contains(&name));
                prop_assert!(named || line.starts_with(' '), "{:?}", line);
            }
            prop_assert!(text.lines().all(|line| line.len() < 998));
            let line = summary_line(About::Failed, &envelope, &statuses);
            prop_assert!(!line.contains(['\n', '\r']) && line.len() < 1_300);
        }
    }
}
