//! What comes from outside is harmless where it is shown: to a terminal, a log, cron's mail. It moves no cursor, turns no
//! text around and begins no line; and programs that read JSON lose nothing of it.

use std::process::Output;

use serde_json::Value;

use crate::support::{self, Site, message};

/// One of each kind, and how it is spelled.
const BAD: &str = "\u{1b}]0;title\u{7}\u{7f}\u{9b}31m\u{61c}\u{200f}\u{202e}gpj\u{2067}\u{2028}";
const SPELLED: &str = r"\u001b]0;title\u0007\u007f\u009b31m\u061c\u200f\u202egpj\u2067\u2028";

/// Asserts that nothing a terminal obeys is in what was printed.
#[track_caller]
fn assert_harmless(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8(text).expect("UTF-8");
    let marks = "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
    let bad = |c: char| (c.is_control() && c != '\n' && c != '\t') || marks.contains(c);
    assert!(!text.contains(bad), "{text:?}");
    text
}

#[track_caller]
fn harmless(site: &Site, args: &[&str]) -> String {
    let output = site.try_run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    assert_harmless(&output)
}

fn submit(site: &Site, args: &[&str], message: &[u8]) -> String {
    let output = site.feed(&[&["submit", "-f", "a@example.org"], args].concat(), message);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("an id").trim().to_owned()
}

#[test]
fn a_header_is_shown_and_not_obeyed() {
    let site = Site::new("ok", "");
    let text = format!("Subject: {BAD}\r\nX-Tab:\ta\tb\r\n\tfolded\r\nX-Bare: a\rb\r\n\r\nbody {BAD}\r\n");
    let id = submit(&site, &["r@example.net"], text.as_bytes());
    let shown = harmless(&site, &["show", &id]);
    assert!(shown.contains(&format!("\nSubject: {SPELLED}\n")), "{shown}");
    // The end of a line is no noise, what is within one is shown.
    assert!(shown.contains("\nX-Tab:\ta\tb\n\tfolded\nX-Bare: a\\u000db\n"), "{shown}");
    let json: Value = serde_json::from_str(&harmless(&site, &["show", "--json", &id])).expect("JSON");
    assert!(json["header"].as_str().expect("a header").contains(&format!("Subject: {BAD}\r\nX-Tab:\ta")), "{json}");
    // Byte for byte.
    let whole = site.try_run(&["show", "-m", &id]);
    assert!(whole.stdout.ends_with(format!("body {BAD}\r\n").as_bytes()), "{whole:?}");
}

