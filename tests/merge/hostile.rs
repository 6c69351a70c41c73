//! Data and templates of somebody who means harm, and rows that are merely odd: nobody else's mail, file or row is touched.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::Site;
use crate::template::{checked, data, merge, refused, site};

/// A site whose rows attach what their column `file` names in `folder`.
fn attaching(folder: &str) -> Site {
    let site = site("");
    let folder = folder.replace("SPOOL", &site.path("spool").display().to_string());
    let folder = folder.replace("SITE", &site.path("").display().to_string());
    std::fs::write(site.path("template/merge.toml"), format!("attachment = 'file'\nattachment_folder = '{folder}'\n"))
        .expect("written");
    site
}

#[test]
fn no_row_attaches_what_lies_in_the_spool_or_tells_of_the_program() {
    for folder in ["SPOOL", "SPOOL/outbound", "/proc/self", "/sys/kernel"] {
        let site = attaching(folder);
        site.submit(1, &["other@example.net"]);
        let rows = data(&site, "x.csv", "email,name,file\na@x.org,A,environ\n");
        let (said, status) = refused(&merge(&site, &rows, &["--check"]));
        assert!(status == 66 && said.contains("nothing of it is attached"), "{folder}: {status} {said}");
    }
    // A folder above the spool is as good.
    let site = attaching("SITE");
    site.submit(1, &["other@example.net"]);
    let entry = site.files("outbound/ready/").into_iter().find(|path| path.is_file()).expect("an entry");
    let inside = entry.strip_prefix(site.path("")).expect("it lies there").display().to_string();
    let rows = data(&site, "x.csv", &format!("email,name,file\na@x.org,A,{inside}\nb@x.org,B,good.txt\n"));
    data(&site, "good.txt", "good");
    let (report, status) = checked(&site, &rows, &[]);
    assert_eq!((status, &report["send"]), (65, &json!(1)), "{report}");
    assert_eq!(report["bad"]["attachment_outside"]["first"][0]["row"], 1, "{report}");
    let other = attaching("/");
    let rows = data(&other, "x.csv", "email,name,file\na@x.org,A,proc/self/environ\n");
    let (report, _) = checked(&other, &rows, &[]);
    assert_eq!(report["bad"]["attachment_outside"]["count"], 1, "{report}");
}

#[test]
fn an_attachment_that_lies_in_the_spool_by_then_is_not_sent() {
    let site = attaching("SITE/files");
    std::fs::create_dir(site.path("files")).expect("a folder");
    std::fs::write(site.path("files/a.txt"), "x").expect("written");
    let rows = data(&site, "x.csv", "email,name,file\na@x.org,A,a.txt\n");
    assert!(merge(&site, &rows, &["--yes"]).status.success());
    // The same file, in the spool.
    std::fs::rename(site.path("files"), site.path("spool/files")).expect("moved");
    std::os::unix::fs::symlink(site.path("spool/files"), site.path("files")).expect("a link");
    site.ok(&["run"]);
    assert!(site.deliveries().is_empty(), "{:?}", site.deliveries());
    assert!(site.events().iter().any(|event| event.to_string().contains("among the mail of others")));
}

#[test]
fn a_stray_quote_makes_no_row_of_two_peoples_data() {
    let site = site("");
    let rows = data(&site, "x.csv", "email,name\na@y.org,\"Ann\"\nb@y.org,\"Bob\nc@y.org,\"Carl\"\nd@y.org,\"Dan\"\n");
    let (said, status) = refused(&merge(&site, &rows, &["--check", "--skip-bad"]));
    assert!(status == 65 && said.contains("in row 2 text stands behind a quote"), "{status} {said}");
    let rows = data(&site, "y.csv", "email,name\na@y.org,Ann \"A\" B\nb@y.org,Bob\n");
    let (report, status) = checked(&site, &rows, &["--skip-bad"]);
    assert_eq!((status, &report["send"], &report["bad"]["unreadable"]["first"][0]["row"]), (0, &json!(1), &json!(1)));
}

#[test]
fn one_odd_row_stops_no_other() {
    let site = site("");
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut text = format!("{{\"email\":\"a@x.org\",\"name\":\"A\",\"odd\":{}}}\n", deep(127));
    text += &format!("{{\"email\":\"a@x.org\",\"name\":\"A\",\"odd\":{}}}\n", deep(126));
    text += "{\"email\":\"a@x.org\",\"name\":\"A\",\"odd\":{\"k\":1,\"k\":2}}\n";
    text += &format!("{{\"email\":\"a@x.org\",\"name\":\"A\",\"odd\":[{}1]}}\n", "1,".repeat(100_000));
    text += &format!("{{\"email\":\"a@x.org\",\"name\":\"A\",{}\"x\":1}}\n", "\"x\":1,".repeat(100_000));
    text += "{\"email\":\"good@x.org\",\"name\":\"G\"}\n";
    let rows = data(&site, "x.jsonl", &text);
    let (report, status) = checked(&site, &rows, &["--skip-bad"]);
    assert_eq!((status, &report["send"], &report["bad"]["unreadable"]["count"]), (0, &json!(1), &json!(5)), "{report}");
    assert!(merge(&site, &rows, &["--skip-bad", "--yes"]).status.success());
    // What grows where it is escaped.
    let text = format!("email,name,odd\na@x.org,A,{}\ngood@x.org,G,\n", "\u{1}".repeat(720_000));
    let rows = data(&site, "x.csv", &text);
    let (report, status) = checked(&site, &rows, &["--skip-bad"]);
    assert_eq!((status, &report["send"], &report["bad"]["unreadable"]["first"][0]["row"]), (0, &json!(1), &json!(1)));
    // A name that the spool needs for itself.
    let rows = data(&site, "y.csv", "email,name,attachment mark\na@x.org,A,x\n");
    let (said, status) = refused(&merge(&site, &rows, &["--check"]));
    assert!(status == 65 && said.contains("give it another name"), "{said}");
}

