//! What a message is, and whom it tells of: samples of our own, ordinary mail, rubbish, and messages that are made to cost
//! much. The corpora of others are scored by tests/corpora/run.

use bulkmailer::bounce::{Action, Arrival, Class, MessageKind, READ_MAX, Reading, read};
use bulkmailer::model::Address;
use bulkmailer::model::envelope::VERP;
use proptest::prelude::*;

fn reading(message: &str) -> Reading {
    read(&Arrival::default(), message.replace('\n', "\r\n").as_bytes())
}

/// Whom it tells of and how, without the words.
fn told(reading: &Reading) -> Vec<(&str, Action, Option<&str>, Class)> {
    let reports = reading.reports.iter();
    reports.map(|r| (r.recipient.as_str(), r.action, r.status.as_deref(), r.class)).collect()
}

/// A report as an MTA writes it, with its fields.
fn report(text: &str, fields: &str) -> String {
    format!(
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.org (Mail Delivery System)\nTo: ann@example.org\n\
         Subject: Undelivered Mail Returned to Sender\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n\
         --b\nContent-Type: text/plain\n\n{text}\n\n--b\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mx.example.org\n\n{fields}\n\n--b\nContent-Type: message/rfc822\n\n\
         Message-ID: <1@example.org>\nTo: bob@example.com\nSubject: hello\n\nhello\n\n--b--\n"
    )
}

/// The same as words alone.
fn words(from: &str, subject: &str, text: &str) -> String {
    format!("Return-Path: <>\nFrom: {from}\nTo: ann@example.org\nSubject: {subject}\n\n{text}\n")
}

#[test]
fn ordinary_mail_is_never_a_bounce() {
    let all = include_str!("../corpora/ordinary.mbox");
    let messages: Vec<&str> = all.split("From ann@example.org Tue Nov 24 10:00:00 2026\n").skip(1).collect();
    assert!(messages.len() >= 60);
    for message in messages {
        // Also where nobody told who sent it, or somebody forged the null sender.
        for null_sender in [None, Some(false), Some(true)] {
            let arrival = Arrival { null_sender, ..Arrival::default() };
            let reading = read(&arrival, message.as_bytes());
            assert!(matches!(reading.kind, MessageKind::Ordinary | MessageKind::AutoReply), "{reading:?}\n{message}");
        }
    }
}

#[test]
fn the_fields_of_a_report_tell_each_recipient() {
    let fields = "Original-Recipient: rfc822;Bob@example.com\nFinal-Recipient: rfc822; b@mail.example.com\nAction: failed\n\
                  Status: 5.0.0\nRemote-MTA: dns; mail.example.com\n\
                  Diagnostic-Code: smtp; 550 5.1.1 <b@mail.example.com>: no such\n user here\n\n\
                  Final-Recipient: rfc822; carol@example.net\nAction: delayed\nStatus: 4.4.1\n\n\
                  Final-Recipient: rfc822; dave@example.net\nAction: relayed\nStatus: 2.1.5\n\n\
                  Final-Recipient: rfc822; eve@example.net\nAction: delivered\nStatus: 2.0.0";
    let found = reading(&report("It failed.", fields));
    assert_eq!(found.kind, MessageKind::Bounce);
    assert_eq!(found.message_id.as_deref(), Some("1@example.org"));
    assert_eq!(
        told(&found),
        [
            ("Bob@example.com", Action::Failed, Some("5.1.1"), Class::UserUnknown),
            ("carol@example.net", Action::Delayed, Some("4.4.1"), Class::Network),
            ("dave@example.net", Action::Relayed, Some("2.1.5"), Class::Unknown),
            ("eve@example.net", Action::Delivered, Some("2.0.0"), Class::Unknown),
        ]
    );
    let bob = &found.reports[0];
    assert_eq!((bob.reply, bob.remote.as_deref()), (Some(550), Some("mail.example.com")));
    assert!(bob.text.contains("no such user here"), "{}", bob.text);
}

