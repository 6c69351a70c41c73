//! What one user of `drop/` may have waiting, and whom he keeps waiting with it: nobody.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::support::drop::{
    FIELDS, MARA, NILS, SERVICE, arrived, by, defer, dropped, ok, own, put, shared, skipped, text,
};
use crate::support::hosts::Plain;
use crate::support::{self, Site, message, wait_until};

/// How many files lie beneath `folder`.
fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

/// A file of `bytes` bytes that were never written, behind this envelope.
fn sparse(site: &Site, name: &str, head: &str, bytes: u64) {
    let path = put(site, name, head);
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("opened");
    file.set_len(head.len() as u64 + bytes).expect("grown");
}

#[test]
fn a_file_that_costs_its_owner_less_than_a_copy_would_is_left() {
    let site = own("");
    let size = 1_u64 << 20;
    let head = |rest: u64| text(FIELDS, "").replace("                   0", &format!("{rest:>20}"));
    sparse(&site, "outbound.end", &head(size), size);
    // A hole in the middle, and one in the envelope.
    sparse(&site, "outbound.middle", &format!("{}Subject: x\n\n", head(size + 12)), size);
    let at = site.path("spool/drop/outbound.middle");
    let middle = std::fs::OpenOptions::new().write(true).open(at).expect("opened");
    let len = middle.metadata().expect("it is there").len();
    std::os::unix::fs::FileExt::write_all_at(&middle, b"\n", len - 1).expect("written");
    sparse(&site, "outbound.all", "", size);
    put(&site, "outbound.whole", &text(FIELDS, &format!("X: 1\n\n{}", "\0".repeat(1 << 20))));
    let run = site.try_run(&["run"]);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success() && said.lines().count() == 1 && said.matches("it has holes").count() == 2, "{run:?}");
    assert_eq!((dropped(&site).len(), arrived(&site).len()), (3, 1));
}

#[test]
fn adopted_mail_leaves_no_file_behind() {
    let site = own("[queue.news]\ntransport = \"m\"");
    for n in 0..130 {
        put(&site, &format!("outbound.{n}"), &text(FIELDS, &message(n)));
        put(&site, &format!("news.{n}"), &text(FIELDS, &message(n)));
    }
    assert_eq!(ok(&site.try_run(&["run"])), "");
    assert_eq!((dropped(&site).len(), arrived(&site).len()), (0, 260));
    for queue in ["outbound", "news"] {
        let keys = site.path("spool").join(queue).join("keys");
        assert!(keys.is_dir() && files(&keys) == 0, "{queue}: {} keys", files(&keys));
    }
    // What its user gave a key is remembered.
    if skipped() {
        return;
    }
    let (site, mara) = (shared(0, ""), Plain::with_uid(MARA));
    for _ in 0..2 {
        ok(&by(&site, &mara, &["submit", "--key", "k", "r@x.org"], message(1).as_bytes()));
        assert_eq!(ok(&site.try_run(&["run"])), "");
    }
    assert_eq!((arrived(&site).len(), files(&site.path("spool/outbound/keys"))), (1, 1));
}

#[test]
fn all_that_is_left_is_said_in_one_line_of_a_run() {
    let site = own("[queue.news]\ntransport = \"m\"\nlinger = \"1h\"");
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&config.replace("workers = 2", "workers = 2\nlinger = \"1h\""));
    put(&site, "outbound.0", &text(FIELDS, &message(0)));
    put(&site, "news.0", &text(FIELDS, &message(0)));
    let run = site.start(&["run"]);
    // New junk while it works, each time with mail that shows that it was met.
    for n in 1..4 {
        wait_until("the mail has arrived", || arrived(&site).len() == 2 * n);
        for queue in ["outbound", "news"] {
            put(&site, &format!("{queue}.a{n}"), "rubbish");
            put(&site, &format!("{queue}.b{n}"), "rubbish");
            put(&site, &format!("{queue}.{n}"), &text(FIELDS, &message(n as u32)));
        }
    }
    wait_until("all of it has arrived", || arrived(&site).len() == 8);
    support::signal("TERM", run.id());
    let output = run.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.lines().count() == 1, "{said}");
    assert!(said.contains("what cannot be queued is left") && said.contains("; and 7 more"), "{said}");
    assert_eq!(ok(&site.try_run(&["run", "-Q", "outbound", "--max-runtime", "1s"])), "");
}