#[test]
fn an_address_and_a_reason_are_shown_and_not_obeyed() {
    let site = Site::new("ok", "");
    let program = site.path("program");
    let says = "printf '550 5.1.1 no \\342\\200\\256resu\\033[2J\\302\\233m'";
    support::program(&program, &format!("#!/bin/sh\ncat > /dev/null\n{says}\nexit 67\n"));
    site.configure(&format!(
        "[limits]\nmin_free = 0\n[queue.outbound]\ntransport = \"t\"\nnotices = false\n[transport.t]\nkind = \"pipe\"\n\
         command = [{:?}, \"--\", \"{{recipients}}\"]\nprofile = \"generic\"\n",
        program.display().to_string()
    ));
    let whom = "r\u{202e}moc\u{2066}@example.net";
    let id = submit(&site, &["--", whom], message(1).as_bytes());
    for args in [&["list"][..], &["show", &id], &["list", "--json"], &["status"]] {
        harmless(&site, args);
    }
    harmless(&site, &["run"]);
    let listed = harmless(&site, &["list"]);
    assert!(listed.contains(r"r\u202emoc\u2066@example.net") && listed.contains(r"no \u202eresu [2J"), "{listed}");
    assert!(site.list()[0]["reason"].as_str().expect("a reason").contains("no \u{202e}resu"), "nothing is lost");
    assert_eq!(site.list()[0]["recipients"][0], whom);
    // The events, which people grep on a terminal.
    let day = std::fs::read_dir(site.path("spool/events")).expect("events").flatten().next().expect("a day").path();
    let events = std::fs::read_to_string(day).expect("text");
    assert!(
        events.contains(r#""recipient":"r\u202emoc\u2066@example.net""#) && !events.contains('\u{202e}'),
        "{events}"
    );
    assert_eq!(site.events()[0]["recipient"], whom);
    harmless(&site, &["show", &id]);
}

#[test]
fn a_job_is_called_something_harmless_and_cannot_forge_a_line() {
    let site = Site::new("ok", "");
    std::fs::write(site.path("list"), "r@example.net\n").expect("written");
    let list = site.path("list").display().to_string();
    for bad in [BAD, "two\nlines", "a\tb", "a\u{202e}b", "\u{7f}"] {
        let args = ["submit", "-f", "a@example.org", "--recipients", &list, "--job-name", bad];
        let output = site.feed(&args, message(1).as_bytes());
        assert_eq!(output.status.code(), Some(64), "{bad:?}: {output:?}");
        let said = assert_harmless(&output);
        assert!(said.lines().count() == 1 && said.contains("control character"), "{said}");
    }
    let args = ["--recipients", &list, "--job-name", "Zażółć 🦀"];
    let job = submit(&site, &args, message(1).as_bytes());
    assert!(harmless(&site, &["jobs", "list"]).contains("  Zażółć 🦀\n"));
    // Whoever may write in the spool may call it anything.
    let file = site.path("spool/outbound/jobs").join(&job).join("job.json");
    let forged = format!("a{BAD}\n{job} outbound  ended  another\tname");
    let mut text: Value = serde_json::from_str(&std::fs::read_to_string(&file).expect("a job")).expect("JSON");
    let name = text.pointer_mut("/post/name").or(None);
    match name {
        Some(name) => *name = forged.clone().into(),
        None => text["name"] = forged.clone().into(),
    }
    std::fs::write(&file, text.to_string()).expect("written");
    let listed = harmless(&site, &["jobs", "list"]);
    assert!(listed.lines().count() == 2 && listed.contains(SPELLED) && listed.contains(r"\u000a"), "{listed}");
    let shown = harmless(&site, &["jobs", "show", &job]);
    assert_eq!(shown.lines().filter(|line| line.contains("another")).count(), 1, "{shown}");
    let json: Value = serde_json::from_str(&harmless(&site, &["jobs", "list", "--json"])).expect("JSON");
    assert_eq!(json["name"], forged);
}

#[test]
fn names_of_files_are_shown_and_not_obeyed() {
    let site = Site::new("ok", "");
    site.submit(1, &["r@example.net"]);
    let corrupt = site.path("spool/outbound/corrupt");
    std::fs::create_dir_all(&corrupt).expect("a folder");
    let name = "x\n-- 9 entries, 1K\u{1b}[2J\u{202e}";
    std::fs::write(corrupt.join(name), format!("{BAD}\nsecond\r\n")).expect("a file");
    std::fs::write(site.path("spool/outbound/ready").join("odd\u{1b}c"), "").expect("a file");
    let listed = harmless(&site, &["list", "--state", "corrupt"]);
    assert!(listed.contains(r"x\u000a-- 9 entries, 1K\u001b[2J\u202e"), "{listed}");
    let shown = harmless(&site, &["show", name]);
    assert!(shown.ends_with(&format!("\n{SPELLED}\nsecond\n")), "{shown}");
    let check = site.try_run(&["check"]);
    assert!(assert_harmless(&check).contains(r"odd\u001bc: "), "{check:?}");
    assert_harmless(&site.try_run(&["check", "--json"]));
    // What a person types, or a script passes on.
    for args in
        [&["show", BAD][..], &["jobs", "show", BAD], &[BAD], &["submit", "--at", BAD, "r@x.org"], &["run", "-Q", BAD]]
    {
        let output = site.try_run(args);
        let said = assert_harmless(&output);
        assert!(!output.status.success() && said.lines().count() == 1, "{args:?}: {said}");
    }
    let missing = format!("/nowhere/{BAD}\nbulkmailer: all is well");
    for args in
        [&["submit", "--mbox", &missing][..], &["bounces", "parse", &missing], &["suppress", "import", &missing]]
    {
        let said = assert_harmless(&site.try_run(args));
        assert!(said.lines().count() == 1 && said.contains(r"\u000abulkmailer"), "{args:?}: {said}");
    }
}

#[test]
fn the_ledger_is_shown_and_not_obeyed() {
    let site = Site::new("ok", "");
    let row = serde_json::json!({ "address": "b@example.net", "why": format!("{BAD}\nc@example.net  since ever") });
    let output = site.feed(&["suppress", "import", "-"], format!("{row}\n").as_bytes());
    assert!(output.status.success(), "{output:?}");
    let listed = harmless(&site, &["suppress", "list"]);
    assert!(listed.lines().count() == 1 && listed.contains(SPELLED), "{listed}");
    for form in [&["suppress", "list", "--json"][..], &["suppress", "export"], &["suppress", "export", "--json"]] {
        harmless(&site, form);
    }
    let json: Value = serde_json::from_str(&harmless(&site, &["suppress", "list", "--json"])).expect("JSON");
    assert_eq!(json["why"], row["why"]);
    let report = format!(
        "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n{BAD}\n--b\n\
         Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\nFinal-Recipient: rfc822; z@example.net\nAction: failed\n\
         Status: 5.1.1\nDiagnostic-Code: smtp; 550 =?utf-8?Q?=E2=80=AEunknown?=\n\n--b--\n"
    );
    let queue = "[queue.bounce]\ntransport = \"sink\"\n";
    let text = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&format!("{text}{queue}"));
    let args = ["submit", "-q", "--queue", "bounce", "-f", "", "list@example.org"];
    assert!(site.feed(&args, report.as_bytes()).status.success());
    harmless(&site, &["run"]);
    for args in [
        &["bounces", "list"][..],
        &["bounces", "list", "--json"],
        &["bounces", "export"],
        &["bounces", "show", "z@example.net"],
        &["bounces", "show", "--json", "z@example.net"],
    ] {
        assert!(harmless(&site, args).contains(r"\u202eunknown"), "{args:?}");
    }
    assert_harmless(&site.feed(&["bounces", "parse"], report.as_bytes()));
}

#[test]
fn a_configuration_is_quoted_and_not_obeyed() {
    let site = Site::new("ok", "");
    let texts = [
        "\"a\\u001b[2J\\nb\" = 1\n".to_owned(),
        format!("[queue.{:?}]\n", "\u{202e}x"),
        "[queue.outbound]\ntransport = \"\\u001b]0;x\\u0007\"\n".to_owned(),
        "[queue.outbound]\nretry = { first = \"\\u009b31m\" }\n".to_owned(),
        "[transport.t]\nkind = \"\\u202ekind\"\n".to_owned(),
        "a = \u{1b}\u{9b}".to_owned(),
        "[transport.t]\nkind = \"pipe\"\ncommand = [\"/nowhere/\\u001b[2J\\nok\", \"--\", \"{recipients}\"]\n"
            .to_owned(),
    ];
    for text in texts {
        site.configure(&text);
        for args in [&["config", "check"][..], &["config", "check", "--json"], &["config", "show"], &["list"], &["run"]]
        {
            assert_harmless(&site.try_run(args));
        }
        let output = site.try_run(&["config", "check"]);
        assert_eq!(output.status.code(), Some(78), "{text}: {output:?}");
    }
}
