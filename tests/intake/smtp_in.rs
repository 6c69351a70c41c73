//! `sendmail -bs`: programs that speak only SMTP hand mail in; what the session promises holds whoever is killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Output, Stdio};

use crate::support::hosts::{self, Plain};
use crate::support::{self, Site, message, wait_until};

/// Limits that a test can reach.
pub const LIMITS: &str = "[limits]\nmin_free = \"0\"\nmessage = \"1M\"\nheader = \"4K\"\nrecipients = 300\n";
pub const SERVE: [&str; 2] = ["sendmail", "-bs"];

pub fn limited() -> Site {
    let site = Site::new("ok", "");
    let text = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&text.replace("[limits]\nmin_free = \"0\"\n", LIMITS));
    site
}

/// A message as it goes over the wire.
fn content(text: &str) -> String {
    format!("{}.\r\n", text.replace("\n.", "\n..").replace('\n', "\r\n"))
}

/// The whole transaction of message `n`, all sent at once.
fn transaction(n: u32) -> String {
    let group = format!("MAIL FROM:<sender@example.org>\r\nRCPT TO:<r{n}@example.net>\r\nDATA\r\n");
    group + &content(&message(n))
}

/// A session that sends everything at once; what it is answered from EHLO's reply on, each reply's first two words.
fn session(site: &Site, args: &[&str], commands: &str) -> (Vec<String>, Output) {
    let output = site.feed(args, format!("EHLO client.example.org\r\n{commands}").as_bytes());
    (replies(&output), output)
}

fn replies(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stdout.clone()).expect("ASCII");
    let last = |line: &&str| line.as_bytes().get(3) != Some(&b'-');
    let words = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    text.lines().filter(last).skip(2).map(words).collect()
}

fn shown(site: &Site, id: &str) -> (serde_json::Value, String) {
    let text = site.try_run(&["show", "--message", id]).stdout;
    (serde_json::from_str(&site.ok(&["show", "--json", id])).expect("JSON"), String::from_utf8(text).expect("text"))
}

/// A session at work.
struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Session {
    fn start(site: &Site) -> Session {
        let mut command = site.command(&SERVE);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("piped")));
        let mut session = Session { child, input, output };
        assert!(session.line().starts_with("220 "));
        session
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("readable");
        line
    }

    fn send(&mut self, bytes: &str) {
        self.input.as_mut().expect("open").write_all(bytes.as_bytes()).expect("it reads");
    }

    /// Sends EHLO and message `n`'s envelope, and is told to go on.
    fn begin(&mut self, n: u32) {
        let all = transaction(n);
        self.send(&format!("EHLO c\r\n{}", &all[..all.find("DATA\r\n").expect("DATA") + 6]));
        while !self.line().starts_with("354 ") {}
    }
}

#[test]
fn what_was_sent_is_what_is_queued() {
    let site = limited();
    let text = "Subject: x\nFrom: \"A\" <a@example.org>\n\n.\n..\nbody \u{e9}\n";
    let mail = "MAIL FROM:<s@example.org> BODY=8BITMIME RET=HDRS ENVID=a+2Bb SIZE=60\r\nRCPT TO:<a@x.org>\r\n\
                RCPT TO:<b@x.org>\r\nDATA\r\n";
    let (got, output) = session(&site, &SERVE, &format!("{mail}{}QUIT\r\nNOOP\r\n", content(text)));
    assert_eq!(got, ["250 2.1.0", "250 2.1.5", "250 2.1.5", "354 End", "250 2.0.0", "221 2.0.0"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let id = site.ids("ready").remove(0);
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("queued as {id}\r\n")), "{output:?}");
    let (envelope, stored) = shown(&site, &id);
    for (key, value) in [("sender", "s@example.org"), ("ret", "hdrs"), ("envid", "a+b"), ("body", "8BITMIME")] {
        assert_eq!(envelope[key], value, "{envelope}");
    }
    let row = site.list().remove(0);
    assert_eq!(row["recipients"], serde_json::json!(["a@x.org", "b@x.org"]));
    assert!(stored.starts_with("Received: from client.example.org\n\tby "), "{stored}");
    assert!(stored.contains(&format!("\n\twith ESMTP id {id}; ")) && !stored.contains('\r'), "{stored}");
    let (head, body) = stored.split_once("\n\n").expect("a body");
    assert_eq!(body, ".\n..\nbody \u{e9}\n");
    assert!(
        head.contains("\nDate: ") && head.contains("\nMessage-ID: <") && head.contains("<a@example.org>"),
        "{head}"
    );
    // HELO is SMTP without extensions; an empty message is a message.
    let helo = "HELO [192.0.2.1]\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.org>\r\nDATA\r\n.\r\nQUIT\r\n";
    assert!(site.feed(&SERVE, helo.as_bytes()).status.success());
    let id = site.ids("ready").into_iter().find(|other| *other != id).expect("a second one");
    let (_, stored) = shown(&site, &id);
    assert!(stored.contains("from [192.0.2.1]\n") && stored.contains("with SMTP id"), "{stored}");
    assert!(stored.contains("\nFrom: Mail Delivery System <MAILER-DAEMON@") && stored.ends_with("\n\n"), "{stored}");
    site.assert_clean();
}

