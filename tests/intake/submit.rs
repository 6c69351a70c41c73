//! `submit`: one message or many, kept byte for byte but for the fields that are added and Bcc.

use std::os::unix::fs::symlink;
use std::path::Path;

use bulkmailer::model::EntryId;
use bulkmailer::spool::names::EntryName;

use crate::support::{self, Site, message};

/// The message that is kept of `input`, behind our Received field.
fn kept(site: &Site, args: &[&str], input: &[u8]) -> Vec<u8> {
    let output = site.feed(&[&["submit", "-f", "s@example.org"], args].concat(), input);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let id = String::from_utf8(output.stdout).expect("an id");
    let shown = site.try_run(&["show", "--message", id.trim()]);
    assert!(shown.status.success(), "{shown:?}");
    let text = shown.stdout;
    assert!(text.starts_with(b"Received: by "), "{}", String::from_utf8_lossy(&text));
    // It has two lines.
    let end = text.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).expect("two lines").0;
    text[end + 1..].to_vec()
}

/// A header that lacks nothing.
const HEAD: &[u8] = b"From: s@example.org\nDate: Tue, 24 Nov 2026 12:00:00 +0000\nMessage-ID: <1@example.org>\n";

#[test]
fn every_byte_of_a_complete_message_stays() {
    let site = Site::new("ok", "");
    let crlf = String::from_utf8_lossy(HEAD).replace('\n', "\r\n").into_bytes();
    for (name, text) in [
        ("8-bit", [HEAD, b"Subject: caf\xe9\n\n\xff\xfe caf\xc3\xa9\n"].concat()),
        ("NUL in the body", [HEAD, b"\na\0b\0\n"].concat()),
        ("CRLF", [&crlf, &b"X: y\r\n\tz\r\n\r\nbody\r\nmore\n\rend\r\n"[..]].concat()),
        ("no newline at the end", [HEAD, b"\nbody"].concat()),
        ("no body", [HEAD, b"\n"].concat()),
        ("folds, odd names, empty fields", [HEAD, b"x-odd : a\n \n\tb\nEmpty:\nDate-Line:x\n\nbody\n"].concat()),
        ("dots", [HEAD, b"\n.\n..\n.x\n.\r\nafter\n"].concat()),
        ("From lines", [HEAD, b"\nFrom here\n>From there\n"].concat()),
        ("a long line", [HEAD, b"\n", &b"x".repeat(300_000)[..], b"\n"].concat()),
        ("a large body", [HEAD, b"\n", &b"0123456789abcde\n".repeat(200_000)[..]].concat()),
    ] {
        let got = kept(&site, &["r@example.net"], &text);
        assert!(got == text, "{name}: {:?}", String::from_utf8_lossy(&got[..got.len().min(400)]));
    }
}

#[test]
fn what_lacks_a_part_gets_it() {
    let site = Site::new("ok", "");
    for (input, end) in [
        (&b"just text\nmore\n"[..], "\n\njust text\nmore\n"),
        (b"\nbody\n", "\n\nbody\n"),
        (b"Subject: x", "\n\n"),
        (b"Subject: x\nno field\n", "\n\nno field\n"),
        (b"From mara Tue Nov 24\nSubject: x\n\nbody\n", "\n\nbody\n"),
    ] {
        let got = String::from_utf8(kept(&site, &["r@example.net"], input)).expect("text");
        let (header, body) = got.split_once("\n\n").expect("an empty line");
        assert_eq!(format!("\n\n{body}"), end, "{got}");
        for field in ["From: ", "Date: ", "Message-ID: <"] {
            assert_eq!(header.lines().filter(|line| line.starts_with(field)).count(), 1, "{got}");
        }
        assert_eq!(header.contains("Subject: x"), input.windows(8).any(|part| part == b"Subject:"), "{got}");
        assert!(!header.contains("\nFrom mara") && !header.starts_with("From mara"), "{got}");
    }
    // Line ends of our own fields are the message's.
    let got = kept(&site, &["r@example.net"], b"Subject: x\r\n\r\nbody\r\n");
    assert!(!String::from_utf8(got).expect("text").replace("\r\n", "").contains('\n'));
}