#[test]
fn spellings_of_an_address_are_one_person() {
    let site = site("");
    let list = data(&site, "gone", "anna@xn--bcher-kva.example\n");
    let text = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&format!("{text}[suppress]\nfile = {list:?}\n"));
    site.ok(&["suppress", "add", "\"bob\"@y.org"]);
    let people = ["anna@b\u{fc}cher.example", "bob@Y.org", "\"\"\"c\"\"@y.org\"", "c@y.org.", "d@y.org"];
    let rows: String = people.iter().map(|person| format!("{person},N\n")).collect();
    let rows = data(&site, "x.csv", &format!("email,name\n{rows}"));
    let (report, status) = checked(&site, &rows, &[]);
    assert_eq!((status, &report["send"]), (0, &json!(2)), "{report}");
    assert_eq!(report["suppressed"]["first"], json!([1, 2]), "{report}");
    assert_eq!(report["duplicates"]["first"], json!([{"row": 4, "first": 3}]), "{report}");
    // Whoever is suppressed after the merge was queued, by another spelling.
    let rows = data(&site, "y.csv", "email,name\n\"\"\"d\"\"@y.org\",D\nanna@xn--strae-oqa.example,A\n");
    assert!(merge(&site, &rows, &["--yes"]).status.success());
    site.ok(&["suppress", "add", "d@y.org", "anna@stra\u{df}e.example"]);
    site.ok(&["run"]);
    assert!(site.deliveries().is_empty(), "{:?}", site.deliveries());
}

#[test]
fn an_address_that_shows_as_another_is_bad() {
    let site = site("");
    let rows = data(&site, "x.csv", "email,name\n\u{202e}a@x.org,A\na\u{2066}b@x.org,B\nc@x.org,C\u{202e}D\n");
    let (report, _) = checked(&site, &rows, &["--skip-bad"]);
    assert_eq!((&report["bad"]["bad_address"]["count"], &report["send"]), (&json!(2), &json!(1)), "{report}");
    let shown = merge(&site, &rows, &["--preview", "3"]);
    let shown = String::from_utf8(shown.stdout).expect("text");
    assert!(shown.contains("To: C D <c@x.org>") && shown.contains("C=EF=BF=BDD"), "{shown}");
}

#[test]
fn a_terminal_obeys_nothing_of_a_preview() {
    let site = site("");
    let message = "From: a@x.org\nTo: {{ email }}\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n{{ name }}\n\
                   --b\nContent-Type: application/x; name=\"\u{1b}[2J\"\nContent-Disposition: attachment\n\nx\n--b--\n";
    let template = data(&site, "t.eml", message);
    let rows = data(&site, "x.csv", "email,name\na@x.org,A\n");
    let pty = nix::pty::openpty(None, None).expect("a terminal");
    let mut command =
        site.command(&["merge", "--template", &template, "-f", "a@x.org", "--data", &rows, "--preview", "1"]);
    command.stdin(Stdio::null()).stdout(Stdio::from(pty.slave.try_clone().expect("a descriptor")));
    let mut child = command.spawn().expect("it starts");
    drop((command, pty.slave));
    let mut shown = Vec::new();
    // At its end a terminal whose other side is closed is an error.
    let _ = File::from(pty.master).read_to_end(&mut shown);
    assert!(child.wait().expect("it ends").success());
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("\\u001b[2J") && !shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn one_row_of_json_stays_within_the_memory() {
    let site = site("");
    std::fs::write(site.path("template/text"), "{{ name|fromjson|length }} {{ odd|length }}\n").expect("written");
    let nested = format!("[{}0]", "{\"a\":1},".repeat(125_000));
    let row = json!({"email": "a@x.org", "name": nested, "odd": []}).to_string();
    let other = format!("{{\"email\":\"b@x.org\",\"name\":\"[]\",\"odd\":{nested}}}");
    let keys = format!("{{\"email\":\"c@x.org\",\"name\":\"[]\",\"odd\":[],{}\"k\":0}}", "\"k\":0,".repeat(650_000));
    let good = json!({"email": "d@x.org", "name": "[1]", "odd": [2]});
    let rows = data(&site, "x.jsonl", &format!("{row}\n{other}\n{keys}\n{good}\n"));
    let template = site.path("template").display().to_string();
    let own = site.command(&[
        "merge",
        "--check",
        "--json",
        "--skip-bad",
        "-f",
        "a@x.org",
        "--template",
        &template,
        "--data",
        &rows,
    ]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -d 32768; exec \"$@\"", "sh"]).arg(own.get_program()).args(own.get_args());
    let output = shell.env_remove("BULKMAILER_FAULT").stdin(Stdio::null()).output().expect("it starts");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!((&report["send"], &report["bad_rows"]), (&json!(1), &json!(3)), "{output:?}");
}

#[test]
fn a_template_is_compiled_in_time_linear_in_it() {
    let site = site("");
    let rows = data(&site, "x.csv", "email,name\na@x.org,A\n");
    for part in ["& ", "{{ name }}\n"] {
        // The text is made from it. One that was looked through to its end for each of these would take hours.
        std::fs::write(site.path("template/html"), format!("<p>{{{{ name }}}}{}", part.repeat(60_000)))
            .expect("written");
        let _ = std::fs::remove_file(site.path("template/text"));
        let (report, status) = checked(&site, &rows, &[]);
        assert_eq!((status, &report["send"]), (0, &json!(1)), "{report}");
    }
}
