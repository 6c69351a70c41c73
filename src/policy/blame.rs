//! Whom a refusal blames: the message, its sender, or this host that hands it over.
//!
//! A server that has cut this host off (a quota is used up, an account is blocked, a name or an address is not liked) uses the
//! codes with which others refuse a mailbox. Only its words tell them apart. They are matched as phrases, in text from which
//! addresses, host names and numbers were taken out: nobody's address can put words into a server's mouth.
//!
//! A wrong guess does little harm either way. What is taken for the message's fault fails, as the server says; what is taken
//! for ours is deferred, and stops the queue only if nothing else is accepted meanwhile. So where a mailbox or a content may
//! be meant, it is.

mod phrases;

use std::hash::{DefaultHasher, Hash, Hasher};

use self::phrases::{ACCOUNT, ACCOUNT_IS, HELO_IS, HOST, MESSAGE, NOT_LET_IN, QUOTA, RELAY, THEIR_QUOTA};
use crate::model::Reason;
use crate::model::verdict::Blame;

/// Whom a permanent reply to MAIL blames; `None` for the message, whose size or kind is refused.
pub fn refused_sender(code: u16, reason: &Reason) -> Option<Blame> {
    let (subject, detail) = parts(reason);
    let words = words(&reason.text);
    let account = || words.contains("account") && has(&words, ACCOUNT_IS);
    if is_quota(&words) || has(&words, HOST) || is_helo(&words) {
        return Some(Blame::Us);
    }
    if NOT_LET_IN.contains(&code) || has(&words, ACCOUNT) || account() {
        return Some(Blame::Account);
    }
    if code == 552 || subject == "6" || (subject == "3" && detail == "4") || (subject == "2" && detail == "3") {
        return None;
    }
    Some(if subject == "1" { Blame::Sender } else { Blame::Either })
}

/// Whom a permanent reply to RCPT, to DATA or to the message blames, or a command that refused it; `None` for the message
/// or its recipient. `code` is 0 where a command told none.
pub fn refused_later(code: u16, reason: &Reason) -> Option<Blame> {
    let words = words(&reason.text);
    if is_quota(&words) {
        return Some(Blame::Us);
    }
    let (subject, _) = parts(reason);
    // The recipient's address and mailbox (RFC 3463 sections 3.2 and 3.3).
    let theirs = matches!(subject, "1" | "2") || has(&words, MESSAGE);
    if (!theirs && has(&words, HOST)) || is_helo(&words) {
        return Some(Blame::Us);
    }
    if NOT_LET_IN.contains(&code) || (!theirs && has(&words, ACCOUNT)) {
        return Some(Blame::Account);
    }
    has(&words, RELAY).then_some(Blame::Either)
}

/// Whom a reply to MAIL blames that says "not now".
pub fn deferred_sender(reason: &Reason) -> Blame {
    let (subject, _) = parts(reason);
    let words = words(&reason.text);
    let ours = is_quota(&words) || has(&words, HOST) || has(&words, ACCOUNT) || is_helo(&words);
    if matches!(subject, "1" | "7") && !ours { Blame::Sender } else { Blame::Sink }
}

/// A number that refusals for good of one cause share: that of their code, status and blame. Words vary with the message.
pub fn cause(code: u16, reason: &Reason, blame: Blame) -> u64 {
    let mut hasher = DefaultHasher::new();
    (code, &reason.status, blame as u8).hash(&mut hasher);
    hasher.finish()
}

/// A number that refusals for now share that say the same.
pub fn cause_by_words(reason: &Reason) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&reason.status, words(&reason.text)).hash(&mut hasher);
    hasher.finish()
}

/// Subject and detail of the enhanced status (RFC 3463 section 2).
fn parts(reason: &Reason) -> (&str, &str) {
    let mut parts = reason.status.as_deref().unwrap_or("").split('.').skip(1);
    (parts.next().unwrap_or(""), parts.next().unwrap_or(""))
}

fn is_quota(words: &str) -> bool {
    has(words, QUOTA) && !has(words, THEIR_QUOTA)
}