/// The recipients that the only entry of a fresh site has after this submit.
fn recipients(args: &[&str], input: &[u8]) -> Vec<String> {
    let site = Site::new("ok", "");
    kept(&site, args, input);
    let row = &site.list()[0];
    row["recipients"].as_array().expect("a list").iter().map(|r| r.as_str().expect("text").to_owned()).collect()
}

#[test]
fn recipients_from_the_header() {
    let text = b"To: One <one@x.org>, \"Two, Mr.\" <two@x.org>,\n\t(a (nested) note) three@x.org\nTo: Four:four@x.org, five@x.org;,\n six@x.org\n\
        CC: =?utf-8?q?Seven=2C_eight?= <seven@x.org>\nBcc: nine@x.org,\n ten@x.org\nbcc: \nSubject: to eleven@x.org\n\nTo: twelve@x.org\n";
    let expected = ["one", "two", "three", "four", "five", "six", "seven", "nine", "ten"].map(|n| format!("{n}@x.org"));
    assert_eq!(recipients(&["-t"], text), expected);
    // Those that are arguments count besides, each once.
    assert_eq!(recipients(&["-t", "zero@x.org", "ten@x.org"], text)[..2], ["zero@x.org", "ten@x.org"]);
    assert_eq!(recipients(&["-t", "zero@x.org", "ten@x.org"], text).len(), 10);
    // Without -t the header names nobody.
    assert_eq!(recipients(&["zero@x.org"], text), ["zero@x.org"]);
    // Of a message that is sent on, those of the resending (RFC 5322 section 3.6.6).
    let resent = b"Resent-To: a@x.org\nResent-Bcc: b@x.org\nTo: c@x.org\n\nx\n";
    assert_eq!(recipients(&["-t"], resent), ["a@x.org", "b@x.org"]);
}

#[test]
fn blind_copies_stay_blind() {
    let site = Site::new("ok", "");
    let text = [HEAD, b"To: a@x.org\nBcc: secret@x.org,\n secret2@x.org\nX-Bcc: stays\nbCC: secret3@x.org\nResent-Bcc: secret4@x.org\n\nx\n"].concat();
    for args in [&["-t"][..], &["a@x.org"]] {
        let got = String::from_utf8(kept(&site, args, &text)).expect("text");
        assert_eq!(got, String::from_utf8([HEAD, b"To: a@x.org\nX-Bcc: stays\n\nx\n"].concat()).expect("text"));
    }
}

#[test]
fn senders() {
    let site = Site::new("ok", "");
    let own =
        String::from_utf8(std::process::Command::new("id").arg("-un").output().expect("id").stdout).expect("text");
    for (args, sender) in
        [(&["-f", "s@x.org"][..], "s@x.org"), (&["-f", "<s@x.org>"], "s@x.org"), (&["-f", "<>"], ""), (&["-f", ""], "")]
    {
        let args = [&["submit", "r@x.org"], args].concat();
        let output = site.feed(&args, message(1).as_bytes());
        let id = String::from_utf8(output.stdout).expect("an id");
        let row = site.list().into_iter().find(|row| row["id"] == id.trim()).expect("it is queued");
        assert_eq!(row["sender"], sender);
    }
    let output = site.feed(&["submit", "r@x.org"], message(1).as_bytes());
    assert!(output.status.success(), "{output:?}");
    let senders: Vec<_> = site.list().into_iter().map(|row| row["sender"].as_str().expect("text").to_owned()).collect();
    assert_eq!(senders.iter().filter(|sender| **sender == own.trim()).count(), 1, "{senders:?}");
}