#[test]
fn recipients_that_differ_in_notify_get_entries_of_their_own() {
    let site = limited();
    let mail = "MAIL FROM:<s@example.org>\r\nRCPT TO:<a@x.org>\r\nRCPT TO:<b@x.org> NOTIFY=NEVER\r\nRCPT TO:<c@x.org>\r\n\
                RCPT TO:<d@x.org> NOTIFY=DELAY,FAILURE\r\nRCPT TO:<e@x.org> NOTIFY=failure,delay\r\nDATA\r\n";
    let (got, output) = session(&site, &SERVE, &format!("{mail}Subject: x\r\n\r\nhello\r\n.\r\n"));
    assert_eq!(got.last().map(String::as_str), Some("250 2.0.0"), "{output:?}");
    let mut found: Vec<(String, String)> = Vec::new();
    let mut ids = std::collections::HashSet::new();
    for row in site.list() {
        let (envelope, text) = shown(&site, row["id"].as_str().expect("an id"));
        assert!(text.ends_with("\n\nhello\n"), "{text}");
        ids.insert(text.lines().find(|line| line.starts_with("Message-ID: ")).expect("one").to_owned());
        let names = row["recipients"].as_array().expect("a list").iter().filter_map(|name| name.as_str());
        found.push((envelope["notify"].as_str().unwrap_or("").to_owned(), names.collect::<Vec<_>>().join(" ")));
    }
    found.sort();
    let expected = [("", "a@x.org c@x.org"), ("failure,delay", "d@x.org e@x.org"), ("never", "b@x.org")];
    assert_eq!(found, expected.map(|(notify, names)| (notify.to_owned(), names.to_owned())));
    assert_eq!(ids.len(), 1, "one message has one id: {ids:?}");
    // A fault in the content leaves none of them.
    let before = site.tree();
    let (got, _) = session(&site, &SERVE, &format!("{mail}x\n.\r\n.\r\n"));
    assert_eq!((got.last().map(String::as_str), site.tree()), (Some("550 5.6.11"), before));
    site.assert_clean();
}

#[test]
fn what_cannot_be_taken_is_refused_and_the_next_is_taken() {
    let site = limited();
    let many = |count: u32| (0..count).map(|n| format!("RCPT TO:<a{n}@x.org>\r\n")).collect::<String>();
    let with = |text: &str| format!("MAIL FROM:<s@x.org>\r\nRCPT TO:<r@x.org>\r\nDATA\r\n{text}\r\n.\r\n");
    for (commands, reply) in [
        (with(&format!("A: b\r\n\r\n{}", "0123456789abcde\r\n".repeat(65_500))), "250 2.0.0"),
        (with(&format!("A: b\r\n\r\n{}", "0123456789abcdef\r\n".repeat(1 << 16))), "552 5.3.4"),
        (with(&format!("A: {}\r\n\r\nx", "x".repeat(5_000))), "552 5.3.4"),
        (with(&format!("{}\r\nx", "Received: by x\r\n".repeat(51))), "554 5.4.6"),
        (with("A: b\0\r\n\r\nx"), "550 5.6.0"),
        (with("A: b\r\n\r\nx\0y"), "550 5.6.0"),
        ("MAIL FROM:<s@x.org> SIZE=1048577\r\n".to_owned(), "552 5.3.4"),
        (format!("MAIL FROM:<s@x.org>\r\n{}", many(301)), "452 4.5.3"),
        (format!("NOOP {}\r\n", "x".repeat(100_000)), "500 5.5.2"),
        ("NOOP a\0b\r\n".to_owned(), "500 5.5.2"),
        ("RCPT TO:<\u{e9}@x.org>\r\n".to_owned(), "553 5.6.7"),
    ] {
        let before = site.ids("ready").len();
        let (got, output) = session(&site, &SERVE, &format!("{commands}RSET\r\n{}", transaction(1)));
        let from_end = got.len() - 6;
        let what = &commands[..commands.len().min(60)];
        assert_eq!(got[from_end..], [reply, "250 2.0.0", "250 2.1.0", "250 2.1.5", "354 End", "250 2.0.0"], "{what}");
        assert!(output.status.success() && output.stderr.is_empty(), "{what}");
        assert_eq!(site.ids("ready").len() - before, 1 + usize::from(reply == "250 2.0.0"), "{what}");
    }
    site.assert_clean();
}

