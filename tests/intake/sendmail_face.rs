//! The sendmail command's face: by its names and as `bulkmailer sendmail`, with the options of Postfix's sendmail(1).

use std::os::unix::fs::symlink;
use std::process::{Command, Output};

use crate::support::{Site, feed, message};

/// The program under the name `name`, as a host that has installed it as its sendmail command calls it.
fn face(site: &Site, name: &str, args: &[&str], input: &[u8]) -> Output {
    let link = site.path(name);
    if !link.exists() {
        symlink(env!("CARGO_BIN_EXE_bulkmailer"), &link).expect("a link");
    }
    let mut command = Command::new(link);
    command
        .args(args)
        .env("BULKMAILER_SPOOL", site.path("spool"))
        .env("BULKMAILER_CONFIG", site.path("bulkmailer.toml"));
    feed(command, input)
}

/// Queues a message, which must be done without a word; the row that `list` has for it.
fn queued(site: &Site, args: &[&str], input: &[u8]) -> serde_json::Value {
    let before = site.ids("ready");
    let output = face(site, "sendmail", args, input);
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{args:?}: {output:?}");
    let mut new =
        site.list().into_iter().filter(|row| !before.contains(&row["id"].as_str().expect("an id").to_owned()));
    let row = new.next().unwrap_or_else(|| panic!("{args:?}: nothing was queued"));
    assert!(new.next().is_none(), "{args:?}: more than one was queued");
    row
}

fn show(site: &Site, row: &serde_json::Value) -> (serde_json::Value, String) {
    let id = row["id"].as_str().expect("an id");
    (serde_json::from_str(&site.ok(&["show", "--json", id])).expect("JSON"), site.ok(&["show", "--message", id]))
}

#[test]
fn every_option_of_postfix_is_honoured_or_harmless() {
    let site = Site::new("ok", "");
    for args in [
        "-Am",
        "-Ac",
        "-A m",
        "-B 8BITMIME",
        "-B7BIT",
        "-bm",
        "-C /etc/postfix",
        "-C/etc/postfix/main.cf",
        "-F Name",
        "-FName",
        "-f x@example.org",
        "-fx@example.org",
        "-G",
        "-h 9",
        "-h9",
        "-i",
        "-L label",
        "-m",
        "-N success,delay",
        "-Nnever",
        "-n",
        "-oAhash:/etc/aliases",
        "-O a=b",
        "-Oa=b",
        "-o7",
        "-o8",
        "-oi",
        "-om",
        "-oem",
        "-odb",
        "-o x=y",
        "-r x@example.org",
        "-R hdrs",
        "-Rfull",
        "-U",
        "-V envid",
        "-XV",
        "-XV+=",
        "-V +=",
        "-X /tmp/log",
        "-c",
        "-em",
        "-e m",
        "-p esmtp",
        "-x",
        "-s",
        "-ti",
        "-it",
        "-iUmn",
    ] {
        let args: Vec<&str> = args.split(' ').chain(["--", "r@example.net"]).collect();
        let row = queued(&site, &args, format!("To: r@example.net\n{}", message(1)).as_bytes());
        assert_eq!(row["recipients"], serde_json::json!(["r@example.net"]), "{args:?}");
    }
}

#[test]
fn what_is_unknown_or_makes_no_sense_is_refused() {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    let before = site.tree();
    for args in [
        "-Z r@example.net",
        "--recipients r@example.net",
        "-bq",
        "-bx r@example.net",
        "-f",
        "-B 9BIT r@example.net",
        "-N never,success r@example.net",
        "-R some r@example.net",
        "-q r@example.net",
        "-bp r@example.net",
        "-bi r@example.net",
        "-bs r@example.net",
        "-bd r@example.net",
        "-bv -t",
        "-bv",
        "-i",
        "",
        "-qI../x",
        "-qIX",
    ] {
        let args: Vec<&str> = args.split(' ').filter(|arg| !arg.is_empty()).collect();
        let output = face(&site, "sendmail", &args, message(2).as_bytes());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{args:?}: {output:?}");
        assert!(said.lines().count() == 1 && output.stdout.is_empty(), "{args:?}: {output:?}");
    }
    assert_eq!(site.tree(), before);
}