#[test]
fn a_report_in_words_is_read_whoever_wrote_it() {
    let daemon = "Mail Delivery System <Mailer-Daemon@mx.example.org>";
    let samples: &[(String, Action, Class)] = &[
        // Exim.
        (
            words(
                daemon,
                "Mail delivery failed: returning message to sender",
                "This message was created automatically by mail delivery software.\n\nA message that you sent could not be \
                 delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  \
                 bob@example.com\n    host mx.example.com [192.0.2.1]\n    SMTP error from remote mail server after RCPT \
                 TO:<bob@example.com>:\n    552 5.2.2 Mailbox full\n\n------ This is a copy of your message, including all the \
                 headers. ------\n\nTo: carol@example.com\n",
            ),
            Action::Failed,
            Class::MailboxFull,
        ),
        (
            words(
                daemon,
                "Warning: message 1abc delayed 24 hours",
                "This message was created automatically by mail delivery software.\nA message that you sent has not yet been \
                 delivered to one or more of its\nrecipients after more than 24 hours on the queue on mx.example.org.\n\nThe \
                 address to which the message has not yet been delivered is:\n\n  bob@example.com\n    Delay reason: \
                 Connection timed out\n\nNo action is required on your part. Delivery attempts will continue for\nsome time.\n",
            ),
            Action::Delayed,
            Class::Network,
        ),
        // qmail (QSBMF).
        (
            words(
                "MAILER-DAEMON@mx.example.org",
                "failure notice",
                "Hi. This is the qmail-send program at mx.example.org.\nI'm afraid I wasn't able to deliver your message to \
                 the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work \
                 out.\n\n<bob@example.com>:\n192.0.2.1 does not like recipient.\nRemote host said: 554 5.7.1 rejected because \
                 192.0.2.9 is on the Spamhaus list\nGiving up on 192.0.2.1.\n\n--- Below this line is a copy of the \
                 message.\n\nTo: carol@example.com\n",
            ),
            Action::Failed,
            Class::Blocked,
        ),
        // Sendmail.
        (
            words(
                "Mail Delivery Subsystem <MAILER-DAEMON@mx.example.org>",
                "Returned mail: see transcript for details",
                "The original message was received at Tue, 24 Nov 2026 10:00:00 GMT\nfrom localhost\n\n   ----- The following \
                 addresses had permanent fatal errors -----\n<bob@example.com>\n    (reason: 550 Host unknown)\n\n   ----- \
                 Transcript of session follows -----\n550 5.1.2 <bob@example.com>... Host unknown (Name server: example.com: \
                 host not found)\n",
            ),
            Action::Failed,
            Class::DomainUnknown,
        ),
        // Postfix.
        (
            words(
                "MAILER-DAEMON@mx.example.org (Mail Delivery System)",
                "Undelivered Mail Returned to Sender",
                "This is the mail system at host mx.example.org.\n\nI'm sorry to have to inform you that your message could \
                 not\nbe delivered to one or more recipients. It's attached below.\n\nFor further assistance, please send \
                 mail to postmaster@example.org.\n\n                   The mail system\n\n<bob@example.com>: host \
                 mx.example.com[192.0.2.1] said: 550 5.1.1 User\n    unknown (in reply to RCPT TO command)\n",
            ),
            Action::Failed,
            Class::UserUnknown,
        ),
        // Exchange.
        (
            words(
                "System Administrator <postmaster@example.org>",
                "Undeliverable: hello",
                "Your message\n\n  To:      bob@example.com\n  Subject: hello\n  Sent:    Tue, 24 Nov 2026 10:00:00 \
                 +0000\n\ndid not reach the following recipient(s):\n\nbob@example.com on Tue, 24 Nov 2026 10:00:01 +0000\n    \
                 The recipient name is not recognized\n",
            ),
            Action::Failed,
            Class::UserUnknown,
        ),
    ];
    for (message, action, class) in samples {
        let found = reading(message);
        let brief: Vec<_> = told(&found).into_iter().map(|(who, action, _, class)| (who, action, class)).collect();
        assert_eq!(
            (found.kind, brief.as_slice()),
            (MessageKind::Bounce, [("bob@example.com", *action, *class)].as_slice())
        );
    }
}