#[test]
fn a_flood_keeps_nobody_else_from_being_adopted() {
    if skipped() {
        return;
    }
    let (site, mara, nils) = (shared(0, ""), Plain::with_uid(MARA), Plain::with_uid(NILS));
    for n in 0..4_000 {
        let path = put(&site, &format!("outbound.{n}"), &text(FIELDS, &message(n)));
        std::os::unix::fs::chown(path, Some(mara.uid), None).expect("chown");
    }
    let run = site.start(&["run"]);
    wait_until("some of the flood was adopted", || dropped(&site).len() < 4_000);
    ok(&by(&site, &nils, &["submit", "n@x.org"], message(9_999).as_bytes()));
    let is_his = |file: &PathBuf| file.metadata().is_ok_and(|meta| meta.uid() == NILS);
    wait_until("his mail was adopted", || !dropped(&site).iter().any(is_his));
    support::signal("TERM", run.id());
    support::assert_silent(run);
    let left = dropped(&site).len();
    assert!(left > 0, "the flood was over before his mail was adopted");
    dropped(&site).iter().for_each(|file| std::fs::remove_file(file).expect("removed"));
    assert_eq!(ok(&site.try_run(&["run"])), "");
    let arrived = arrived(&site);
    assert_eq!(arrived.len(), 4_001 - left);
    assert!(arrived.iter().any(|mail| mail.contains(&format!("from userid {NILS})"))), "his mail is missing");
}

#[test]
fn what_one_user_has_waiting_is_bounded_and_nobody_else_suffers() {
    if skipped() {
        return;
    }
    for service in [0, SERVICE] {
        for bound in ["entries = 3", "bytes = \"2100\""] {
            let extra = format!(
                "[limits]\nmin_free = 0\nheader = \"1K\"\nmessage = \"2K\"\n[drop]\n{bound}\n[queue.inbound]\ntransport = \"m\""
            );
            let (site, mara, nils) = (shared(service, &extra), Plain::with_uid(MARA), Plain::with_uid(NILS));
            defer(&site);
            let submit = |who: &Plain, queue: &str, n| {
                let body = format!("{}{}", message(n), "x".repeat(200));
                ok(&by(&site, who, &["submit", "-Q", queue, "r@x.org"], body.as_bytes()));
            };
            for n in 0..6 {
                submit(&mara, if n < 2 { "inbound" } else { "outbound" }, n);
            }
            submit(&nils, "outbound", 9);
            let first = site.try_run(&["run"]);
            let said = String::from_utf8_lossy(&first.stderr).into_owned();
            assert!(said.contains("has as much waiting as [drop] allows one user"), "{bound}: {said}");
            let (waiting, left) = (site.ids("ready").len(), dropped(&site).len());
            assert!(waiting + left == 7 && left >= 2 && waiting >= 3, "{bound}: {waiting} and {left}");
            // Said once a day, and nothing more is adopted while all of it waits.
            let second = site.try_run(&["run"]);
            assert!(!String::from_utf8_lossy(&second.stderr).contains("[drop]"), "{second:?}");
            assert_eq!(dropped(&site).len(), left, "{bound}");
            // What has left makes room, as soon as it was counted.
            let ids = site.ids("ready");
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            site.ok(&[&["remove", "--yes"], &ids[..]].concat());
            site.try_run(&["run"]);
            site.try_run(&["run"]);
            assert!(dropped(&site).len() < left, "{bound}: {left} and {}", dropped(&site).len());
        }
    }
}
