//! Each kind of bad row is found, counted and named; nothing is queued, or the bad rows are left out.

use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};

use crate::support::Site;
use crate::template::{checked, data, merge, refused, site};

/// A site whose template has every column that may be bad.
fn strict() -> Site {
    let site = site("");
    let folder = site.path("files");
    std::fs::create_dir(&folder).expect("a folder");
    // Its files are read by the spool's owner.
    std::fs::write(folder.join("a.pdf"), "PDF").expect("written");
    symlink("/etc/passwd", folder.join("link")).expect("a link");
    let settings = format!(
        "required = ['city']\nsend_time = 'when'\nattachment = 'file'\nattachment_folder = '{}'\n",
        folder.display()
    );
    std::fs::write(site.path("template/merge.toml"), settings).expect("written");
    let text = "Dear {{ name }} of {{ city }},\n{{ info.key }}\n";
    std::fs::write(site.path("template/text"), text).expect("written");
    std::fs::write(site.path("template/html"), "<a href=\"{{ url }}\">{{ name }}</a>\n").expect("written");
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&config.replace("[limits]\n", "[limits]\nmessage = \"8K\"\nheader = \"4K\"\n"));
    site
}

/// A good row, in which `changes` are made.
fn row(n: usize, changes: &Value) -> String {
    let mut row = json!({"email": format!("r{n}@x.org"), "name": "N", "city": "C", "when": null, "file": null,
        "info": {"key": "v"}, "url": "https://x.org/"});
    for (key, value) in changes.as_object().expect("an object") {
        row[key] = value.clone();
    }
    row.to_string() + "\n"
}

#[test]
fn each_kind_is_counted_and_named_with_its_row() {
    let site = strict();
    let kinds = [
        ("null", json!({"name": null})),
        ("missing_column", json!({"info": {}})),
        ("empty", json!({"city": ""})),
        ("bad_address", json!({"email": "a b@x.org"})),
        ("bad_address", json!({"email": null})),
        ("bad_time", json!({"when": "tomorrow"})),
        ("attachment_missing", json!({"file": "none.pdf"})),
        ("attachment_outside", json!({"file": "../bulkmailer.toml"})),
        ("attachment_outside", json!({"file": "link"})),
        ("render", json!({"url": "javascript:alert(1)"})),
        ("too_large", json!({"name": "x".repeat(5_000)})),
    ];
    let mut text: String = kinds.iter().zip(1..).map(|((_, changes), n)| row(n, changes)).collect();
    text.push_str("no JSON\n");
    text.push_str(&row(13, &json!({"file": "a.pdf", "when": "2026-11-26 08:00"})));
    let rows = data(&site, "x.jsonl", &text);
    let (report, status) = checked(&site, &rows, &[]);
    assert_eq!(
        (status, &report["rows"], &report["bad_rows"], &report["send"]),
        (65, &json!(13), &json!(12), &json!(1))
    );
    for ((kind, _), number) in kinds.iter().chain([&("unreadable", json!({}))]).zip(1..) {
        let found = report["bad"][kind]["first"].as_array().unwrap_or_else(|| panic!("{kind}: {report}"));
        assert!(found.iter().any(|row| row["row"] == number), "{kind}: {report}");
    }
    let what = |kind: &str| report["bad"][kind]["first"][0]["what"].as_str().expect("text").to_owned();
    assert!(what("null").starts_with("text:1:") || what("null").starts_with("headers:2"), "{}", what("null"));
    assert!(what("render").starts_with("html:1:"), "{}", what("render"));
    assert!(what("missing_column").starts_with("text:2:"), "{}", what("missing_column"));
    assert_eq!(report["largest"]["row"], 13);
    assert!(site.list().is_empty());
}

#[test]
fn an_address_that_gets_no_sender_of_its_own_is_bad() {
    let site = site("");
    let rows = data(&site, "x.csv", "email,name\na@x.org,A\n\"\"\"b c\"\"@x.org\",B\n");
    assert_eq!(checked(&site, &rows, &[]).1, 0);
    let (report, status) = checked(&site, &rows, &["--verp"]);
    let row = &report["bad"]["bad_address"]["first"][0];
    assert!(
        status == 65 && row["row"] == 2 && row["what"].as_str().is_some_and(|what| what.contains("--verp")),
        "{report}"
    );
    let template = site.path("template").display().to_string();
    let null = ["merge", "--template", &template, "--data", &rows, "--check", "--verp", "-f", "<>"];
    let (said, status) = refused(&site.try_run(&null));
    assert!(status == 65 && said.contains("null sender"), "{said}");
}

