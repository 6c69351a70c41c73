//! `merge --check`: every row is rendered, from each kind of source, within bounded memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::Site;
use crate::support::hosts::{self, Plain};
use crate::template::{checked, data, merge, refused, site};

/// How much writable memory a merge may have, in KiB.
const ROOM: u32 = 32 << 10;

/// A check in that room.
fn within(site: &Site, data: &str, more: &[&str]) -> Value {
    let template = site.path("template").display().to_string();
    let head = ["merge", "--check", "--json", "-f", "a@example.org", "--template", &template, "--data", data];
    let own = site.command(&[&head[..], more].concat());
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -d {ROOM}; exec \"$@\""), "sh"]).arg(own.get_program()).args(own.get_args());
    let output = shell.env_remove("BULKMAILER_FAULT").stdin(Stdio::null()).output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Checks `rows` rows of each kind of source, each with `more` in a column that is not used.
fn check_each_source(rows: u32, more: &str) {
    let site = site("");
    let create = |name: &str| {
        let path = site.path(name);
        (BufWriter::new(File::create(&path).expect("a file")), path.display().to_string())
    };
    let ((mut csv, table), (mut jsonl, lines)) = (create("x.csv"), create("x.jsonl"));
    writeln!(csv, "email,name,more").expect("written");
    for n in 0..rows {
        writeln!(csv, "r{n}@d{}.example,\"Jörg {n}\",{more}", n % 7).expect("written");
        writeln!(jsonl, "{{\"email\":\"r{n}@d.example\",\"name\":\"{n}\",\"more\":\"{more}\"}}").expect("written");
    }
    drop((csv, jsonl));
    let database = site.path("x.db");
    let fill = format!(
        "CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {rows} - 1) \
         SELECT 'r' || i || '@d.example' AS email, 'Name ' || i AS name, '{more}' AS more FROM n;"
    );
    let db = rusqlite::Connection::open(&database).expect("a database");
    db.execute_batch(&fill).expect("rows");
    drop(db);
    for (source, query) in [
        (table.clone(), &[][..]),
        (lines, &[]),
        (format!("exec:cat '{table}'"), &[]),
        (format!("sqlite:{}", database.display()), &["--query", "SELECT * FROM t"]),
    ] {
        let report = within(&site, &source, query);
        let (all, found) = (json!(rows), |key: &str| report[key].clone());
        assert_eq!(
            (found("rows"), found("send"), found("bad_rows")),
            (all.clone(), all, json!(0)),
            "{source}: {report}"
        );
        assert_eq!(found("warnings"), json!(["column 'more' is not used"]), "{report}");
    }
    assert!(site.list().is_empty() && site.files("outbound/tmp/").is_empty());
}

#[test]
fn twenty_thousand_rows_of_each_source_are_checked_in_bounded_memory() {
    // All rows together have no room.
    check_each_source(20_000, &"x".repeat(1_800));
}

#[test]
#[ignore = "it takes minutes; make slow"]
fn a_million_rows_of_each_source_are_checked_in_bounded_memory() {
    check_each_source(1_000_000, "x");
}

#[test]
fn the_standard_input_is_a_source() {
    let site = site("");
    let template = site.path("template").display().to_string();
    let args = ["merge", "--check", "--json", "--template", &template, "--data", "-"];
    let output = site.feed(&args, b"email,name\na@x.org,A\n");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((report["send"].clone(), output.status.code()), (json!(1), Some(0)), "{output:?}");
}

