//! Senders are told, once, of what failed and of what takes long; in a form that programs read.

use std::collections::BTreeMap;

use mailparse::{MailHeaderMap, ParsedMail, parse_mail};

use crate::support::{self, Site, message};

/// A notice to him waits, for the sink takes the digits for its status.
pub const SENDER: &str = "s75@example.org";

/// A site that tells senders. `extra` are more lines of the queue's table, and more tables.
pub fn site(extra: &str) -> Site {
    // The sink goes by the first recipient that it gets.
    Site::new("digits", &format!("notices = true\nmax_recipients = 1\n{extra}"))
}

/// Queues message `n` as the sendmail command does.
pub fn sendmail(site: &Site, sender: &str, options: &[&str], recipients: &[&str]) {
    let args = [&["sendmail", "-f", sender], options, &["--"], recipients].concat();
    let output = site.feed(&args, message(3).as_bytes());
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// The notices that wait: to whom, and their text.
pub fn notices(site: &Site) -> Vec<(String, String)> {
    let rows = site.list().into_iter().filter(|row| row["sender"] == "" && row["state"] == "ready");
    let shown = rows.filter(|row| row["id"].as_str().expect("an id").starts_with('k')).map(|row| {
        let text = site.ok(&["show", "--message", row["id"].as_str().expect("an id")]);
        (row["recipients"][0].as_str().expect("an address").to_owned(), text)
    });
    shown.collect()
}

/// The one notice that waits.
pub fn the_notice(site: &Site) -> String {
    let mut found = notices(site);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].0, SENDER);
    found.remove(0).1
}

pub fn kinds(mail: &ParsedMail<'_>) -> Vec<String> {
    mail.subparts.iter().map(|part| part.ctype.mimetype.clone()).collect()
}

/// The blocks of the part for programs.
pub fn blocks(mail: &ParsedMail<'_>) -> Vec<BTreeMap<String, String>> {
    let text = mail.subparts[1].get_body().expect("text");
    let block = |text: &str| {
        let (fields, _) = mailparse::parse_headers(text.as_bytes()).expect("fields");
        fields.iter().map(|field| (field.get_key(), field.get_value())).collect()
    };
    text.trim().split("\n\n").map(|text| block(&format!("{text}\n"))).collect()
}

#[test]
fn a_failure_is_told_in_three_parts() {
    let site = site("workers = 1");
    sendmail(&site, SENDER, &["-V", "order+2B17"], &["a0@x.org", "b67@x.org", "c68@y.org"]);
    site.ok(&["run"]);
    let text = the_notice(&site);
    let mail = parse_mail(text.as_bytes()).expect("a message");
    let head = |name: &str| mail.headers.get_first_value(name).expect(name);
    assert_eq!((head("To"), head("Auto-Submitted")), (format!("<{SENDER}>"), "auto-replied".to_owned()));
    assert!(head("Date").len() > 20 && head("Message-ID").starts_with("<k") && head("From").contains("MAILER-DAEMON@"));
    assert_eq!(mail.ctype.mimetype, "multipart/report");
    assert_eq!(mail.ctype.params["report-type"], "delivery-status");
    assert_eq!(kinds(&mail), ["text/plain", "message/delivery-status", "text/rfc822-headers"]);
    let person = mail.subparts[0].get_body().expect("text");
    for word in ["<b67@x.org>", "<c68@y.org>", "exit status 67 (no such user)", "not tried again"] {
        assert!(person.contains(word), "{word}: {person}");
    }
    assert!(!person.contains("a0@x.org"), "{person}");
    let blocks = blocks(&mail);
    assert_eq!(blocks.len(), 3, "{blocks:#?}");
    assert_eq!(blocks[0]["Original-Envelope-Id"], "order+17");
    assert!(blocks[0]["Reporting-MTA"].starts_with("dns; ") && blocks[0].contains_key("Arrival-Date"));
    let whom: Vec<&str> = blocks[1..].iter().map(|block| block["Final-Recipient"].as_str()).collect();
    assert_eq!(whom, ["rfc822; b67@x.org", "rfc822; c68@y.org"]);
    for block in &blocks[1..] {
        assert_eq!((block["Action"].as_str(), block["Status"].as_str()), ("failed", "5.0.0"));
        assert!(block["Diagnostic-Code"].starts_with("X-Bulkmailer; exit status 6"), "{block:?}");
        assert!(block.contains_key("Last-Attempt-Date"));
    }
    let back = mail.subparts[2].get_body().expect("text");
    assert!(back.contains("X-Number: 3\n") && !back.contains("END"), "{back}");
    // The one that failed lies there, and nobody is told twice.
    let failed = site.ids("failed");
    assert_eq!(failed.len(), 1);
    let shown = site.ok(&["show", &failed[0]]);
    assert!(shown.contains("b67@x.org: failed; the sender was told: failed\n"), "{shown}");
    assert!(shown.contains("a0@x.org: delivered, "), "{shown}");
    site.ok(&["run"]);
    the_notice(&site);
    site.assert_clean();
}