/// Exim and OpenSMTPD say in words alone why it failed.
#[test]
fn words_tell_what_fields_leave_out() {
    let fields = |who: &str, action: &str, status: &str| {
        format!("Final-Recipient: rfc822; {who}@example.com\nAction: {action}\nStatus: {status}")
    };
    let failed = "An error has occurred while attempting to deliver a message for\n    the following list of recipients:\n\n\
                  bob@example.com: 552 5.2.2 <bob@example.com>: over quota\n\nBelow is an attachment of the message:\n";
    let found = reading(&report(failed, &fields("bob", "failed", "5.0.0")));
    assert_eq!(told(&found), [("bob@example.com", Action::Failed, Some("5.2.2"), Class::MailboxFull)]);
    assert_eq!(
        (found.reports[0].text.as_str(), found.reports[0].reply),
        ("552 5.2.2 <bob@example.com>: over quota", Some(552))
    );
    let two = "The following address(es) failed:\n\n  bob@example.com\n    Unrouteable address\n\n  al@example.com\n    \
               mailbox is full\n";
    let both = format!("{}\n\n{}", fields("bob", "failed", "5.0.0"), fields("al", "failed", "5.0.0"));
    assert_eq!(
        told(&reading(&report(two, &both))),
        [
            ("bob@example.com", Action::Failed, Some("5.0.0"), Class::UserUnknown),
            ("al@example.com", Action::Failed, Some("5.0.0"), Class::MailboxFull)
        ]
    );
    // But not whether it failed, nor what the fields say better.
    let text =
        "Your message could not be delivered to the following recipients:\n\nbob@example.com: 550 5.1.1 unknown\n";
    let found = reading(&report(text, &fields("bob", "delayed", "4.0.0")));
    assert_eq!(told(&found), [("bob@example.com", Action::Delayed, Some("4.0.0"), Class::UserUnknown)]);
    let found = reading(&report(text, &fields("bob", "failed", "5.7.26")));
    assert_eq!(told(&found), [("bob@example.com", Action::Failed, Some("5.7.26"), Class::Policy)]);
}

/// Postfix says "Recipient address rejected" before whatever the reason is.
#[test]
fn an_address_that_is_rejected_is_not_always_unknown() {
    for (said, class) in [
        ("550 5.1.1 <bob@example.com>: Recipient address rejected: User unknown", Class::UserUnknown),
        ("550 Recipient address rejected", Class::UserUnknown),
        ("554 5.7.1 <bob@example.com>: Recipient address rejected: Access denied", Class::Policy),
        ("450 4.3.2 <bob@example.com>: Recipient address rejected: Come back later", Class::System),
    ] {
        let fields = format!("Final-Recipient: rfc822; bob@example.com\nAction: failed\nDiagnostic-Code: smtp; {said}");
        assert_eq!(reading(&report("It failed.", &fields)).reports[0].class, class, "{said}");
    }
}

#[test]
fn a_name_without_a_domain_is_found_behind_lines_that_look_empty() {
    for gap in ["", "\n\n", "\u{3000}\n", "\u{3000}\u{3000}\n\u{a0}\n"] {
        let text = format!("Your mail could not be delivered to the following:\n{gap}ab\nuser unknown");
        let from = "MAILER-DAEMON@x.org\nContent-Type: text/plain; charset=utf-8";
        let found = reading(&words(from, "failure", &text));
        assert_eq!(told(&found), [("ab@x.org", Action::Failed, None, Class::UserUnknown)], "{gap:?}");
        assert_eq!(found.reports[0].text, "user unknown", "{gap:?}");
    }
}