#[test]
fn an_answer_that_cannot_be_written_is_no_failure() {
    let site = Site::new("ok", "");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let input = std::fs::File::open(site.mbox("box", 1..2)).expect("a file");
    let mut command = site.command(&["submit", "--mbox", "-"]);
    let output = command.stdin(input).stdout(full).output().expect("it ends");
    assert!(output.status.success() && !output.stderr.is_empty(), "{output:?}");
    assert_eq!(site.list().len(), 1);
}

#[test]
fn an_mbox_is_queued_and_what_is_bad_in_it_is_named() {
    let site = Site::new("ok", "workers = 2");
    let mut text = String::new();
    for n in 0..30 {
        let to = if n == 13 { "nobody at all".to_owned() } else { format!("r{n}@example.net") };
        text.push_str(&format!("From s{n}@example.org Tue\nTo: {to}\n{}>From the body\n\n", message(n)));
    }
    let output = site.feed(&["submit", "--mbox", "-", "--json"], text.as_bytes());
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.lines().count() == 1 && said.contains("message 14 (From s13@example.org): not queued: bad address"),
        "{said}"
    );
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&told["queued"], &told["refused"]), (&29.into(), &1.into()));
    let row = site.list().into_iter().find(|row| row["recipients"][0] == "r5@example.net").expect("it is queued");
    assert_eq!(row["sender"], "s5@example.org");
    assert!(site.ok(&["show", "--message", row["id"].as_str().expect("an id")]).ends_with("END\nFrom the body\n"));
    site.ok(&["flush", "-q"]);
    assert!(site.list().is_empty());
}

#[test]
fn groups_of_an_mbox_become_visible_whole() {
    let site = Site::new("ok", "");
    let mbox = site.mbox("box", 0..2_500);
    let child = site.start(&["submit", "--mbox", mbox.to_str().expect("a path")]);
    let mut seen = std::collections::BTreeSet::new();
    support::wait_until("all are queued", || {
        let jobs = std::fs::read_dir(site.path("spool/outbound/jobs")).into_iter().flatten().flatten();
        let counts = jobs.map(|job| std::fs::read_dir(job.path().join("ready/0")).expect("a folder").count());
        let count: usize = counts.sum();
        seen.insert(count);
        count == 2_500
    });
    assert!(child.wait_with_output().expect("it ends").status.success());
    assert!(seen.iter().all(|count| [0, 1_000, 2_000, 2_500].contains(count)), "{seen:?}");
    // Killed in the middle of a group, nothing of that group is there.
    let site = Site::new("ok", "");
    let (mut child, group) = (site.command(&["submit", "--mbox", "-"]), std::fs::read(&mbox).expect("a file"));
    let mut child = child.stdin(std::process::Stdio::piped()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, &group[..group.len() / 10]).expect("it reads");
    support::wait_until("it writes", || {
        let tmp = std::fs::read_dir(site.path("spool/outbound/tmp")).into_iter().flatten().flatten();
        tmp.filter(|entry| entry.path().join("ready/0").is_dir()).count() == 1
    });
    child.kill().expect("it lives");
    child.wait().expect("it ends");
    assert!(site.list().is_empty());
    site.ok(&["run"]);
    assert!(site.deliveries().is_empty());
    site.assert_clean();
}

#[test]
fn the_batches_of_an_mbox_keep_its_order() {
    let site = Site::new("ok", "");
    let mbox = site.mbox("box", 0..2_500);
    let told = site.json(&["submit", "--json", "--mbox", mbox.to_str().expect("a path")]);
    let batches: Vec<EntryId> = serde_json::from_value(told["batches"].clone()).expect("ids");
    assert!(batches.len() == 3 && batches.is_sorted());
    assert!(batches.iter().all(|id| id.submission() == batches[0].submission()));
    let mut names: Vec<EntryName> = site.files("/ready/0/").iter().map(|path| name_of(path)).collect();
    names
        .sort_by_key(|name| (batches.iter().position(|id| Some(id.as_str()) == job_of(name)), name.id.number_in_job()));
    assert_eq!(names.len(), 2_500);
    assert!(names.is_sorted_by_key(|name| name.due), "what was given later is due later");
    let other = site.json(&["submit", "--json", "--mbox", site.mbox("other", 0..3).to_str().expect("a path")]);
    assert_ne!(other["batches"][0].as_str().expect("an id")[11..], *batches[0].submission());
}