#[test]
fn the_message_comes_back_as_the_sender_wants_it() {
    let whole = "[notices]\nreturn = \"message\"";
    for (options, extra, expected) in [
        (&["-R", "full"][..], "", "message/rfc822"),
        (&["-R", "hdrs"], whole, "text/rfc822-headers"),
        (&[], whole, "message/rfc822"),
        (&["-R", "full"], "[notices]\nsize = \"20\"", "text/rfc822-headers"),
    ] {
        let site = site(extra);
        sendmail(&site, SENDER, options, &["b67@x.org"]);
        site.ok(&["run"]);
        let text = the_notice(&site);
        let mail = parse_mail(text.as_bytes()).expect("a message");
        assert_eq!(kinds(&mail)[2], expected, "{options:?}");
        let whole = mail.subparts[2].get_body().expect("text").trim_end().ends_with("END");
        assert_eq!(whole, expected == "message/rfc822", "{options:?}");
    }
}

#[test]
fn crlf_and_odd_bytes_come_back_and_nothing_of_them_ends_a_part() {
    let site = site("[notices]\nreturn = \"message\"");
    let input = b"Subject: caf\xe9\r\nX: --=k\r\n\r\n--=k=--\r\n\xff\r\n.\r\nend";
    let output = site.feed(&["submit", "-f", SENDER, "b67@x.org"], input);
    assert!(output.status.success(), "{output:?}");
    site.ok(&["run"]);
    let row = site.list().into_iter().find(|row| row["sender"] == "").expect("a notice");
    let shown = site.try_run(&["show", "--message", row["id"].as_str().expect("an id")]).stdout;
    let mail = parse_mail(&shown).expect("a message");
    assert_eq!(mail.subparts.len(), 3);
    let back = mail.subparts[2].get_body_raw().expect("bytes");
    let body = b"\n\n--=k=--\n\xff\n.\nend";
    assert!(back.windows(body.len()).any(|part| part == body), "{}", String::from_utf8_lossy(&back));
}

#[test]
fn who_did_not_ask_for_it_is_not_told() {
    for (options, told) in [
        (&["-N", "never"][..], 0),
        (&["-N", "success,delay"], 0),
        (&["-N", "failure"], 1),
        (&["-N", "delay,failure"], 1),
    ] {
        let site = site("");
        sendmail(&site, SENDER, options, &["b67@x.org"]);
        site.ok(&["run"]);
        assert_eq!((notices(&site).len(), site.ids("failed").len()), (told, 1), "{options:?}");
    }
    let site = Site::new("digits", "notices = false");
    sendmail(&site, SENDER, &[], &["b67@x.org"]);
    site.ok(&["run"]);
    assert!(notices(&site).is_empty());
}

/// Where the MTA is told what the sender asked for, it tells him; else we do.
#[test]
fn success_is_told_where_nobody_else_would() {
    for (profile, options, told) in [
        ("generic", &["-N", "success"][..], 1),
        ("generic", &[], 0),
        ("generic", &["-N", "failure"], 0),
        ("postfix", &["-N", "success"], 0),
    ] {
        let site = site("");
        let text = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("a configuration");
        site.configure(&text.replace("\"postfix\"", &format!("{profile:?}")));
        sendmail(&site, SENDER, options, &["a0@x.org", "b0@y.org"]);
        site.ok(&["run"]);
        let found = notices(&site);
        assert_eq!(found.len(), told, "{profile} {options:?}: {found:?}");
        for (_, text) in found {
            let mail = parse_mail(text.as_bytes()).expect("a message");
            let actions: Vec<String> = blocks(&mail)[1..].iter().map(|block| block["Action"].clone()).collect();
            assert_eq!(actions, ["relayed", "relayed"]);
        }
    }
}