#[test]
fn the_sender_that_verp_made_tells_who_bounced() {
    let to: Address = "news-bounce+bob=example.com@example.org".parse().expect("an address");
    let patterns = [VERP.to_owned()];
    let arrival = Arrival { null_sender: Some(true), recipient: Some(&to), verp: &patterns };
    let fields = "Final-Recipient: rfc822; robert@internal.example.net\nAction: failed\nStatus: 5.1.1";
    let found = read(&arrival, report("It failed.", fields).as_bytes());
    assert_eq!(told(&found), [("bob@example.com", Action::Failed, Some("5.1.1"), Class::UserUnknown)]);
    // Also where nothing else can be read.
    let found = read(&arrival, words("MAILER-DAEMON@example.net", "failure notice", "No.").as_bytes());
    assert_eq!(told(&found), [("bob@example.com", Action::Failed, None, Class::Unknown)]);
    // But not of a person who answers there.
    let arrival = Arrival { null_sender: Some(false), ..arrival };
    let found = read(&arrival, words("Bob <bob@example.com>", "Re: news", "Thank you!").as_bytes());
    assert_eq!((found.kind, told(&found)), (MessageKind::Ordinary, vec![]));
}

/// mlmmj's senders begin with a number, and others with what we have never seen.
#[test]
fn what_a_list_manager_puts_before_the_recipient_is_no_part_of_him() {
    let patterns = [VERP.to_owned()];
    let reported = |to: &str, recipient: &str| {
        let to: Address = to.parse().expect("an address");
        let arrival = Arrival { null_sender: Some(true), recipient: Some(&to), verp: &patterns };
        let fields = format!("Final-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.1.1");
        read(&arrival, report("It failed.", &fields).as_bytes()).reports.remove(0).recipient.as_str().to_owned()
    };
    for (to, recipient, found) in [
        ("news+bounces-1-bob=example.com@example.org", "bob@example.com", "bob@example.com"),
        ("news+bounces-12-bob=example.com@example.org", "robert@internal.example.net", "bob@example.com"),
        ("news+bounces-confsub-567ef4f3276cce8b-bob=example.com@example.org", "r@example.net", "bob@example.com"),
        ("news+b_77_bob=example.com@example.org", "Bob@example.com", "Bob@example.com"),
        ("news+bounces-bob=example.com@example.org", "r@example.net", "bounces-bob@example.com"),
        ("news+kbob=example.com@example.org", "bob@example.com", "kbob@example.com"),
    ] {
        assert_eq!(reported(to, recipient), found, "{to}");
    }
}

#[test]
fn a_complaint_names_who_complained_and_no_other_feedback_is_one() {
    let feedback = |kind: &str, more: &str| {
        format!(
            "From: fbl@example.com\nSubject: Fw: news\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: text/plain\n\nA \
             complaint.\n\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\nUser-Agent: Example/1\nVersion: \
             1\n{more}\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <2@example.org>\nTo: <bob@example.com>\nSubject: \
             news\n\nnews\n\n--b--\n"
        )
    };
    let found = reading(&feedback("abuse", "Original-Rcpt-To: <carol@example.com>\n"));
    assert_eq!((found.kind, found.message_id.as_deref()), (MessageKind::Complaint, Some("2@example.org")));
    assert_eq!(told(&found), [("carol@example.com", Action::Complaint, None, Class::Unknown)]);
    let found = reading(&feedback("abuse", ""));
    assert_eq!(told(&found), [("bob@example.com", Action::Complaint, None, Class::Unknown)]);
    assert_eq!(reading(&feedback("not-spam", "")).kind, MessageKind::Ordinary);
}

