//! `bulkmailer merge` from the command to the sink: what is queued is sent, once, and what is refused is not queued.

use serde_json::Value;

use crate::support::Site;
use crate::template::{data, merge, refused, site};

/// A site whose sink knows the mails by their numbers.
fn numbered(settings: &str) -> Site {
    let site = site(settings);
    let headers = "From: s@example.org\nTo: {{ email }}\nX-Number: {{ n }}\nSubject: {{ name }}\n";
    std::fs::write(site.path("template/headers"), headers).expect("written");
    std::fs::write(site.path("template/text"), "Dear {{ name }},\n\nEND\n").expect("written");
    std::fs::remove_file(site.path("template/html")).expect("removed");
    std::fs::remove_dir_all(site.path("template/inline")).expect("removed");
    site
}

/// The job's id, as the command prints it.
#[track_caller]
fn queued(site: &Site, rows: &str, more: &[&str]) -> String {
    let output = merge(site, rows, &[&["--yes"], more].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn arrived(site: &Site) -> Vec<(u32, String)> {
    let mut found: Vec<_> = site.deliveries().into_iter().map(|(whom, times)| (whom, times, ())).collect();
    found.sort();
    assert!(found.iter().all(|(_, times, ())| *times == 1), "{found:?}");
    found.into_iter().map(|(whom, _, ())| whom).collect()
}

fn whom(numbers: &[u32]) -> Vec<(u32, String)> {
    numbers.iter().map(|n| (*n, format!("r{n}@example.net"))).collect()
}

#[test]
fn rows_are_sent_once_each_however_often_they_are_queued_with_one_key() {
    let site = numbered("");
    let rows = data(&site, "x.csv", "email,n,name\nr1@example.net,1,A\nr2@example.net,2,B\nr1@EXAMPLE.NET,3,C\n");
    let id = queued(&site, &rows, &["--key", "spring", "--job-name", "news"]);
    assert_eq!(queued(&site, &rows, &["--key", "spring"]), id);
    let job = site.ok(&["jobs", "show", &id, "--json"]);
    assert!(job.contains("\"news\""), "{job}");
    site.ok(&["run"]);
    assert_eq!(arrived(&site), whom(&[1, 2]));
    assert_eq!(queued(&site, &rows, &["--key", "spring"]), id, "also when it is done");
    site.ok(&["run"]);
    assert_eq!(arrived(&site), whom(&[1, 2]));
    site.assert_clean();
}

#[test]
fn nothing_is_queued_where_a_row_is_bad_or_nobody_was_asked() {
    let site = numbered("");
    let rows = data(&site, "x.csv", "email,n,name\nr1@example.net,1,A\nr2 @example.net,2,B\nr3@example.net,3,C\n");
    let output = merge(&site, &rows, &["--yes"]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    let (said, status) = refused(&merge(&site, &rows, &["--skip-bad"]));
    assert!(status == 64 && said.contains("--yes"), "{said}");
    site.ok(&["run"]);
    assert_eq!(arrived(&site), whom(&[]));
    let output = merge(&site, &rows, &["--yes", "--skip-bad", "--json"]);
    let made: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&made["recipients"], &made["bad"], &made["new"]), (&2.into(), &1.into(), &true.into()), "{made}");
    site.ok(&["run"]);
    assert_eq!(arrived(&site), whom(&[1, 3]));
}

#[test]
fn a_row_waits_for_its_own_time() {
    let site = numbered("send_time = 'when'\n");
    let rows = "email,n,name,when\nr1@example.net,1,A,2099-01-01 08:00\nr2@example.net,2,B,\n\
                r3@example.net,3,C,2020-01-01 08:00\n";
    let rows = data(&site, "x.csv", rows);
    queued(&site, &rows, &[]);
    site.ok(&["run"]);
    assert_eq!(arrived(&site), whom(&[2, 3]));
    let listed = site.ok(&["list"]);
    assert!(listed.contains("r1@example.net") && !listed.contains("r2@example.net"), "{listed}");
}

#[test]
fn a_file_that_changed_since_the_check_fails_its_row_alone() {
    let site = numbered("");
    let folder = site.path("files");
    std::fs::create_dir(&folder).expect("a folder");
    for n in 1..=2 {
        std::fs::write(folder.join(format!("{n}.txt")), "an invoice\n").expect("written");
    }
    let settings = format!("attachment = 'file'\nattachment_folder = '{}'\n", folder.display());
    std::fs::write(site.path("template/merge.toml"), settings).expect("written");
    let text = "email,n,name,file\nr1@example.net,1,A,1.txt\nr2@example.net,2,B,2.txt\nr3@example.net,3,C,\n";
    let rows = data(&site, "x.csv", text);
    let id = queued(&site, &rows, &[]);
    std::fs::write(folder.join("1.txt"), "another one's invoice\n").expect("written");
    site.ok(&["run"]);
    // What is attached follows the text, so the sink takes no end for the end.
    let shown = site.ok(&["jobs", "show", &id]);
    assert!(shown.contains("1 failed"), "{shown}");
    let events = site.events();
    let of_first = |line: &Value| line["recipient"] == "r1@example.net" && line["status"] == "5.6.0";
    assert!(events.iter().any(of_first), "{events:?}");
}