#[test]
fn what_the_envelope_was_told_is_kept() {
    let site = Site::new("ok", "");
    let args =
        ["-f", "s@example.org", "-N", "success,failure", "-R", "HDRS", "-V", "Id+1", "-B", "8bitmime", "r@example.net"];
    let (shown, _) = show(&site, &queued(&site, &args, message(1).as_bytes()));
    for (key, value) in [
        ("sender", "s@example.org"),
        ("notify", "success,failure"),
        ("ret", "hdrs"),
        ("envid", "Id+1"),
        ("body", "8BITMIME"),
    ] {
        assert_eq!(shown[key], value, "{shown}");
    }
    for null in ["<>", ""] {
        assert_eq!(queued(&site, &["-f", null, "r@example.net"], message(1).as_bytes())["sender"], "");
    }
    // One argument may name several.
    let row = queued(&site, &["a@x.org, B <b@x.org>", "-i", "c@x.org"], message(1).as_bytes());
    assert_eq!(row["recipients"], serde_json::json!(["a@x.org", "b@x.org", "c@x.org"]));
}

#[test]
fn recipients_of_the_header_and_of_the_arguments_add_up() {
    let site = Site::new("ok", "");
    let text = format!("To: a@x.org\nCc: G: b@x.org, c@x.org;\nBcc: d@x.org\n{}", message(1));
    let row = queued(&site, &["-t", "-oi", "e@x.org", "a@x.org"], text.as_bytes());
    assert_eq!(row["recipients"], serde_json::json!(["e@x.org", "a@x.org", "b@x.org", "c@x.org", "d@x.org"]));
    assert!(!show(&site, &row).1.contains("d@x.org"), "Bcc is removed");
    // Without -t, Bcc is removed as well, and names nobody.
    let row = queued(&site, &["e@x.org"], text.as_bytes());
    assert!(row["recipients"] == serde_json::json!(["e@x.org"]) && !show(&site, &row).1.contains("d@x.org"));
}

#[test]
fn a_missing_from_has_the_name_that_was_given() {
    let site = Site::new("ok", "");
    for (args, from) in [
        (&["-F", "Mara M.", "-f", "m@example.org", "r@x.org"][..], "From: \"Mara M.\" <m@example.org>\n"),
        (&["-F", "Jörg", "-r", "j@example.org", "r@x.org"], "From: =?UTF-8?Q?J=C3=B6rg?= <j@example.org>\n"),
        (&["-F", "a\"\r\nEvil: 1", "-f", "m@example.org", "r@x.org"], "<m@example.org>\n"),
        (&["-f", "<>", "r@x.org"], "From: Mail Delivery System <MAILER-DAEMON@"),
    ] {
        let text = show(&site, &queued(&site, args, b"Subject: x\n\nbody\n")).1;
        let lines: Vec<&str> = text.split_inclusive('\n').filter(|line| line.starts_with("From: ")).collect();
        assert!(lines.len() == 1 && lines[0].contains(from), "{text}");
        assert!(!text.contains("\nEvil") && text.contains("\nDate: ") && text.contains("\nMessage-ID: <"), "{text}");
    }
    // One that is there stays as it is.
    let text = show(&site, &queued(&site, &["-F", "Other", "r@x.org"], b"From: x@example.org\n\nbody\n")).1;
    assert!(text.contains("From: x@example.org\n") && !text.contains("Other"), "{text}");
}