#[test]
fn five_of_a_kind_are_named_in_the_order_of_the_rows() {
    let site = site("");
    // Many chunks, which several threads look at.
    let rows: String = (1..=9_000).map(|n| format!("r{n}@x.org,{}\n", if n % 700 == 0 { "" } else { "N" })).collect();
    std::fs::write(site.path("template/merge.toml"), "required = ['name']\n").expect("written");
    let rows = data(&site, "x.csv", &format!("email,name\n{rows}"));
    let (report, status) = checked(&site, &rows, &[]);
    let named: Vec<u64> = report["bad"]["empty"]["first"]
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["row"].as_u64())
        .collect();
    assert_eq!((status, &report["bad"]["empty"]["count"]), (65, &json!(12)));
    assert_eq!(named, [700, 1_400, 2_100, 2_800, 3_500]);
}

#[test]
fn bad_rows_are_refused_or_left_out_and_written_once() {
    let site = site("");
    let text = "email,name\na@x.org,\"A, \"\"a\"\"\"\nno address,B\nx@x.org\nc@x.org,C\n";
    let rows = data(&site, "x.csv", text);
    let bad = site.path("bad.csv").display().to_string();
    let output = merge(&site, &rows, &["--yes"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(65), "{said}");
    assert!(said.contains("2 of 4 rows cannot be sent") && said.contains("row 2: email: bad address"), "{said}");
    assert!(output.stdout.is_empty() && site.list().is_empty());

    let (report, status) = checked(&site, &rows, &["--skip-bad", "--bad", &bad]);
    assert_eq!((status, &report["send"], &report["skip_bad"]), (0, &json!(2), &json!(true)), "{report}");
    let written = std::fs::read_to_string(&bad).expect("text");
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines[0], "email,name,error");
    assert!(lines[1].starts_with("no address,B,\"row 2: email: bad address"), "{written}");
    assert!(lines[2].starts_with(",,\"row 3: it has 1 cells, and there are 2"), "{written}");
    assert_eq!((lines.len(), std::fs::metadata(&bad).expect("a file").permissions().mode() & 0o777), (3, 0o600));
    let (said, status) = refused(&merge(&site, &rows, &["--check", "--bad", &bad]));
    assert!(
        status == 73 && said.contains("bad.csv") && std::fs::read_to_string(&bad).expect("text") == written,
        "{said}"
    );

    // What was corrected is read again, and its file of bad rows has one column `error` still.
    std::fs::write(&bad, written.replace("no address", "still none").replace(",,\"row 3", "d@x.org,D,\"row 3"))
        .expect("written");
    let again = site.path("again.csv").display().to_string();
    let (report, _) = checked(&site, &bad, &["--skip-bad", "--bad", &again]);
    assert_eq!(report["send"], 1, "{report}");
    assert!(std::fs::read_to_string(&again).expect("text").starts_with("email,name,error\nstill none,B,"));
}

#[test]
fn json_lines_stay_json_lines_and_no_empty_file_is_left() {
    let site = site("");
    let rows = data(&site, "x.jsonl", "{\"email\":null,\"name\":[\"a\"]}\n{\"email\":\"a@x.org\",\"name\":\"A\"}\n");
    let bad = site.path("bad").display().to_string();
    checked(&site, &rows, &["--skip-bad", "--bad", &bad]);
    let line: Value = serde_json::from_slice(&std::fs::read(&bad).expect("a file")).expect("one line");
    assert_eq!(line, json!({"email": null, "name": ["a"], "error": "row 1: email: it is NULL"}));
    let good = data(&site, "y.csv", "email,name\na@x.org,A\n");
    let none = site.path("none.csv").display().to_string();
    assert_eq!(checked(&site, &good, &["--bad", &none]).1, 0);
    assert!(!site.path("none.csv").exists());
}