/// The sink's trouble with one recipient keeps no word of another from the sender.
#[test]
fn who_failed_is_told_of_while_another_is_in_doubt() {
    let site = site("probe_every = 0");
    sendmail(&site, SENDER, &[], &["b67@x.org", "mute75@y.org"]);
    assert_eq!(site.try_run(&["run"]).status.code(), Some(75));
    let text = the_notice(&site);
    assert!(text.contains("b67@x.org") && !text.contains("mute75@y.org"), "{text}");
}

#[test]
fn success_is_told_once_though_another_comes_later() {
    let site = site("");
    // It refuses b@ until the file `mended` is there, and what goes to the sender for now.
    let script = format!(
        "#!/bin/sh\ncat >/dev/null\nfor to; do :; done\ncase $to in s75@*) exit 75;; esac\n\
         [ $to != b@x.org ] || [ -e {} ] || exit 67\n",
        site.path("mended").display()
    );
    support::program(&site.path("script"), &script);
    let text = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("a configuration");
    let text = text.replace("\"postfix\"", "\"generic\"");
    site.configure(&text.replace(&format!("{:?}", support::sink()), &format!("{:?}", site.path("script"))));
    sendmail(&site, SENDER, &["-N", "success,failure"], &["a@x.org", "b@x.org"]);
    let told = |whom: &str| {
        let relayed = notices(&site).into_iter().filter(|(_, text)| text.contains("Action: relayed"));
        relayed.filter(|(_, text)| text.contains(&format!("Final-Recipient: rfc822; {whom}"))).count()
    };
    // A bare 75 to the sender may be the sink's fault, so the run may say that it is down.
    site.try_run(&["run"]);
    let failed = site.ids("failed").remove(0);
    assert_eq!((told("a@x.org"), told("b@x.org")), (1, 0));
    std::fs::write(site.path("mended"), "").expect("written");
    site.ok(&["requeue", &failed]);
    site.try_run(&["run"]);
    assert_eq!((told("a@x.org"), told("b@x.org")), (1, 1));
}

#[test]
fn there_is_no_notice_of_a_notice_but_to_the_postmaster() {
    let site = site("");
    sendmail(&site, "<>", &[], &["b67@x.org"]);
    sendmail(&site, "s67@example.org", &[], &["c67@x.org"]);
    site.ok(&["run"]);
    // The two, and the notice to s67.
    assert_eq!((notices(&site).len(), site.ids("failed").len()), (0, 3));
    let with = "[notices]\npostmaster = \"p67@example.org\"";
    site.set_sink("digits", &format!("notices = true\n{with}"), "30s");
    sendmail(&site, "<>", &[], &["d67@x.org"]);
    site.ok(&["run"]);
    let to_him = site.list().into_iter().filter(|row| row["recipients"][0] == "p67@example.org").collect::<Vec<_>>();
    assert!(to_him.len() == 1 && to_him[0]["state"] == "failed", "of his own he is not told: {to_him:?}");
    let text = site.ok(&["show", "--message", to_him[0]["id"].as_str().expect("an id")]);
    assert!(text.contains("Final-Recipient: rfc822; d67@x.org"), "{text}");
    site.ok(&["run"]);
    assert_eq!((notices(&site).len(), site.ids("failed").len()), (0, 5));
    site.assert_clean();
}

/// Runs until `condition` holds.
pub fn run_until(site: &Site, what: &str, mut condition: impl FnMut(&Site) -> bool) {
    support::wait_until(what, || {
        site.ok(&["run"]);
        condition(site)
    });
}

