//! Mail in `drop/` that no run has adopted yet is shown and counted by `list`, `status`, `check` and `show`, and none of
//! them adopts it or makes a queue.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;

use crate::support::clock::Clock;
use crate::support::drop::{FIELDS, MARA, NILS, SERVICE, by, defer, dropped, ok, own, put, shared, skipped, text};
use crate::support::hosts::Plain;
use crate::support::{Site, message};

const NEWS: &str = "[queue.news]\ntransport = \"m\"";

/// A command's output and status.
fn said(site: &Site, args: &[&str]) -> (String, Option<i32>) {
    let output = site.try_run(args);
    assert!(output.stderr.is_empty(), "{args:?}: {output:?}");
    (String::from_utf8(output.stdout).expect("text"), output.status.code())
}

fn json(site: &Site, args: &[&str]) -> Value {
    serde_json::from_str(&said(site, args).0).expect("JSON")
}

/// The rows of a listing that are in drop/.
fn rows(site: &Site, args: &[&str]) -> Vec<Value> {
    let text = said(site, &[&["list", "--json"], args].concat()).0;
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    rows.filter(|row| row["state"] == "drop").collect()
}

#[test]
fn what_waits_is_counted_and_nothing_is_made() {
    let site = own(NEWS);
    assert!(said(&site, &["status"]).0.contains("nothing was queued here yet"));
    assert_eq!(said(&site, &["list"]), ("The queue is empty.\n".to_owned(), Some(0)));
    put(&site, "outbound.1", &text(FIELDS, &message(1)));
    put(&site, "news.1", &text(FIELDS, &message(2)));
    put(&site, "news.2", &text(&FIELDS.replace("s@x.org", "t@x.org"), &message(3)));
    let tree = site.tree();
    let (page, status) = said(&site, &["status"]);
    assert!(page.contains("\nnews ") && page.contains("\noutbound ") && status == Some(0), "{page}");
    assert!(page.contains("2 files in drop/, the oldest is ") && page.contains("1 file in drop/, "), "{page}");
    let status = json(&site, &["status", "--json"]);
    assert_eq!(
        (&status["queues"][0]["dropped"]["files"], &status["queues"][1]["queue"]),
        (&2.into(), &"outbound".into())
    );
    let only = json(&site, &["status", "--json", "-Q", "outbound"]);
    assert_eq!(only["queues"].as_array().map(Vec::len), Some(1), "{only}");
    let (page, status) = said(&site, &["list"]);
    assert_eq!((page.matches(": the next run takes it up\n").count(), status), (3, Some(0)), "{page}");
    assert!(page.contains("-- 3 entries, ") && !page.contains("is empty"), "{page}");
    assert_eq!(said(&site, &["check"]), ("0 entries and 3 files in drop/, all in order\n".to_owned(), Some(0)));
    assert_eq!(json(&site, &["check", "--json"])["dropped"], 3);
    let queue = |args: &[&str]| rows(&site, args).len();
    assert_eq!((queue(&["-Q", "news"]), queue(&["--sender", "t@x.org"]), queue(&["--recipient", "r@*"])), (2, 1, 3));
    assert_eq!(
        (queue(&["--older-than", "1h"]), queue(&["--newer-than", "1h"]), queue(&["--state", "drop"])),
        (0, 3, 3)
    );
    assert_eq!((queue(&["--state", "ready"]), queue(&["--reason", "x"]), queue(&["--job", "x"])), (0, 0, 0));
    assert_eq!(site.tree(), tree, "a look changes nothing");
    // The id is the one that the entry gets.
    let row = rows(&site, &["-Q", "outbound"]).remove(0);
    let id = row["id"].as_str().expect("an id");
    assert_eq!((queue(&[id]), row["user"].as_str().is_some(), row["reason"].is_null()), (1, true, true), "{row}");
    let shown = said(&site, &["show", id]).0;
    assert!(shown.contains("in drop/ since ") && shown.contains("\nX-Number: 1\n"), "{shown}");
    assert_eq!(said(&site, &["show", "-m", id]).0, message(1));
    assert_eq!(json(&site, &["show", "--json", id])["state"], "drop");
    for verb in ["hold", "release", "requeue", "remove", "flush"] {
        let output = site.try_run(&[verb, id]);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(1) && words.contains("in drop/ still: the next run takes it up"),
            "{output:?}"
        );
    }
    let refused = site.try_run(&["remove", "--state", "drop", "--yes"]);
    assert_eq!((refused.status.code(), dropped(&site).len()), (Some(64), 3), "{refused:?}");
    defer(&site);
    site.try_run(&["run"]);
    assert!(site.list().iter().any(|row| row["id"] == id && row["state"] == "ready"), "{id}");
    assert_eq!(rows(&site, &[]).len(), 0);
}