#[test]
fn sources_and_templates_that_are_wrong_are_refused_in_one_line() {
    let site = site("");
    let good = data(&site, "x.csv", "email,name\na@x.org,A\n");
    for (data, more, status, why) in [
        ("none.csv", &["--check"][..], 66, "none.csv"),
        (&data(&site, "empty.csv", ""), &["--check"], 65, "it is empty"),
        (&data(&site, "head.csv", "email,name\n"), &["--check"], 65, "it has no rows"),
        (&data(&site, "other.csv", "email,first\na@x.org,A\n"), &["--check"], 65, "name (headers:2:8)"),
        ("exec:sh -c 'echo email,name; echo a@x.org,A; exit 3'", &["--check"], 69, "exit status 3"),
        ("x.txt", &["--check"], 64, "no kind of source"),
        (&good, &["--check", "--query", "SELECT 1"], 64, "a query is for a database"),
        (&good, &["--check", "-Q", "none"], 78, "none"),
        (&good, &["--check", "--preview", "1"], 64, "cannot be used with"),
        (&good, &["--out", "x"], 64, "--preview"),
        (&good, &["--window", "8-20"], 64, "08:00-20:00"),
        (&good, &[], 64, "--yes"),
        (&good, &["--yes", "--rate", "9/fortnight"], 64, "9/fortnight"),
    ] {
        let output = merge(&site, data, more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{data} {more:?}: {said}");
        assert!(said.lines().last().is_some_and(|line| line.contains(why)), "{data} {more:?}: {said}");
    }
    std::fs::write(site.path("template/text"), "Dear {{ name\n").expect("written");
    let (said, status) = refused(&merge(&site, &good, &["--check"]));
    assert!(status == 65 && said.contains("text:"), "{said}");
    assert!(site.list().is_empty());
}

#[test]
fn all_options_of_a_merge_are_taken() {
    let site = site("");
    let good = data(&site, "x.csv", "email,name\na@x.org,A\n");
    let more = [
        "--check",
        "--verp",
        "-Q",
        "outbound",
        "--job-name",
        "News",
        "--key",
        "k",
        "--at",
        "+2h",
        "--window",
        "08:00-20:00,mon-fri,Europe/Berlin",
        "--rate",
        "2000/min",
        "--limit",
        "5",
        "--skip-bad",
        "--allow-duplicates",
        "--yes",
    ];
    assert!(merge(&site, &good, &more).status.success());
}

#[test]
fn a_limit_counts_behind_what_is_left_out() {
    let site = site("");
    let rows = "email,name\nnone,\nbad address,B\na@x.org,A\na@X.org,A2\nb@x.org,B\nc@x.org,C\n";
    let rows = data(&site, "x.csv", rows);
    let (report, status) = checked(&site, &rows, &["--skip-bad", "--limit", "2"]);
    assert_eq!((status, &report["send"], &report["beyond_limit"]), (0, &json!(2), &json!(1)), "{report}");
    assert_eq!(report["duplicates"], json!({"count": 1, "first": [{"row": 4, "first": 3}]}));
    let (report, _) = checked(&site, &rows, &["--skip-bad", "--allow-duplicates"]);
    assert_eq!((&report["send"], &report["duplicates"]["count"]), (&json!(4), &json!(1)), "{report}");
}

#[test]
fn whom_a_list_suppresses_is_left_out_whatever_the_case() {
    let site = site("");
    let list = data(&site, "gone", "# gone\nB@x.org\n");
    let mut text = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    text.push_str(&format!("[suppress]\nfile = {list:?}\n"));
    site.configure(&text);
    site.ok(&["suppress", "add", "d@x.org"]);
    let rows = data(&site, "x.csv", "email,name\na@x.org,A\nb@X.org,B\nD@x.org,D\nb@x.org,B2\ne@x.org,E\n");
    let (report, status) = checked(&site, &rows, &[]);
    assert_eq!((status, &report["send"]), (0, &json!(2)), "{report}");
    assert_eq!(report["suppressed"], json!({"count": 2, "first": [2, 3]}));
    assert_eq!(report["duplicates"]["first"], json!([{"row": 4, "first": 2}]));
    let nobody = data(&site, "y.csv", "email,name\nb@x.org,B\n");
    let (said, status) = refused_check(&site, &nobody);
    assert!(status == 65 && said.contains("none of its 1 rows is left"), "{said}");
}

fn refused_check(site: &Site, rows: &str) -> (String, i32) {
    refused(&merge(site, rows, &["--check"]))
}

#[test]
fn a_check_warns_of_what_its_author_may_not_want() {
    let site = site("");
    let headers = "From: Shop <shop@example.net>\nTo: {{ email }}\n";
    std::fs::write(site.path("template/headers"), headers).expect("written");
    std::fs::write(site.path("template/text"), "the same for all\n").expect("written");
    std::fs::write(site.path("template/html"), format!("<p>{}</p>\n", "x".repeat(103 << 10))).expect("written");
    let rows = data(&site, "x.csv", "email,unused\na@x.org,1\njörg@x.org,2\n");
    let output = merge(&site, &rows, &["--check"]);
    let said = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in [
        "From is not aligned with the sender in 2",
        "row 1: From is shop@example.net, and the sender shop@example.org: DMARC asks for one domain",
        "no unsubscribe link",
        "column 'unused' is not used",
        "no text has a value",
        "no Subject",
        "more than 102 KB of HTML, which readers cut: 2",
        "sent only to servers with SMTPUTF8: 1 (rows 2)",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_plain_user_without_a_spool_of_his_own_is_refused() {
    if !hosts::is_root() {
        eprintln!("skipped: only root can make a spool that is not ours");
        return;
    }
    let (site, plain) = (site(""), Plain::new());
    site.submit(1, &["r1@example.net"]);
    let spool = plain.dir.path().join("spool");
    std::fs::rename(site.path("spool"), &spool).expect("moved to where he can look for it");
    plain.write("template/headers", "From: a@x.org\nTo: {{ email }}\nSubject: x\n");
    plain.write("template/text", "{{ email }}\n");
    plain.write("x.csv", "email\na@x.org\n");
    let home = |name: &str| plain.home(name).display().to_string();
    let mut command =
        plain.command("022", &["merge", "--check", "--template", &home("template"), "--data", &home("x.csv")]);
    let (said, status) = refused(&command.env("BULKMAILER_SPOOL", &spool).output().expect("it starts"));
    assert!(status == 77 && said.contains("a merge goes into the spool itself"), "{said}");
    std::fs::rename(&spool, site.path("spool")).expect("moved back");
}