#[test]
fn a_disk_that_is_nearly_full_is_said_at_mail() {
    let site = limited();
    let text = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&text.replace("min_free = \"0\"", "min_free = \"1000000G\""));
    let (got, output) = session(&site, &SERVE, "MAIL FROM:<a@b>\r\nNOOP\r\n");
    assert!(got == ["452 4.3.1", "250 2.0.0"] && output.status.success(), "{output:?}");
    assert!(site.list().is_empty());
}

#[test]
fn without_a_configuration_the_client_is_told_and_so_is_the_host() {
    let site = Site::new("ok", "");
    site.configure("nonsense = 1\n");
    let output = site.feed(&SERVE, b"");
    assert!(output.stdout.starts_with(b"421 4.3.5 ") && output.stdout.ends_with(b"\r\n"), "{output:?}");
    assert!(output.status.code() == Some(78) && output.stderr.starts_with(b"bulkmailer: "), "{output:?}");
}

#[test]
fn mail_is_there_as_soon_as_it_is_said_and_the_session_goes_on() {
    let site = Site::new("ok", "");
    let mut session = Session::start(&site);
    for n in 1..4 {
        session.begin(n);
        assert_eq!(site.list().len(), n as usize - 1);
        session.send(&content(&message(n)));
        assert!(session.line().starts_with("250 2.0.0 queued as "));
        assert_eq!(site.list().len(), n as usize);
    }
    site.ok(&["run"]);
    site.assert_each_once(1..4);
}

#[test]
fn who_vanishes_in_the_content_leaves_nothing() {
    for kill in [false, true] {
        let site = Site::new("ok", "");
        site.submit(1, &["r1@example.net"]);
        let before = site.tree();
        let mut session = Session::start(&site);
        session.begin(2);
        session.send(content(&message(2)).trim_end_matches(".\r\n"));
        if kill {
            session.child.kill().expect("it lives");
        }
        drop(session.input.take());
        let status = session.child.wait().expect("it ends");
        assert_eq!(status.success(), !kill, "{status}");
        assert_eq!(site.tree(), before);
        site.assert_clean();
    }
}

#[test]
fn term_ends_a_session_between_two_messages() {
    let site = Site::new("ok", "");
    let mut waiting = Session::start(&site);
    let mut busy = Session::start(&site);
    busy.begin(1);
    for session in [&waiting, &busy] {
        support::signal("TERM", session.child.id());
    }
    assert!(waiting.line().starts_with("421 4.3.2 "));
    assert!(waiting.child.wait().expect("it ends").success());
    busy.send(&(content(&message(1)) + &transaction(2)));
    assert!(busy.line().starts_with("250 2.0.0 "));
    assert!(busy.line().starts_with("421 4.3.2 ") && busy.line().is_empty());
    assert!(busy.child.wait().expect("it ends").success());
    assert_eq!(site.list().len(), 1);
}

#[test]
fn a_run_is_kicked_for_mail_that_comes_in() {
    let site = Site::new("ok", "kick = true");
    let mut session = Session::start(&site);
    session.begin(1);
    session.send(&content(&message(1)));
    wait_until("it is delivered while the session waits", || site.deliveries().len() == 1);
    for n in 2..6 {
        session.send(&transaction(n));
    }
    session.send("QUIT\r\n");
    let mut said = String::new();
    session.output.read_to_string(&mut said).expect("text");
    assert_eq!(said.matches("250 2.0.0 queued").count(), 5, "{said}");
    wait_until("the others are", || site.deliveries().len() == 5);
    support::crash::wait_for_the_lock(&site);
    site.assert_each_once(1..6);
}