#[test]
fn what_no_run_adopts_is_told_with_the_reason() {
    let site = own(NEWS);
    put(&site, "outbound.1", &text(FIELDS, &message(1)));
    put(&site, "nosuch.1", &text(FIELDS, &message(2)));
    put(&site, "outbound.rubbish", "rubbish");
    put(&site, "nodot", "x");
    put(&site, "drop.1", "x");
    put(&site, "OUTBOUND.1", "x");
    let at = |name: &[u8]| site.path("spool/drop").join(OsStr::from_bytes(name));
    std::fs::write(at(b"outbound.\xff"), "x").expect("written");
    std::fs::create_dir(at(b"news.folder")).expect("a folder");
    symlink("/dev/zero", at(b"news.link")).expect("a link");
    symlink("/dev/zero", at(b"nosuch.link")).expect("a link");
    assert!(Command::new("mkfifo").arg(at(b"outbound.fifo")).status().expect("mkfifo").success());
    std::fs::hard_link(at(b"outbound.1"), at(b"outbound.2")).expect("a second name");
    put(&site, ".outbound.3", "being written");
    let (page, status) = said(&site, &["status"]);
    assert!(page.contains("1 file in drop/ for no queue of the configuration, as for nosuch; "), "{page}");
    assert!(page.contains("10 names in drop/ are no mail: see 'bulkmailer check'") && status == Some(1), "{page}");
    let whole = json(&site, &["status", "--json"]);
    assert_eq!((&whole["dropped_unknown"]["files"], &whole["dropped_junk"]), (&1.into(), &10.into()));
    let (page, _) = said(&site, &["list"]);
    for what in [
        "no queue \"nosuch\"",
        "it is a link; remove ",
        "it is no regular file",
        "it has 2 names",
        "once you have looked",
    ] {
        assert!(page.contains(what), "{what}: {page}");
    }
    assert!(page.contains("-- 5 names in drop/ are no mail"), "{page}");
    assert_eq!(rows(&site, &["--reason", "IS A LINK"]).len(), 1);
    let (page, status) = said(&site, &["check"]);
    assert!(page.contains("0 entries and 12 files in drop/, 12 problems") && status == Some(1), "{page}");
    assert!(page.contains("outbound.\\xff: its name is not UTF-8") && page.contains("news.link: of "));
    assert_eq!(page.matches("meant for no queue").count(), 5, "{page}");
    let (page, _) = said(&site, &["check", "-Q", "news"]);
    assert!(page.contains("0 entries and 2 files in drop/, 2 problems"), "{page}");
    let shown = site.try_run(&["show", "outbound.fifo"]);
    assert!(String::from_utf8_lossy(&shown.stderr).contains("cannot be taken up: it is no regular file"), "{shown:?}");
    // An alarm that any user could raise would be none.
    std::fs::remove_file(at(b"nosuch.1")).expect("removed");
    assert_eq!(said(&site, &["status"]).1, Some(0));
}

#[test]
fn thousands_of_names_are_counted_and_a_hundred_told() {
    let site = own("");
    for n in 0..3_000 {
        let queue = ["outbound", "nosuch", "junk"][n % 3];
        std::fs::write(site.path("spool/drop").join(format!("{queue}.{n}")), "x").expect("written");
    }
    let (page, status) = said(&site, &["check"]);
    assert_eq!((page.lines().count(), status), (102, Some(1)), "{page}");
    assert!(page.contains("\nand 2900 more\n") && page.contains("3000 files in drop/, 3000 problems"), "{page}");
    let whole = json(&site, &["check", "--json"]);
    assert_eq!((whole["problems"].as_array().map(Vec::len), &whole["more"]), (Some(100), &2_900.into()));
    assert!(said(&site, &["list"]).0.contains("-- 3000 entries, "));
    for file in dropped(&site) {
        std::fs::rename(&file, file.with_file_name(file.extension().expect("a number"))).expect("renamed");
    }
    let only_junk = "No mail is queued.\n-- 3000 names in drop/ are no mail: see 'bulkmailer check'\n";
    assert_eq!(said(&site, &["list"]), (only_junk.to_owned(), Some(0)));
    let (page, status) = said(&site, &["status"]);
    assert!(page.contains("3000 names in drop/ are no mail") && status == Some(0), "{page}");
}