#[test]
fn a_lone_dot_ends_the_message_unless_told_otherwise() {
    let site = Site::new("ok", "");
    let text = format!("{}.\nafter\n", message(1));
    let body = |args: &[&str]| show(&site, &queued(&site, args, text.as_bytes())).1;
    assert!(body(&["r@x.org"]).ends_with("END\n"));
    for args in [&["-i", "r@x.org"][..], &["-oi", "r@x.org"], &["-ti", "r@x.org"]] {
        assert!(body(args).ends_with("END\n.\nafter\n"), "{args:?}");
    }
}

#[test]
fn bytes_stay_as_they_are() {
    let site = Site::new("ok", "");
    for text in [
        &b"From: x@x.org\r\nDate: x\r\nMessage-ID: <1@x>\r\n\r\n\xff\0\r\nno end"[..],
        b"From: x@x.org\nDate: x\nMessage-ID: <1@x>\n\n",
    ] {
        let row = queued(&site, &["-i", "r@x.org"], text);
        let shown = site.try_run(&["show", "--message", row["id"].as_str().expect("an id")]).stdout;
        assert!(shown.ends_with(text), "{}", String::from_utf8_lossy(&shown));
    }
}

#[test]
fn the_queue_is_listed_and_flushed_as_by_other_programs_of_this_name() {
    let retry = "retry = { first = \"1d\", max = \"1d\" }";
    let site = Site::new("exit=75", retry);
    for (name, args) in [("mailq", &[][..]), ("sendmail", &["-bp"])] {
        assert_eq!(String::from_utf8_lossy(&face(&site, name, args, b"").stdout), "The queue is empty.\n");
    }
    let [one, two, three] = [(1, "r1@x.org"), (2, "r2@y.org"), (3, "r3@z.org")].map(|(n, to)| site.submit(n, &[to]));
    site.ok(&["run"]);
    let listed = face(&site, "mailq", &[], b"");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(text == site.ok(&["list"]) && text.contains(&one) && text.contains("-- 3 entries"), "{text}");
    site.set_sink("ok", retry, "30s");
    let left = || site.ids("ready");
    for (args, gone) in [(format!("-qI{one}"), &one), ("-qRy.org".to_owned(), &two), ("-q".to_owned(), &three)] {
        assert!(left().contains(gone));
        let output = face(&site, "sendmail", &[&args], b"");
        assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{args}: {output:?}");
        assert!(!left().contains(gone), "{args}");
    }
    assert!(left().is_empty() && site.deliveries().len() == 3);
    assert_eq!(face(&site, "sendmail", &[&format!("-qI{one}")], b"").status.code(), Some(1), "it is gone");
}

#[test]
fn modes_that_queue_nothing() {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    let before = site.tree();
    for (name, args) in [
        ("sendmail", &["-bi"][..]),
        ("sendmail", &["-I"]),
        ("newaliases", &[]),
        ("sendmail", &["-bh"]),
        ("sendmail", &["-bH"]),
    ] {
        let output = face(&site, name, args, b"");
        assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    }
    for args in [&["-bd"][..], &["-bd", "-q30m"], &["-q30m", "-bl"]] {
        let output = face(&site, "sendmail", args, b"");
        assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("no daemon"), "{output:?}");
    }
    let output = face(&site, "sendmail", &["-bv", "a@x.org", "b@x.org"], b"");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).lines().count() == 2, "{output:?}");
    assert_eq!(face(&site, "sendmail", &["-bv", "a b@x.org"], b"").status.code(), Some(65));
    assert_eq!(site.tree(), before);
}

#[test]
fn the_command_of_our_own_name_takes_the_same_and_the_place_before_it() {
    let site = Site::new("ok", "");
    let output = site.feed(&["sendmail", "-v", "-h", "9", "r@x.org"], message(1).as_bytes());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said == format!("queued as {}\n", site.ids("ready")[0]), "{output:?}");
    let help = Command::new(env!("CARGO_BIN_EXE_bulkmailer")).args(["sendmail", "--help"]).output().expect("it ends");
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("sendmail(1)"), "{help:?}");
}
