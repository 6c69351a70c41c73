//! Disks that are full or read-only, while mail is handed in and while a run drains: what was accepted is still there or
//! was delivered, once; what was not accepted left nothing.

use std::process::Output;

use crate::support::hosts::Mounts;
use crate::support::{Site, message};

/// A site whose spool is a file system of its own, with these mount options.
fn small(mounts: &mut Mounts, options: &str, extra: &str) -> Site {
    let site = Site::new("ok", extra);
    mounts.tmpfs(&site.path("spool"), options);
    site
}

/// One line that names the cause, and this status.
#[track_caller]
fn assert_said(output: &Output, codes: &[i32], words: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| codes.contains(&code)), "{output:?}");
    assert!(said.lines().count() == 1 && said.contains(words) && output.stdout.is_empty(), "{output:?}");
}

/// Submits numbered messages until one is refused for want of room; how many were accepted.
fn fill(site: &Site) -> u32 {
    for n in 0..20_000 {
        let before = site.tree();
        let args = ["submit", "-q", "-f", "sender@example.org", &format!("r{n}@example.net")];
        let output = site.feed(&args, message(n).as_bytes());
        if !output.status.success() {
            assert_said(&output, &[75], "No space left on device");
            assert_eq!(site.tree(), before, "the spool has changed");
            return n;
        }
    }
    panic!("the disk does not fill");
}

/// Takes every byte that is left.
fn take_the_rest(site: &Site) {
    let mut file = std::fs::File::create(site.path("spool/ballast")).expect("a file");
    while std::io::Write::write_all(&mut file, &[0; 4_096]).is_ok() {}
}

#[test]
fn a_disk_that_fills_up_refuses_and_drains() {
    let Some(mut mounts) = Mounts::new() else { return };
    let site = small(&mut mounts, "size=1m", "workers = 2");
    let accepted = fill(&site);
    take_the_rest(&site);
    assert_said(&site.feed(&["sendmail", "r@example.net"], message(1).as_bytes()), &[75], "No space left on device");
    assert_eq!(site.list().len(), accepted as usize);
    let output = site.try_run(&["run"]);
    assert!(output.status.success(), "draining needs no space: {output:?}");
    site.assert_each_once(0..accepted);
    assert!(accepted > 10 && site.list().is_empty());
}

#[test]
fn a_disk_without_inodes_refuses_and_drains() {
    let Some(mut mounts) = Mounts::new() else { return };
    let site = small(&mut mounts, "size=64m,nr_inodes=400", "workers = 2");
    let accepted = fill(&site);
    site.ok(&["run"]);
    site.assert_each_once(0..accepted);
    assert!(accepted > 10 && site.list().is_empty());
}

#[test]
fn a_full_disk_while_the_sink_defers_loses_nothing() {
    let Some(mut mounts) = Mounts::new() else { return };
    let site = small(&mut mounts, "size=1m", "workers = 2");
    let accepted = fill(&site);
    take_the_rest(&site);
    // Its deferrals cannot be noted.
    site.set_sink("exit=75", "workers = 2", "30s");
    let output = site.try_run(&["run"]);
    assert_eq!(output.status.code(), Some(74), "{output:?}");
    assert_eq!(site.ids("ready").len(), accepted as usize);
    site.set_sink("ok", "workers = 2", "30s");
    std::fs::remove_file(site.path("spool/ballast")).expect("it is there");
    site.ok(&["flush", "-q"]);
    site.assert_each_once(0..accepted);
    assert!(site.list().is_empty());
}

#[test]
fn several_recipients_are_not_handed_over_where_that_cannot_be_noted() {
    let Some(mut mounts) = Mounts::new() else { return };
    let site = small(&mut mounts, "size=1m", "workers = 1");
    site.submit(7, &["a@example.net", "b@example.net"]);
    take_the_rest(&site);
    let output = site.try_run(&["run"]);
    assert_said(&output, &[74], "No space left on device");
    assert!(site.deliveries().is_empty() && site.list().len() == 1);
    std::fs::remove_file(site.path("spool/ballast")).expect("it is there");
    site.ok(&["run"]);
    assert!(site.deliveries().len() == 2 && site.deliveries().values().all(|&times| times == 1));
}

#[test]
fn an_import_that_does_not_fit_is_queued_by_thousands_or_not_at_all() {
    let Some(mut mounts) = Mounts::new() else { return };
    // Entries take a page each, so a thousand fit and two thousand do not.
    let site = small(&mut mounts, "size=10m", "workers = 2");
    let mbox = site.mbox("box", 0..3_000);
    let output = site.try_run(&["submit", "--mbox", mbox.to_str().expect("a path")]);
    assert_said(&output, &[75], "No space left on device");
    let queued = site.list().len();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(queued.is_multiple_of(1_000) && queued > 0 && queued < 3_000, "{queued}: {said}");
    assert!(said.contains(&format!("only the first {queued} messages")), "{said}");
    assert_eq!(std::fs::read_dir(site.path("spool/outbound/tmp")).expect("a folder").count(), 0, "nothing is left");
    site.ok(&["run"]);
    site.assert_each_once(0..queued as u32);
}

#[test]
fn min_free_is_kept_free() {
    let site = Site::new("ok", "");
    let text = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.submit(1, &["r1@example.net"]);
    site.configure(&text.replace("min_free = \"0\"", "min_free = \"8000000T\""));
    let before = site.tree();
    for way in ["submit", "sendmail"] {
        let output = site.feed(&[way, "r@example.net"], message(1).as_bytes());
        assert_said(&output, &[75], "free on the spool's disk");
    }
    assert_eq!(site.tree(), before);
    site.ok(&["run"]);
    site.assert_each_once(1..2);
}

#[test]
fn a_read_only_spool_takes_nothing_and_hands_nothing_over() {
    let Some(mut mounts) = Mounts::new() else { return };
    let site = small(&mut mounts, "size=4m", "");
    let id = site.submit(1, &["r1@example.net"]);
    mounts.read_only(&site.path("spool"));
    let before = site.tree();
    for way in ["submit", "sendmail"] {
        let output = site.feed(&[way, "r@example.net"], message(1).as_bytes());
        assert_said(&output, &[74], "Read-only file system");
    }
    for run in [&["run"][..], &["flush"]] {
        assert_said(&site.try_run(run), &[74], "Read-only file system");
    }
    assert!(site.deliveries().is_empty() && site.tree() == before);
    // Looking at it needs no change.
    assert!(site.ok(&["list"]).contains(&id) && site.ok(&["show", &id]).contains("r1@example.net"));
    site.ok(&["status"]);
    site.assert_clean();
}