fn name_of(path: &Path) -> EntryName {
    EntryName::parse(&path.file_name().expect("a name").to_string_lossy()).expect("an entry")
}

fn job_of(name: &EntryName) -> Option<&str> {
    name.id.job().map(|(job, _)| job)
}

#[test]
fn recipients_as_arguments_replace_those_of_an_mbox() {
    let site = Site::new("ok", "");
    let mbox = site.mbox("box", 0..3);
    let mbox = mbox.to_str().expect("a path");
    site.ok(&["submit", "-q", "--mbox", mbox, "all@example.net"]);
    assert!(site.list().iter().all(|row| row["recipients"] == serde_json::json!(["all@example.net"])));
    let both = Site::new("ok", "");
    both.ok(&["submit", "-q", "-t", "--mbox", mbox, "-f", "list@example.org", "all@example.net"]);
    assert!(both.list().iter().all(|row| row["recipients"].as_array().is_some_and(|r| r.len() == 2)));
    assert!(both.list().iter().all(|row| row["sender"] == "list@example.org"));
}

#[test]
fn what_is_no_mbox_is_not_taken_for_one() {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    let before = site.tree();
    let single = format!("Subject: one\n\nbody\n\nFrom s@example.org Tue\nTo: r@example.net\n{}", message(2));
    for (args, input, code, words) in [
        (&["--mbox", "-"][..], single.as_str(), 65, "does not begin with a 'From ' line"),
        (&["--mbox", "-"], "", 65, "it holds no message"),
        (&["--mbox", "/nonexistent/box"], "", 66, "cannot open: No such file"),
        (&["--maildir", "/nonexistent/Maildir"], "", 66, "cannot open: No such file"),
    ] {
        let output = site.feed(&[&["submit"], args].concat(), input.as_bytes());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && said.lines().count() == 1 && said.contains(words), "{output:?}");
    }
    assert_eq!(site.tree(), before);
}

#[test]
fn a_maildir_is_queued_and_stays() {
    let site = Site::new("ok", "workers = 2");
    for folder in ["tmp", "new", "cur"] {
        std::fs::create_dir_all(site.path("Maildir").join(folder)).expect("a folder");
    }
    let at = |name: &str| site.path("Maildir").join(name);
    for n in 0..20 {
        let folder = if n % 2 == 0 { "new" } else { "cur" };
        let text = format!("Return-Path: <s{n}@example.org>\nTo: r{n}@example.net\n{}", message(n));
        std::fs::write(at(&format!("{folder}/{n}.host:2,S")), text).expect("written");
    }
    std::fs::write(at("tmp/half"), "To: x@example.net\n\nx\n").expect("written");
    std::fs::write(at("new/bad"), "To: nobody at all\n\nx\n").expect("written");
    symlink(at("cur/1.host:2,S"), at("new/link")).expect("a link");
    let output = site.try_run(&["submit", "--maildir", at("").to_str().expect("a path")]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.lines().count() == 2 && said.contains("new/bad: not queued") && said.contains("new/link: not queued"),
        "{said}"
    );
    assert!(site.list().iter().all(|row| row["sender"].as_str().is_some_and(|sender| sender.starts_with('s'))));
    site.ok(&["run"]);
    site.assert_each_once(0..20);
    assert_eq!(["new", "cur", "tmp"].map(|name| std::fs::read_dir(at(name)).expect("a folder").count()), [12, 10, 1]);
}