#[test]
fn a_plain_users_mail_goes_through_drop() {
    let site = Site::new("ok", "");
    if !hosts::is_root() {
        eprintln!("skipped: only root can act as another user");
        return;
    }
    let plain = Plain::new();
    std::fs::create_dir(site.path("spool")).expect("a folder");
    for (path, mode) in [("spool", 0o711), ("", 0o711), ("bulkmailer.toml", 0o644)] {
        chmod(&site.path(path), mode);
    }
    std::fs::create_dir(site.path("spool/drop")).expect("a folder");
    chmod(&site.path("spool/drop"), 0o3733);
    let mut command = plain.command("0", &SERVE);
    command.env("BULKMAILER_SPOOL", site.path("spool")).env("BULKMAILER_CONFIG", site.path("bulkmailer.toml"));
    let differing = transaction(2).replace("DATA\r\n", "RCPT TO:<n2@example.net> NOTIFY=NEVER\r\nDATA\r\n");
    let bad = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\n.\r\n.\r\n";
    let wire = format!("EHLO c\r\n{}{bad}{differing}QUIT\r\n", transaction(1));
    let output = support::feed(command, wire.as_bytes());
    let done = replies(&output).iter().filter(|reply| *reply == "250 2.0.0").count();
    assert!(output.status.success() && output.stderr.is_empty() && done == 2, "{output:?}");
    let dropped = std::fs::read_dir(site.path("spool/drop")).expect("drop/").count();
    assert_eq!(dropped, 3);
    #[cfg(feature = "faults")]
    for fault in ["drop.create:2=eio", "drop.written:2=enospc", "drop.sync=eio"] {
        let mut command = plain.command("0", &SERVE);
        command.env("BULKMAILER_SPOOL", site.path("spool")).env("BULKMAILER_CONFIG", site.path("bulkmailer.toml"));
        command.env("BULKMAILER_FAULT", fault);
        let output = support::feed(command, format!("EHLO c\r\n{differing}").as_bytes());
        let reply = if fault.contains("eio") { "451 4.3.0" } else { "452 4.3.1" };
        assert_eq!(replies(&output).last().map(String::as_str), Some(reply), "{fault}: {output:?}");
        let dropped = std::fs::read_dir(site.path("spool/drop")).expect("drop/").count();
        assert_eq!(dropped, 3, "{fault}: all of a message or none of it");
    }
    site.ok(&["run"]);
    let found = site.deliveries();
    assert_eq!(found.len(), 3);
    for (n, to) in [(1, "r1"), (2, "r2"), (2, "n2")] {
        assert_eq!(found.get(&(n, format!("{to}@example.net"))), Some(&1), "{to}");
    }
    site.assert_clean();
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("a mode");
}

#[cfg(feature = "faults")]
mod faults {
    use super::*;
    use crate::support::crash::{self, Trap};

    /// Three messages in one session, the second for two entries.
    fn three() -> String {
        let differing = transaction(2).replace("DATA\r\n", "RCPT TO:<n2@example.net> NOTIFY=NEVER\r\nDATA\r\n");
        format!("{}{differing}{}QUIT\r\n", transaction(1), transaction(3))
    }

    fn run(site: &Site, trap: &Trap) -> (Vec<String>, Output) {
        let output = support::feed(trap.set(site.command(&SERVE)), format!("EHLO c\r\n{}", three()).as_bytes());
        (replies(&output), output)
    }

    fn messages(site: &Site) -> Vec<u32> {
        site.ok(&["run"]);
        let mut found: Vec<u32> = site.deliveries().into_keys().map(|(n, _)| n).collect();
        crash::assert_no_surplus(site, "delivered");
        found.sort_unstable();
        found
    }

    #[test]
    fn what_was_said_to_be_queued_is_queued_wherever_it_is_killed() {
        for point in crash::points(&["publish.", "batch."]) {
            for count in 1..=2 {
                let what = format!("killed at {} (passing {count})", point.name);
                let site = Site::new("ok", "");
                let trap = Trap::new(&site, &format!("{}:{count}", point.name));
                let (got, output) = run(&site, &trap);
                assert_eq!(trap.was_met(), crash::was_killed(&output), "{what}: {output:?}");
                assert!(count > 1 || trap.was_met(), "{what}: nobody came there");
                site.assert_clean();
                // Said, in their order; the one in hand may be there and not be said. The second is two, or none.
                let said = got.iter().filter(|reply| *reply == "250 2.0.0").count();
                let found = messages(&site);
                let whole = [&[][..], &[1], &[1, 2, 2], &[1, 2, 2, 3]];
                let there = whole.iter().position(|all| *all == found).unwrap_or_else(|| panic!("{what}: {found:?}"));
                assert!(there == said || there == said + 1, "{what}: {said} were said and {there} are there");
            }
        }
    }

    #[test]
    fn a_failed_step_is_said_leaves_nothing_and_the_session_goes_on() {
        for point in crash::points(&["publish.", "batch."]).into_iter().filter(|point| point.fails) {
            for (error, reply) in [("eio", "451 4.3.0"), ("enospc", "452 4.3.1")] {
                let what = format!("{error} at {}", point.name);
                let site = Site::new("ok", "");
                let trap = Trap::new(&site, &format!("{}={error}", point.name));
                let (got, output) = run(&site, &trap);
                assert!(trap.was_met() && output.status.success(), "{what}: {output:?}");
                assert_eq!(got.iter().filter(|got| *got == reply).count(), 1, "{what}: {got:?}");
                assert_eq!(got.iter().filter(|got| *got == "250 2.0.0").count(), 2, "{what}: {got:?}");
                assert_eq!(
                    (got.last().map(String::as_str), crash::lines_said(&output)),
                    (Some("221 2.0.0"), 1),
                    "{what}"
                );
                crash::assert_tmp_is_empty(&site, &what);
                let expected = if point.name.starts_with("batch.") { vec![1, 3] } else { vec![2, 2, 3] };
                assert_eq!(messages(&site), expected, "{what}");
                site.assert_clean();
            }
        }
    }
}
