//! The ledger's file, `state.db`: it appears whole or not at all, and one that is damaged says nothing of anybody.

use std::path::Path;
use std::process::Output;

#[cfg(feature = "faults")]
use crate::support::crash::{self, Trap};
use crate::support::{self, Site};

/// What is left of a ledger.
type Damage = dyn Fn(&Site) -> Vec<u8>;

const FILES: [&str; 3] = ["state.db", "state.db-wal", "state.db-shm"];

fn is_suppressed(site: &Site, address: &str) -> bool {
    let output = site.try_run(&["suppress", "check", address]);
    assert!(output.stderr.is_empty(), "{output:?}");
    output.status.code() == Some(1)
}

/// Asserts that it is reported in one line with what to do.
#[track_caller]
fn assert_reported(output: &Output, status: i32) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    assert!(said.lines().count() == 1 && said.contains("state.db"), "{said}");
    assert!(said.contains("restore it from a copy") && said.contains("remove state.db"), "{said}");
}

#[test]
fn a_damaged_ledger_keeps_all_mail_and_forgets_nobody() {
    let page = |site: &Site| std::fs::read(site.path("spool/state.db")).expect("a ledger")[..4_096].to_vec();
    let header = |site: &Site| {
        // As an earlier version left one whose log was lost: a first page, and no layout.
        let db = rusqlite::Connection::open(site.path("other.db")).expect("a database");
        db.execute_batch("PRAGMA journal_mode = wal; PRAGMA user_version = 0; VACUUM").expect("written");
        drop(db);
        std::fs::read(site.path("other.db")).expect("a database")
    };
    let damages: [(&str, &Damage); 5] = [
        ("empty", &|_| Vec::new()),
        ("no database", &|_| b"no database".repeat(100)),
        ("one byte", &|_| b"S".to_vec()),
        ("cut", &page),
        ("no layout", &header),
    ];
    for (what, damage) in damages {
        let site = Site::new("ok", "");
        site.ok(&["suppress", "add", "bad@example.net"]);
        site.submit(1, &["bad@example.net"]);
        site.submit(2, &["good@example.net"]);
        let damaged = damage(&site);
        std::fs::write(site.path("spool/state.db"), &damaged).expect("damaged");
        for _ in 0..2 {
            let output = site.try_run(&["run", "--queue", "outbound"]);
            assert_eq!(output.status.code(), Some(75), "{what}: {output:?}");
        }
        assert_reported(&site.try_run(&["suppress", "list"]), 74);
        assert_reported(&site.try_run(&["suppress", "add", "other@example.net"]), 74);
        assert_eq!((site.deliveries().len(), site.ids("ready").len()), (0, 2), "{what}");
        assert_eq!(std::fs::read(site.path("spool/state.db")).expect("there"), damaged, "{what}: evidence is kept");
        // As the line says.
        for file in FILES {
            let _ = std::fs::remove_file(site.path("spool").join(file));
        }
        site.ok(&["suppress", "add", "bad@example.net"]);
        site.ok(&["flush", "-q"]);
        assert_eq!(site.deliveries().into_keys().collect::<Vec<_>>(), [(2, "good@example.net".to_owned())], "{what}");
    }
}

#[test]
fn changes_without_their_ledger_are_damage_too() {
    let site = Site::new("ok", "");
    site.ok(&["suppress", "add", "bad@example.net"]);
    site.submit(1, &["bad@example.net"]);
    // Open, so that its log stays.
    let db = rusqlite::Connection::open(site.path("spool/state.db")).expect("a ledger");
    db.execute_batch("UPDATE address SET why = 'x'").expect("written");
    assert!(std::fs::metadata(site.path("spool/state.db-wal")).expect("a log").len() > 0);
    std::fs::remove_file(site.path("spool/state.db")).expect("removed");
    assert_eq!(site.try_run(&["run"]).status.code(), Some(75));
    assert_reported(&site.try_run(&["suppress", "list"]), 74);
    assert_eq!(site.deliveries().len(), 0);
    std::fs::write(site.path("spool/state.db-wal"), "").expect("emptied");
    site.ok(&["flush", "-q"]);
    assert_eq!(site.deliveries().len(), 1, "an empty log changes nothing");
}

#[test]
fn many_who_make_one_at_once_make_one() {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    let address = |n: u32| format!("bad{n}@example.net");
    let started: Vec<_> = (0..8).map(|n| site.start(&["suppress", "add", &address(n)])).collect();
    for child in started {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    assert!((0..8).all(|n| is_suppressed(&site, &address(n))));
    assert_eq!(leftovers(&site.path("spool")), Vec::<String>::new());
}

/// What lies in the spool and begins with a dot.
fn leftovers(spool: &Path) -> Vec<String> {
    let names = std::fs::read_dir(spool).expect("a folder").flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with('.')).collect()
}

#[cfg(feature = "faults")]
#[test]
fn killed_at_any_step_it_is_missing_or_whole() {
    for point in crash::points(&["ledger."]) {
        let site = Site::new("ok", "");
        site.submit(1, &["bad@example.net"]);
        let trap = Trap::new(&site, &point.name);
        let output = trap.run(&site, &["suppress", "add", "bad@example.net"]);
        assert!(trap.was_met() && crash::was_killed(&output), "{}: {output:?}", point.name);
        let len = std::fs::metadata(site.path("spool/state.db")).map(|meta| meta.len());
        assert!(len.is_err() || len.is_ok_and(|len| len >= 4_096), "{}", point.name);
        assert_eq!(leftovers(&site.path("spool")), Vec::<String>::new(), "{}", point.name);
        assert!(!is_suppressed(&site, "bad@example.net"));
        site.ok(&["suppress", "add", "bad@example.net"]);
        assert!(is_suppressed(&site, "bad@example.net"));
        site.ok(&["run"]);
        assert_eq!(site.deliveries().len(), 0, "{}", point.name);
    }
}

#[cfg(feature = "faults")]
#[test]
fn a_step_that_fails_says_so_and_leaves_nothing() {
    for point in crash::points(&["ledger."]).iter().filter(|point| point.fails) {
        for (error, status) in [("enospc", 75), ("efbig", 75), ("eio", 74), ("erofs", 74)] {
            let site = Site::new("ok", "");
            site.submit(1, &["r1@example.net"]);
            let trap = Trap::new(&site, &format!("{}={error}", point.name));
            let output = trap.run(&site, &["suppress", "add", "bad@example.net"]);
            assert_eq!(output.status.code(), Some(status), "{} {error}: {output:?}", point.name);
            assert!(!site.path("spool/state.db").exists(), "{}", point.name);
        }
    }
}

#[cfg(feature = "faults")]
#[test]
fn one_who_finds_it_before_it_is_synced_uses_it() {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    let trap = Trap::new(&site, "ledger.linked=stop");
    let mut first = trap.set(site.command(&["suppress", "add", "first@example.net"])).spawn().expect("it starts");
    support::wait_until("it is linked", || trap.was_met());
    site.ok(&["suppress", "add", "second@example.net"]);
    support::signal("CONT", first.id());
    support::wait_until("the first goes on", || {
        support::signal("CONT", first.id());
        first.try_wait().expect("a child").is_some()
    });
    assert!(is_suppressed(&site, "first@example.net") && is_suppressed(&site, "second@example.net"));
}
