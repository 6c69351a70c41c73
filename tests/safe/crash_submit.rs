//! Killed anywhere in a submit: what it accepted is there, what it had not is absent or whole; and a step that fails
//! leaves nothing.
#![cfg(feature = "faults")]

use std::process::Output;

use crate::support::crash::{self, Trap};
use crate::support::{self, Site};

const NEW: [&str; 2] = ["spool.", "queue."];
const BATCH: u32 = 5;
const WORKERS: &str = "workers = 2\njob_recipients = 2";

/// What is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Single,
    /// The messages 1 to 5.
    Batch,
    /// Message 1, to five recipients in entries of two.
    Post,
}

impl What {
    fn entries(self) -> usize {
        match self {
            What::Single => 1,
            What::Batch => BATCH as usize,
            What::Post => 3,
        }
    }
}

/// Submits it, with the fault at work.
fn submit(site: &Site, trap: &Trap, what: What) -> Output {
    if what == What::Batch {
        let mbox = site.mbox("box", 1..1 + BATCH);
        return trap.run(site, &["submit", "--mbox", mbox.to_str().expect("a path")]);
    }
    if what == What::Post {
        let list = site.path("list");
        let text: String = (1..=BATCH).rev().map(|n| format!("r{n}@example.net\n")).collect();
        std::fs::write(&list, text).expect("written");
        let command = site.command(&["submit", "--recipients", list.to_str().expect("a path")]);
        return support::feed(trap.set(command), support::message(1).as_bytes());
    }
    let command = site.command(&["submit", "-f", "sender@example.org", "r1@example.net"]);
    support::feed(trap.set(command), support::message(1).as_bytes())
}

/// Each point, whether a step fails there, and what passes it.
fn each_point(mut then: impl FnMut(&str, bool, What)) {
    let passed: [(&[&str], &[What]); 4] = [
        (&["publish."], &[What::Single]),
        (&["batch."], &[What::Batch, What::Post]),
        (&["post."], &[What::Post]),
        (&NEW, &[What::Single, What::Batch, What::Post]),
    ];
    for (prefixes, by) in passed {
        for point in crash::points(prefixes) {
            for &what in by.iter().filter(|&&what| what != What::Post || point.name != "batch.entry") {
                then(&point.name, point.fails, what);
            }
        }
    }
}

/// Queues one more and delivers everything: what was submitted, if it is `queued`, and that one.
fn deliver_all(site: &Site, submitted: What, queued: bool, what: &str) {
    site.submit(0, &["r0@example.net"]);
    let output = site.try_run(&["run"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{what}: {output:?}");
    match submitted {
        What::Post if queued => {
            let found = site.deliveries();
            assert_eq!(found.keys().filter(|(n, _)| *n == 1).count(), BATCH as usize, "{what}: {found:?}");
            crash::assert_no_surplus(site, what);
        }
        What::Single | What::Batch | What::Post => {
            site.assert_each_once(0..if queued { submitted.entries() as u32 + 1 } else { 1 });
        }
    }
    assert!(site.list().is_empty(), "{what}");
    site.assert_clean();
}

#[test]
fn a_killed_submitter_leaves_all_or_nothing() {
    each_point(|name, _, submitted| {
        for count in 1..=3 {
            let what = format!("{submitted:?} killed at {name} (passing {count})");
            let site = Site::new("ok", WORKERS);
            let trap = Trap::new(&site, &format!("{name}:{count}"));
            let output = submit(&site, &trap, submitted);
            assert!(count > 1 || trap.was_met(), "{what}: nobody came there: {output:?}");
            assert_eq!(trap.was_met(), crash::was_killed(&output), "{what}: {output:?}");
            site.assert_clean();
            let (queued, all) = (site.list().len(), submitted.entries());
            assert!(queued == 0 || queued == all, "{what}: {queued} of {all} are queued");
            assert!(queued == all || output.stdout.is_empty(), "{what}: accepted and not there: {output:?}");
            deliver_all(&site, submitted, queued > 0, &what);
        }
    });
}

#[test]
fn a_failed_step_leaves_nothing() {
    each_point(|name, fails, submitted| {
        for (error, status) in [("eio", 74), ("enospc", 75)].into_iter().filter(|_| fails) {
            let what = format!("{submitted:?}: {error} at {name}");
            let site = Site::new("ok", WORKERS);
            let trap = Trap::new(&site, &format!("{name}={error}"));
            let output = submit(&site, &trap, submitted);
            assert!(trap.was_met(), "{what}: nobody came there: {output:?}");
            assert_eq!(output.status.code(), Some(status), "{what}: {output:?}");
            assert_eq!((output.stdout.len(), crash::lines_said(&output)), (0, 1), "{what}: {output:?}");
            assert!(site.list().is_empty(), "{what}");
            crash::assert_tmp_is_empty(&site, &what);
            site.assert_clean();
            deliver_all(&site, submitted, false, &what);
        }
    });
}

/// An mbox of several batches: those that were committed before the kill are there, and each is whole.
#[test]
fn a_killed_import_has_whole_batches() {
    for (fault, expected) in [("batch.written:2", 1_000), ("batch.renamed:2", 2_000), ("batch.entry:1500", 1_000)] {
        let site = Site::new("ok", "workers = 2");
        let mbox = site.mbox("box", 1..2_301);
        let trap = Trap::new(&site, fault);
        let output = trap.run(&site, &["submit", "--mbox", mbox.to_str().expect("a path")]);
        assert!(crash::was_killed(&output), "{fault}: {output:?}");
        site.assert_clean();
        assert_eq!(site.list().len(), expected, "{fault}");
    }
}

/// Where the second batch cannot be committed, the first is queued, and that is said.
#[test]
fn a_failed_import_says_what_was_queued() {
    let site = Site::new("ok", "");
    let mbox = site.mbox("box", 1..1_501);
    let trap = Trap::new(&site, "batch.synced:2=eio");
    let output = trap.run(&site, &["submit", "--mbox", mbox.to_str().expect("a path")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), crash::lines_said(&output)), (Some(74), 1), "{output:?}");
    assert!(said.contains("1000 messages"), "{said}");
    assert_eq!(site.list().len(), 1_000);
    crash::assert_tmp_is_empty(&site, "after the failure");
}