#[test]
fn what_is_made_to_cost_much_ends_with_a_verdict() {
    let nested = |depth: usize| {
        let open = |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n");
        (0..depth).map(open).collect::<String>()
    };
    let bombs = [
        nested(100_000),
        format!("Content-Type: multipart/report; boundary=b\n\n{}", "--b\n\nx\n".repeat(100_000)),
        format!(
            "Content-Type: multipart/report; boundary=b\n\n{}",
            "--b\nContent-Type: message/rfc822\n\n".repeat(100_000)
        ),
        format!("Subject: {}\n\nx", "a ".repeat(25 << 20)),
        format!("From: MAILER-DAEMON@x.org\nSubject: failure notice\n\nundeliverable to: {}", "a@".repeat(25 << 20)),
        format!("From: MAILER-DAEMON@x.org\nSubject: failure notice\n\n{}", "<a@b.org>:\n".repeat(1 << 20)),
        format!("From: MAILER-DAEMON@x.org\n\n{}", "could not be delivered to\n".repeat(1 << 19)),
        format!("From: {}\n\nx", "(".repeat(10 << 20)),
        format!("X: y\n{}", "Received: from a by b\n".repeat(1 << 20)),
        report("x", &"Final-Recipient: rfc822; a@b.org\nAction: failed\n\n".repeat(100_000)),
        format!("Content-Type: text/plain; charset=utf-7\n\n{}", "+AAA".repeat(1 << 20)),
        format!("Content-Type: text/html\nFrom: MAILER-DAEMON@x.org\n\n{}", "<".repeat(10 << 20)),
    ];
    for bomb in bombs {
        let found = read(&Arrival::default(), bomb.as_bytes());
        assert!(found.reports.len() <= 1_000);
    }
}

#[test]
fn a_report_that_is_cut_anywhere_is_read_as_far_as_it_goes() {
    let whole = report("It failed.", "Final-Recipient: rfc822; bob@example.com\nAction: failed\nStatus: 5.1.1");
    for end in 0..whole.len() {
        let found = read(&Arrival::default(), &whole.as_bytes()[..end]);
        assert!(found.reports.iter().all(|report| "bob@example.com".starts_with(report.recipient.as_str())), "{end}");
    }
    assert!(whole.len() < READ_MAX);
}

/// What texts of reports are made of, and what is near it.
const PIECES: [&str; 24] = [
    "could not be delivered to the following:",
    "The following address(es) failed:",
    "following addresses had permanent fatal errors -----",
    "Undeliverable Address:",
    "generated from",
    "has not yet been delivered",
    "----- Original message -----",
    "550 5.1.1 User unknown",
    "For help send mail to",
    "To:",
    "a@b.org",
    "<\u{e9}\u{4e2d}@\u{e9}.org>:",
    "a...@b.org",
    "SMTP:x@y.org",
    "ab",
    "\u{3000}",
    "\u{a0}",
    "\u{4e2d}",
    "\u{130}",
    "\n",
    "\n\n",
    "\t",
    " ",
    ":",
];

proptest! {
    #[test]
    fn pieces_of_reports_in_any_order_have_a_verdict(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..60),
        html in any::<bool>(),
    ) {
        let kind = if html { "html" } else { "plain" };
        let from = format!("MAILER-DAEMON@x.org\nContent-Type: text/{kind}; charset=utf-8");
        let _ = reading(&words(&from, "failure notice", &pieces.concat()));
    }

    #[test]
    fn rubbish_has_a_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = read(&Arrival::default(), &bytes);
    }

    #[test]
    fn rubbish_in_the_form_of_a_report_has_a_verdict(
        text in "[ -~\n\t<>@:;\u{e9}\u{4e2d}]{0,400}",
        fields in "[ -~\n<>@:;]{0,200}",
        verp in "[a-z+=@.{}-]{0,40}",
    ) {
        let to: Option<Address> = verp.parse().ok();
        let patterns = [VERP.to_owned(), verp];
        let arrival = Arrival { null_sender: Some(true), recipient: to.as_ref(), verp: &patterns };
        let _ = read(&arrival, report(&text, &fields).as_bytes());
        let _ = read(&arrival, words("MAILER-DAEMON@x.org", "failure notice", &text).as_bytes());
    }
}
