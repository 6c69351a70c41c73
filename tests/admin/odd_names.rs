//! Names that are not UTF-8: none of ours, reported wherever they lie, and never taken for another.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::support::{self, Site};

fn put(folder: &Path, name: &[u8]) {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join(OsStr::from_bytes(name)), "x").expect("a file");
}

/// A site with mail, and a drop folder.
fn site() -> Site {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    std::fs::create_dir(site.path("spool/drop")).expect("drop/");
    for (folder, mode) in [("spool", 0o711), ("spool/drop", 0o3733)] {
        std::fs::set_permissions(site.path(folder), PermissionsExt::from_mode(mode)).expect("a mode");
    }
    site
}

#[test]
fn in_the_drop_folder_they_are_reported_once() {
    let site = site();
    let names: [&[u8]; 4] = [b"outbound.\xff\xfe", b"\x80\x81", b"outbound.caf\xe9.\xc3\xa9", b"\xffx.outbound"];
    for name in names {
        put(&site.path("spool/drop"), name);
    }
    let output = site.try_run(&["run"]);
    let said = String::from_utf8(output.stderr.clone()).expect("text");
    assert!(output.status.success() && said.lines().count() == 1, "{output:?}");
    for shown in [r"outbound.\xff\xfe of ", r"\x80\x81 of ", r"outbound.caf\xe9.é of ", r"\xffx.outbound of "] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
    site.assert_each_once(1..2);
    let again = site.try_run(&["run"]);
    assert!(again.status.success() && again.stderr.is_empty(), "said once: {again:?}");
    let check = site.try_run(&["check"]);
    let text = String::from_utf8(check.stdout).expect("text");
    assert_eq!((check.status.code(), text.lines().count()), (Some(1), 5), "{text}");
    // A newer one is reported, and the older ones are not. The clock of files ticks slowly.
    let changed = |name: &[u8]| {
        let meta = site.path("spool/drop").join(OsStr::from_bytes(name)).metadata().expect("it is there");
        (meta.ctime(), meta.ctime_nsec())
    };
    let newest = names.iter().map(|name| changed(name)).max();
    support::wait_until("the clock of files goes on", || {
        put(&site.path("spool/drop"), b"outbound.new\xf5");
        Some(changed(b"outbound.new\xf5")) > newest
    });
    let said = String::from_utf8(site.try_run(&["run"]).stderr).expect("text");
    assert!(said.contains(r"outbound.new\xf5") && !said.contains(r"\xff"), "{said}");
    assert_eq!(std::fs::read_dir(site.path("spool/drop")).expect("a folder").count(), 5, "they are their owner's");
}

#[test]
fn anywhere_else_check_reports_them_and_mail_goes_its_way() {
    let site = site();
    let bucket = std::fs::read_dir(site.path("spool/outbound/ready")).expect("a folder").flatten().next();
    let bucket = bucket.expect("a bucket").path();
    let places =
        ["", "events", "outbound", "outbound/tmp", "outbound/journal/00", "outbound/failed/aa", "outbound/keys/00"];
    for (n, place) in places.iter().enumerate() {
        put(&site.path("spool").join(place), format!("odd{n}").bytes().chain([0xff]).collect::<Vec<_>>().as_slice());
    }
    put(&bucket, b"1796006941410166-\xff");
    put(&site.path("spool/outbound").join(OsStr::from_bytes(b"f\xffolder")), b"in\xfeside");
    let check = || {
        let output = site.try_run(&["check", "--json"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let mut paths: Vec<_> =
            report["problems"].as_array().expect("a list").iter().map(|p| p["path"].to_string()).collect();
        paths.sort();
        paths
    };
    let found = check();
    assert_eq!(found.len(), places.len() + 3, "{found:?}");
    for n in 0..places.len() {
        assert!(found.iter().any(|path| path.contains(&format!("odd{n}\\\\xff"))), "{n}: {found:?}");
    }
    // Nothing of it is mended, and nothing stands in the way.
    assert_eq!(site.try_run(&["check", "--repair"]).status.code(), Some(1));
    assert_eq!(check(), found);
    assert_eq!((site.list().len(), site.ids("corrupt").len()), (1, 0));
    let run = site.try_run(&["run"]);
    assert!(run.status.success() && run.stderr.is_empty(), "{run:?}");
    site.assert_each_once(1..2);
    // Of one queue only its own are told.
    let one = site.try_run(&["check", "--queue", "outbound", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&one.stdout).expect("JSON");
    assert_eq!(report["problems"].as_array().map(Vec::len), Some(found.len() - 2));
}

#[test]
fn a_folder_with_an_odd_name_in_it_is_no_empty_one() {
    let site = Site::new("ok", "");
    put(&site.path("spool"), b"odd\xff");
    let output = site.feed(&["submit", "r@example.net"], support::message(1).as_bytes());
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("not empty"), "{output:?}");
}