fn is_helo(words: &str) -> bool {
    words.split(' ').any(|word| word == "helo" || word == "ehlo") && has(words, HELO_IS)
}

/// Whether one of the phrases is there, from the beginning of a word on.
fn has(words: &str, phrases: &[&str]) -> bool {
    let begins = |at: usize| at == 0 || words.as_bytes()[at - 1] == b' ';
    phrases.iter().any(|phrase| words.match_indices(phrase).any(|(at, _)| begins(at)))
}

/// The plain words of a text, in small letters, with one space between them: no addresses, host names, numbers or ids.
fn words(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for word in text.split([' ', '/', '(', ')', '[', ']', '-']) {
        let word = word.trim_matches(|c: char| c.is_ascii_punctuation() && !matches!(c, '<' | '>' | '@'));
        let odd = |c: char| matches!(c, '<' | '>' | '@' | '.' | '=' | '_' | ':') || c.is_ascii_digit();
        if word.is_empty() || word.contains(odd) {
            continue;
        }
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.extend(word.chars().filter(|&c| c != '\'').flat_map(char::to_lowercase));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Reason {
        let status = text.split(' ').nth(1).filter(|word| word.split('.').count() == 3);
        Reason::new(text).with_status(status.map(str::to_owned))
    }

    fn code(text: &str) -> u16 {
        text[..3].parse().expect("a code")
    }

    fn at_mail(text: &str) -> Option<Blame> {
        refused_sender(code(text), &reason(text))
    }

    fn at_rcpt(text: &str) -> Option<Blame> {
        refused_later(code(text), &reason(text))
    }

    fn is_ours(blame: Option<Blame>) -> bool {
        blame.is_some_and(Blame::is_ours)
    }

    #[test]
    fn words_about_account_quota_name_or_address_blame_us() {
        for text in [
            "550 5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits go to",
            "550 5.4.5 Daily SMTP relay limit exceeded for customer.",
            "554 5.7.0 Your message could not be sent. The limit on the number of allowed outgoing messages was exceeded.",
            "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
            "550 5.2.2 Submission quota exceeded",
            "552 5.2.2 Daily sending quota exceeded",
            "550 5.7.1 You have exceeded the maximum number of messages allowed per day",
            "550 5.4.5 Mail rate limit exceeded. Try again later",
            "550 5.7.1 You have used up your free quota this month",
            "554 Transaction failed: Daily message quota exceeded.",
            "554 Message rejected: Sending suspended for this account. For more information, please check the inbox of",
            "554 Sending paused for this account. For more information, please check the inbox of the email address",
            "550 Domain example.org has exceeded the max emails per hour (150/150 (100%)) allowed.",
            "550 Outgoing mail from <news@example.org> has been suspended",
            "550 User news@example.org has exceeded its 24-hour sending limit. Messages to 250 recipients out of 250",
            "550 5.4.6 Unusual sending activity detected. Please try after sometime",
            "550 5.1.8 Access denied, bad outbound sender AS(42004)",
            "550 5.7.705 Access denied, tenant has exceeded threshold",
            "550 5.7.57 Client not authenticated to send mail. Error: 535 5.7.3 Authentication unsuccessful",
            "550 5.7.1 Your account has been placed under review",
            "530 5.7.0 Must issue a STARTTLS command first",
            "504 5.5.2 <laptop>: Helo command rejected: need fully-qualified hostname",
            "550 5.7.1 <host.example.org[192.0.2.1]>: Client host rejected: cannot find your reverse hostname",
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; see https://x/",
            "550 5.7.511 Access denied, banned sender. Your IP was blocked",
            "535 5.7.8 nothing that we know of",
        ] {
            assert!(is_ours(at_mail(text)), "{text}");
            // At RCPT an address is the recipient's (RFC 3463 section 3.2).
            assert!(is_ours(at_rcpt(text)) || text.contains("5.1.8"), "{text}");
        }
        for text in ["550 5.7.1 Account suspended", "550 5.7.502 The account has been banned"] {
            assert_eq!((at_mail(text), at_rcpt(text)), (Some(Blame::Account), None), "{text}");
        }
    }

    #[test]
    fn a_mailbox_and_a_content_are_the_entrys() {
        for text in [
            "550 5.1.1 <r@example.net>: Recipient address rejected: User unknown in virtual mailbox table",
            "552 5.2.2 <r@example.net> Quota exceeded (mailbox for user is full)",
            "550 5.2.1 The email account that you tried to reach is disabled.",
            "550 5.1.1 <helo.daily.limit@example.net> no such user",
            "550 5.1.1 User helo unknown",
            "550 5.7.1 <x@y>: 'your account' <sending limit@example.net> does not exist",
            "550 5.2.122 The recipient has exceeded their limit for the number of messages they can receive per hour",
            "550 recipient has exceeded daily limit",
            "552 5.2.2 daily quota for this user exceeded",
            "550 5.1.1 account has been blocked",
            "550 No such account here; this account is blocked",
            "550 Recipient has blacklisted you",
            "550 5.2.1 blocked for inactivity",
            "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check",
            "452 4.2.2 The email account that you tried to reach is over quota",
            "554 5.7.1 Message rejected as spam by content filter",
            "554 5.7.1 Message blocked by content filter: blacklisted words",
            "554 5.7.1 blocked using SpamAssassin",
            "554 5.7.1 suspected phishing: 'verify your account'",
            "554 5.7.1 it contains a link to a blacklisted domain",
            "550 5.7.27 the IP address that sent this message is not in the SPF record",
            "550 5.7.1 Sender domain listed in dnsbl",
            "554 5.4.6 Routing loop detected at this IP address",
            "550 5.7.1 Our system has detected that this message is likely unsolicited mail",
            "554 5.6.0 message contains a URL that is blacklisted by SURBL",
            "550 5.7.26 This mail is unauthenticated, which poses a security risk (DMARC)",
            "552 5.3.4 Message size exceeds fixed limit",
            "550 Account disabled",
            "550 5.0.0 never",
        ] {
            assert_eq!(at_rcpt(text), None, "{text}");
        }
        assert_eq!(at_mail("552 5.3.4 Message size exceeds fixed limit"), None);
        assert_eq!(at_rcpt("554 5.7.1 <r@example.net>: Relay access denied"), Some(Blame::Either));
    }

    #[test]
    fn a_reply_to_mail_may_mean_the_sender() {
        assert_eq!(
            at_mail("550 5.1.8 <u@bad.example>: Sender address rejected: Domain not found"),
            Some(Blame::Sender)
        );
        assert_eq!(at_mail("550 Sender verify failed"), Some(Blame::Either));
        assert_eq!(at_mail("550 5.7.1 no"), Some(Blame::Either));
        let later = |text: &str| deferred_sender(&reason(text));
        assert_eq!(later("451 4.1.8 <u@bad.example>: Sender address rejected: Domain not found"), Blame::Sender);
        assert_eq!(later("450 4.7.1 Sender is greylisted"), Blame::Sender);
        let of_sink =
            ["451 try later", "452 4.3.1 no room", "421 4.4.2 bye", "450 4.7.1 Error: too much mail from 192.0.2.1"];
        for text in of_sink {
            assert_eq!(later(text), Blame::Sink, "{text}");
        }
    }

    #[test]
    fn one_cause_has_one_number_whoever_is_named() {
        let of = |text: &str| cause(code(text), &reason(text), Blame::Either);
        let one = of("550 5.7.1 <u@bad1.example>: rejected (ref gxkq)");
        assert_eq!(one, of("550 5.7.1 User kim may not send"));
        for other in ["553 5.7.1 <u@bad1.example>: rejected", "550 5.7.2 <u@bad1.example>: rejected", "550 rejected"] {
            assert_ne!(one, of(other), "{other}");
        }
        assert_ne!(one, cause(550, &reason("550 5.7.1 x"), Blame::Us));
        let said = |text: &str| cause_by_words(&reason(text));
        assert_eq!(
            said("451 4.1.8 <u@bad1.example>: Domain bad1.example is away (1k1)"),
            said("451 4.1.8 Domain is away")
        );
        assert_ne!(said("451 4.1.8 Domain is away"), said("451 4.1.8 Domain is late"));
    }
}
