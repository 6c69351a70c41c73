//! What users of such programs suffer, worst first, and the test that it does not happen here:
//!
//! | | pain | test |
//! |---|---|---|
//! | 1 | a stale lock stops all mail | `a_stale_lock_stops_nothing` |
//! | 2 | one bad message blocks the rest | `bad_entries_block_nobody`, `delivery/sink_down` |
//! | 3 | overlapping runs send twice | `overlap`, `safe/exactly_once` |
//! | 4 | after a restart people are skipped or mailed again | `a_run_that_is_killed_skips_nobody` |
//! | 5 | the sink's status is misread | `delivery/hostile_sinks`; of the real ones: `rig` |
//! | 6 | a hung child stalls the queue | `one_that_hangs_keeps_nobody_else` |
//! | 7 | who did not get it? | `who_did_not_get_it_is_known` |
//! | 8 | how many at once? | `nobody_need_choose_a_number_of_workers` |
//! | 9 | permanent failures are retried for ever | `a_permanent_failure_is_not_tried_again`; expiry and storms: `bounces/notices` |
//! | 10 | flush now, change the retry time | `a_shorter_schedule_counts_at_once`; `admin/views`, `admin/decisions` |
//! | 11 | mail expires while the host is offline | `a_sink_that_is_down_ages_nothing`; `offline`, `laptop` |
//! | 12 | a delay counts as a failure, a 550 as none | `a_delay_is_no_failure_and_a_550_is_one` |
//! | 13 | honest progress | `admin/views` (status) |
//! | 14 | a stalled runner blocks its slice | `one_that_hangs_keeps_nobody_else` |
//! | 15 | the oldest entry's age | `the_oldest_entrys_age_is_told` |
//! | 16 | noise from cron | `a_run_says_nothing_when_nobody_is_needed` |

use std::collections::HashSet;

use crate::support::{self, Site, assert_silent, children, signal, wait_until};

/// Puts a shell script before the sink; `"$@"` is what the sink gets.
fn through_script(site: &Site, script: &str, timeout: &str) {
    let path = site.path("script");
    let text = format!("#!/bin/sh\nlast=; for last; do :; done\n{script}\nexec {} \"$@\"\n", support::sink().display());
    support::program(&path, &text);
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    let config = config.replace(support::sink().to_str().expect("a path"), path.to_str().expect("a path"));
    site.configure(&config.replace("timeout = \"30s\"", &format!("timeout = \"{timeout}\"")));
}

#[test]
fn a_stale_lock_stops_nothing() {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("text");
    // As one that was killed leaves it, and a process of that number lives: this one.
    let text = format!("{{\"pid\":{},\"host\":{:?},\"started\":1}}\n", std::process::id(), host.trim());
    for (n, name) in (2..).zip(["lock", "run.json", "sink", "wake", "swept", "tmp/run.json-1"]) {
        std::fs::write(site.path("spool/outbound").join(name), &text).expect("written");
        site.submit(n, &[&format!("r{n}@example.net")]);
        assert!(site.try_run(&["run"]).status.success(), "{name}");
        assert!(site.list().is_empty(), "{name}");
    }
    site.assert_each_once(1..8);
}