#[test]
fn mail_that_nobody_takes_up_is_overdue() {
    let site = own(NEWS);
    put(&site, "news.1", &text(FIELDS, &message(1)));
    let clock = Clock::new(&site);
    let status = |args: &[&str]| {
        let mut command = site.command(args);
        clock.give(&mut command);
        let output = command.output().expect("it starts");
        (String::from_utf8(output.stdout).expect("text"), output.status.code())
    };
    clock.set(23 * 3_600);
    assert_eq!(status(&["status"]).1, Some(0));
    clock.set(50 * 3_600);
    let (page, code) = status(&["status"]);
    assert!(page.contains("1 file in drop/, the oldest is 2d") && code == Some(1), "{page}");
    assert!(page.contains("is 'bulkmailer run' started?") && !page.contains("mail is due"), "{page}");
    assert_eq!(status(&["status", "-Q", "outbound"]).1, Some(0));
    let whole: Value = serde_json::from_str(&status(&["status", "--json"]).0).expect("JSON");
    let queue = &whole["queues"][0];
    assert_eq!((&queue["overdue"], &queue["dropped"]["overdue"]), (&true.into(), &true.into()), "{whole}");
    let older = status(&["list", "--older-than", "2d"]).0;
    assert!(older.contains("-- 1 entry, "), "{older}");
    // What was being written an hour ago is not any more.
    put(&site, ".news.2", "x");
    assert!(status(&["status"]).0.contains("1 name in drop/ is no mail"));
}

#[test]
fn looks_do_not_fail_while_it_is_adopted() {
    let site = own("");
    for n in 0..300 {
        put(&site, &format!("outbound.{n}"), &text(FIELDS, &message(n)));
    }
    let mut run = site.start(&["run"]);
    while run.try_wait().expect("it is ours").is_none() {
        for args in [&["list"][..], &["status"], &["check"]] {
            let output = site.try_run(args);
            assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
        }
    }
    assert_eq!(said(&site, &["list"]).0, "The queue is empty.\n");
}

#[test]
fn two_users_mail_is_shown_to_the_services_owner_and_to_nobody_else() {
    if skipped() {
        return;
    }
    for service in [0, SERVICE] {
        let (site, mara, nils) = (shared(service, NEWS), Plain::with_uid(MARA), Plain::with_uid(NILS));
        let id = ok(&by(&site, &mara, &["submit", "r@x.org"], message(1).as_bytes()));
        ok(&by(&site, &nils, &["submit", "--queue", "news", "r@x.org"], message(2).as_bytes()));
        let found = rows(&site, &[]);
        let users: Vec<_> = found.iter().map(|row| row["user"].as_str().expect("a user")).collect();
        assert!(users.contains(&"65531") && users.contains(&"65532") && users.len() == 2, "{found:?}");
        assert_eq!(rows(&site, &[id.trim()]).len(), 1);
        assert!(said(&site, &["status"]).0.contains("\nnews "));
        assert_eq!(said(&site, &["check"]), ("0 entries and 2 files in drop/, all in order\n".to_owned(), Some(0)));
        // No run has looked for his own yet.
        let listed = by(&site, &nils, &["list"], b"");
        assert!(listed.status.code() == Some(75) && listed.stdout.is_empty(), "{listed:?}");
        for args in [&["status"][..], &["check"], &["show", id.trim()]] {
            assert_eq!(by(&site, &nils, args, b"").status.code(), Some(77), "{args:?}");
        }
        assert!(!site.path("spool/news").exists());
        ok(&site.try_run(&["run"]));
        assert_eq!(rows(&site, &[]).len(), 0);
    }
}