#[test]
fn what_is_given_up_is_told_once_and_so_is_a_delay() {
    let patient = "retry = { first = \"1s\", max = \"1s\", expire = \"1w\" }\ndelay_warning = \"1s\"";
    let site = site(patient);
    sendmail(&site, SENDER, &[], &["b75@x.org", "c75@x.org"]);
    run_until(&site, "the sender is warned", |site| !notices(site).is_empty());
    let text = the_notice(&site);
    let mail = parse_mail(text.as_bytes()).expect("a message");
    let said = blocks(&mail);
    assert_eq!(said.len(), 3);
    assert_eq!((said[1]["Action"].as_str(), said[1]["Status"].as_str()), ("delayed", "4.2.1"));
    assert!(said[1].contains_key("Will-Retry-Until"), "{said:?}");
    assert_eq!(kinds(&mail)[2], "text/rfc822-headers");
    site.ok(&["flush", "-q"]);
    the_notice(&site);
    let hasty = "retry = { first = \"1s\", max = \"1s\", expire = \"1s\" }\ndelay_warning = \"1s\"";
    site.set_sink("digits", &format!("notices = true\n{hasty}"), "30s");
    site.ok(&["flush", "-q"]);
    let failed = site.list().into_iter().filter(|row| row["state"] == "failed" && row["sender"] == SENDER);
    assert_eq!(failed.count(), 1);
    let all: Vec<serde_json::Value> = site.list().into_iter().filter(|row| row["sender"] == "").collect();
    assert_eq!(all.len(), 2, "the warning and the failure: {all:#?}");
    let text: String =
        all.iter().map(|row| site.ok(&["show", "--message", row["id"].as_str().expect("an id")])).collect();
    assert!(text.contains("Action: failed\nStatus: 4.2.1\n") && text.contains("given up after "), "{text}");
    site.assert_clean();
}

#[test]
fn no_delay_is_told_where_it_is_not_wanted() {
    let patient = "retry = { first = \"1s\", max = \"1s\", expire = \"1w\" }\ndelay_warning = \"1s\"";
    let site = site(patient);
    sendmail(&site, SENDER, &["-N", "failure"], &["b75@x.org"]);
    sendmail(&site, SENDER, &["-N", "delay"], &["c75@x.org"]);
    run_until(&site, "the sender is warned", |site| !notices(site).is_empty());
    assert!(the_notice(&site).contains("c75@x.org"));
}

#[test]
fn another_queue_tells_through_the_outbound_one() {
    let site = site("");
    let text = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("a configuration");
    site.configure(&format!("{text}\n[queue.inbound]\ntransport = \"sink\"\n"));
    let output = site.feed(&["submit", "-f", SENDER, "--queue", "inbound", "b67@x.org"], message(3).as_bytes());
    assert!(output.status.success(), "{output:?}");
    site.ok(&["run"]);
    site.ok(&["run"]);
    let row = site.list().into_iter().find(|row| row["sender"] == "").expect("a notice");
    assert_eq!(row["queue"], "outbound");
    the_notice(&site);
}

#[test]
fn the_entries_of_a_batch_are_told_of_one_by_one() {
    let site = site("workers = 4");
    let mbox = site.mbox("box", 0..5);
    site.ok(&["submit", "-q", "-f", SENDER, "--mbox", mbox.to_str().expect("a path"), "b67@x.org"]);
    site.ok(&["run"]);
    assert_eq!((notices(&site).len(), site.ids("failed").len()), (5, 5));
    site.assert_clean();
}

#[test]
fn who_fails_again_after_a_requeue_is_told_of_again_and_a_removal_is_not_told() {
    let site = site("workers = 1");
    sendmail(&site, SENDER, &[], &["a0@x.org", "b67@y.org"]);
    site.ok(&["run"]);
    the_notice(&site);
    let failed = site.ids("failed").remove(0);
    site.ok(&["requeue", &failed]);
    site.ok(&["run"]);
    assert_eq!((notices(&site).len(), site.ids("failed").len()), (2, 1));
    // Neither that of one that failed, nor that of one that waits.
    sendmail(&site, SENDER, &[], &["c75@x.org"]);
    site.ok(&["run"]);
    site.ok(&["remove", "--sender", SENDER, "--yes"]);
    site.ok(&["run"]);
    assert_eq!((notices(&site).len(), site.list().len()), (2, 2));
    site.assert_clean();
    // Notices are entries like others.
    site.ok(&["remove", "--sender", "<>", "--yes"]);
    site.ok(&["run"]);
    assert!(site.list().is_empty());
    site.assert_clean();
}