#[test]
fn bad_entries_block_nobody() {
    let site = Site::new("digits", "workers = 1\nretry = { first = \"1d\", max = \"1d\" }");
    let spoiled = site.submit(0, &["spoiled@example.net"]);
    std::fs::write(site.file(&spoiled), "garbage").expect("written");
    let bad = [67, 75, 65, 1, 69];
    for (n, status) in (1..).zip(bad) {
        site.submit(n, &[&format!("r{status}@example.net")]);
    }
    for n in 6..30 {
        site.submit(n, &["r0@example.net"]);
    }
    let output = site.try_run(&["run"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!((site.deliveries().len(), site.list().len()), (24, bad.len()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.lines().count() == 1 && said.contains(&spoiled) && said.contains("moved to corrupt/"), "{said}");
    // It is said once.
    assert_silent(site.start(&["run"]));
}

#[test]
fn a_run_that_is_killed_skips_nobody() {
    let site = Site::new("wait=5", "workers = 3");
    site.ok(&["submit", "-q", "--mbox", site.mbox("box", 0..300).to_str().expect("a path")]);
    for round in 0..3 {
        let mut main = site.start(&["run"]);
        wait_until("some more are delivered", || site.deliveries().len() > round * 30 + 30);
        let supervisors = children(main.id());
        let workers: Vec<u32> = supervisors.iter().flat_map(|&pid| children(pid)).collect();
        [vec![main.id()], supervisors, workers].concat().into_iter().for_each(|pid| signal("KILL", pid));
        main.wait().expect("killed");
        wait_until("what was in hand has ended", || site.busy() == 0);
        // A child that syncs has it, too.
        support::crash::wait_for_the_lock(&site);
    }
    site.ok(&["run"]);
    let found = site.deliveries();
    assert_eq!(found.len(), 300, "somebody was skipped");
    // What each of three workers had in hand, three times.
    let again = found.values().map(|times| times - 1).sum::<u32>();
    assert!(again <= 9, "{again} were mailed again");
    assert!(site.list().is_empty());
    site.assert_clean();
}

#[test]
fn one_that_hangs_keeps_nobody_else() {
    let site = Site::new("ok", "workers = 2");
    through_script(&site, "case $last in hang*) exec sleep 600;; esac", "3s");
    let hung = site.submit(99, &["hang@example.net"]);
    site.ok(&["submit", "-q", "--mbox", site.mbox("box", 0..50).to_str().expect("a path")]);
    assert_silent(site.start(&["run"]));
    assert_eq!(site.deliveries().len(), 50);
    let rows = site.list();
    assert!(rows.len() == 1 && rows[0]["id"] == hung.as_str() && rows[0]["attempts"] == 1, "{rows:?}");
}

#[test]
fn who_did_not_get_it_is_known() {
    let site = Site::new("digits", "max_recipients = 1");
    let recipients: Vec<String> =
        (0..20).map(|n| format!("u{}x{n}@example.net", if n % 4 == 0 { 67 } else { 0 })).collect();
    let id = site.submit(1, &recipients.iter().map(String::as_str).collect::<Vec<_>>());
    site.ok(&["run"]);
    let row = &site.list()[0];
    assert!(row["state"] == "failed" && row["id"] == id.as_str(), "{row}");
    let listed: HashSet<&str> =
        row["recipients"].as_array().expect("a list").iter().filter_map(|r| r.as_str()).collect();
    let expected: HashSet<&str> = recipients.iter().map(String::as_str).filter(|r| r.starts_with("u67")).collect();
    assert_eq!(listed, expected);
    let shown: serde_json::Value = serde_json::from_str(&site.ok(&["show", "--json", &id])).expect("JSON");
    let count =
        |state: &str| shown["recipients"].as_array().expect("a list").iter().filter(|r| r["state"] == state).count();
    assert_eq!((count("failed"), count("delivered")), (5, 15), "{shown}");
}

#[test]
fn a_permanent_failure_is_not_tried_again() {
    let site = Site::new("exit=67", "retry = { first = \"1s\", max = \"1s\" }");
    site.submit(1, &["r1@example.net"]);
    for _ in 0..3 {
        assert_silent(site.start(&["run"]));
        site.ok(&["flush", "-q"]);
    }
    let row = &site.list()[0];
    assert_eq!((&row["state"], &row["attempts"]), (&"failed".into(), &1.into()));
    assert_eq!(site.events().len(), 1);
}

#[test]
fn a_shorter_schedule_counts_at_once() {
    let site = Site::new("exit=75", "retry = { first = \"2d\", max = \"2d\" }");
    site.submit(1, &["r1@example.net"]);
    site.ok(&["run"]);
    site.set_sink("ok", "retry = { first = \"2d\", max = \"2d\" }", "30s");
    site.ok(&["run"]);
    assert!(site.deliveries().is_empty(), "it is not due");
    site.set_sink("ok", "retry = { first = \"1m\", max = \"1h\" }", "30s");
    site.ok(&["run"]);
    site.assert_each_once(1..2);
}

#[test]
fn a_sink_that_is_down_ages_nothing() {
    let site = Site::new("exit=127", "retry = { first = \"1s\", max = \"1s\", expire = \"1s\" }");
    let id = site.submit(1, &["r1@example.net"]);
    wait_until("it is older than its expiry", || {
        assert_eq!(site.try_run(&["run"]).status.code(), Some(75));
        site.oldest_age() >= 3
    });
    assert_eq!((site.ids("ready"), site.ids("failed")), (vec![id], Vec::new()));
    assert_eq!(site.list()[0]["attempts"], 0);
    site.set_sink("ok", "", "30s");
    site.ok(&["run"]);
    site.assert_each_once(1..2);
}

#[test]
fn the_oldest_entrys_age_is_told() {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    let status = || -> serde_json::Value { serde_json::from_str(&site.ok(&["status", "--json"])).expect("JSON") };
    wait_until("it is a second old", || status()["queues"][0]["oldest_age"].as_u64().is_some_and(|age| age >= 1));
    assert!(site.ok(&["status"]).contains("the oldest is "));
    site.ok(&["run"]);
    assert_eq!(status()["queues"][0]["oldest_age"], 0);
}

#[test]
fn a_run_says_nothing_when_nobody_is_needed() {
    let site = Site::new("digits", "workers = 2");
    // There is no spool, then an empty queue, then each verdict.
    assert_silent(site.start(&["run"]));
    for to in ["r0@example.net", "r75@example.net", "r67@example.net"] {
        site.submit(1, &[to]);
    }
    for _ in 0..3 {
        assert_silent(site.start(&["run"]));
    }
    assert_eq!(site.events().len(), 3);
}

#[test]
fn nobody_need_choose_a_number_of_workers() {
    let site = Site::new("wait=200", "");
    site.ok(&["submit", "-q", "--mbox", site.mbox("box", 0..30).to_str().expect("a path")]);
    let run = site.start(&["run"]);
    // As many as there are processors, and at least two.
    wait_until("several are at work", || site.busy() >= 2);
    assert_silent(run);
    site.assert_each_once(0..30);
}

#[test]
fn a_delay_is_no_failure_and_a_550_is_one() {
    let site = Site::new("ok", "retry = { first = \"1d\", max = \"1d\" }");
    let script = "case $last in \
                  full*) echo '<x>: 452 4.2.2 mailbox full' >&2; exit 67;; \
                  nobody*) echo '<x>: 550 5.1.1 no such user' >&2; exit 75;; esac";
    through_script(&site, script, "30s");
    let full = site.submit(1, &["full@example.net"]);
    let nobody = site.submit(2, &["nobody@example.net"]);
    site.ok(&["run"]);
    assert_eq!((site.ids("ready"), site.ids("failed")), (vec![full], vec![nobody]));
}
