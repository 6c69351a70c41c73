//! The order of system calls, from an strace log: a sync that is missing cannot be seen by killing. And each call of a
//! submit made to fail: refused with nothing queued, or accepted and there.
//!
//! Skipped, with a word, where strace is missing or may not trace.

use std::path::PathBuf;
use std::process::Output;

use crate::support::trace::{may_trace, trace, traced};
use crate::support::{self, Site};

/// The calls that matter for the order.
const CALLS: &str = "trace=write,pwrite64,fsync,fdatasync,syncfs,linkat,renameat,renameat2,rename,unlinkat,exit_group";

/// Asserts that the log has, in this order, lines that contain all of a step's words. Returns the steps' line numbers.
fn assert_order(log: &[String], steps: &[&[&str]]) -> Vec<usize> {
    let mut at = 0;
    let mut found = Vec::new();
    for step in steps {
        let here = log[at..].iter().position(|line| step.iter().all(|word| line.contains(word)));
        let here = here.unwrap_or_else(|| panic!("after line {at} none has {step:?}:\n{}", log.join("\n")));
        found.push(at + here);
        at += here + 1;
    }
    found
}

#[test]
fn an_entry_is_on_disk_before_its_id_is_said() {
    if !may_trace("an_entry_is_on_disk_before_its_id_is_said") {
        return;
    }
    // In a new spool, and in one that is there.
    let site = Site::new("ok", "");
    for n in 0..2 {
        let command = site.command(&["submit", "r@example.net"]);
        let output = support::feed(traced(&site, &[CALLS], &command), support::message(n).as_bytes());
        let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success() && !id.is_empty(), "{output:?}");
        let log = trace(&site);
        let steps = assert_order(
            &log,
            &[
                &["write", "X-Number"],
                &["sync(", "outbound/", "= 0"],
                &["linkat(", &id, "= 0"],
                &["fsync(", "outbound/ready/", "= 0"],
                &["write(1", &id],
                &["exit_group(0)"],
            ],
        );
        let (written, synced) = (&log[steps[0]], &log[steps[1]]);
        let file = |line: &str| line.split('<').nth(1).and_then(|rest| rest.split('>').next()).map(str::to_owned);
        assert_eq!(file(written), file(synced), "what is synced is what was written");
    }
    let log = trace(&site);
    // A kernel before 6.10 refuses the first way to a plain user.
    let linked = log.iter().filter(|line| line.contains("linkat(") && line.ends_with("= 0"));
    assert!(linked.count() == 1, "{}", log.join("\n"));
}

#[test]
fn a_batch_is_on_disk_before_it_is_said() {
    if !may_trace("a_batch_is_on_disk_before_it_is_said") {
        return;
    }
    let site = Site::new("ok", "");
    let mbox = site.mbox("box", 0..30);
    for _ in 0..2 {
        let command = site.command(&["submit", "--mbox", mbox.to_str().expect("a path")]);
        let output = traced(&site, &[CALLS], &command).output().expect("strace starts");
        assert!(output.status.success(), "{output:?}");
        assert_order(
            &trace(&site),
            &[
                &["write", "X-Number: 29"],
                &["syncfs(", "= 0"],
                &["renameat2(", "\"tmp/", "\"jobs/", "= 0"],
                &["fsync(", "outbound/jobs>", "= 0"],
                &["write(1", "30 messages queued"],
                &["exit_group(0)"],
            ],
        );
    }
}

#[test]
fn a_new_queue_is_on_disk_before_it_counts() {
    if !may_trace("a_new_queue_is_on_disk_before_it_counts") {
        return;
    }
    let site = Site::new("ok", "");
    let command = site.command(&["submit", "r@example.net"]);
    let output = support::feed(
        traced(&site, &["trace=openat,mkdirat,fsync,syncfs,linkat"], &command),
        support::message(1).as_bytes(),
    );
    assert!(output.status.success(), "{output:?}");
    assert_order(
        &trace(&site),
        &[
            &["linkat(", "version"],
            &["fsync(", "spool>", "= 0"],
            &["mkdirat(", "outbound/ready/ff"],
            &["syncfs(", "= 0"],
            &["openat(", "outbound/wake", "O_CREAT"],
            &["fsync(", "spool/outbound>", "= 0"],
            &["linkat(", "ready/"],
        ],
    );
}

#[test]
fn what_was_deferred_is_journaled_before_it_is_renamed() {
    if !may_trace("what_was_deferred_is_journaled_before_it_is_renamed") {
        return;
    }
    let site = Site::new("exit=75", "workers = 1");
    let id = site.submit(1, &["r@example.net"]);
    let output = traced(&site, &[CALLS], &site.command(&["run"])).output().expect("strace starts");
    assert!(output.status.success(), "{output:?}");
    assert_order(
        &trace(&site),
        &[
            &["write", &format!("{id}.log"), "deferred"],
            &["write", "events/", "deferred"],
            &["renameat2(", &id, "= 0"],
            &["syncfs(", "= 0"],
            &["exit_group(0)"],
        ],
    );
}

#[test]
fn a_failure_is_journaled_then_told_then_noted_and_then_set_aside() {
    if !may_trace("a_failure_is_journaled_then_told") {
        return;
    }
    let site = Site::new("exit=67", "notices = true\nworkers = 1");
    let id = site.submit(1, &["r@example.net"]);
    let output = traced(&site, &[CALLS], &site.command(&["run"])).output().expect("strace starts");
    assert!(output.status.success(), "{output:?}");
    assert_order(
        &trace(&site),
        &[
            &["write", &format!("{id}.log"), "failed"],
            &["write", "events/", "failed"],
            &["write", "multipart/report"],
            &["sync(", "outbound/", "= 0"],
            &["linkat(", "ready/", "-k", "= 0"],
            &["fsync(", "outbound/ready/", "= 0"],
            &["write", &format!("{id}.log"), "noticed"],
            &["renameat2(", &id, "failed/", "= 0"],
            &["syncfs(", "= 0"],
            &["exit_group(0)"],
        ],
    );
}

#[test]
fn a_group_is_announced_and_answered_and_its_journal_outlives_the_unlink_until_a_sync() {
    if !may_trace("a_group_is_announced_and_answered") {
        return;
    }
    let site = Site::new("ok", "workers = 1");
    let id = site.submit(1, &["a@example.net", "b@example.net"]);
    let calls = CALLS.to_owned() + ",execve";
    let output = traced(&site, &[&calls], &site.command(&["run"])).output().expect("strace starts");
    assert!(output.status.success(), "{output:?}");
    assert_order(
        &trace(&site),
        &[
            &["write", &format!("{id}.log"), "begun", "??"],
            &["execve(", "/sink"],
            &["pwrite64(", &format!("{id}.log"), "\"DD\""],
            &["write", "events/", "delivered"],
            &["unlinkat(", "ready/", &id, "= 0"],
            &["syncfs(", "= 0"],
            &["unlinkat(", &format!("{id}.log"), "= 0"],
            &["exit_group(0)"],
        ],
    );
}

/// Makes the N-th call of each kind fail, for each N that there is.
fn sweep(many: bool, fresh: bool) {
    let test = "each_call_of_a_submit_fails_once";
    if !may_trace(test) {
        return;
    }
    let calls = ["fsync", "fdatasync", "syncfs", "linkat", "write", "pwrite64", "renameat2", "mkdirat", "utimensat"];
    let mut failed = 0;
    for call in calls {
        // A new queue has hundreds of folders; the first few tell of all.
        let most = if call == "mkdirat" { 12 } else { 200 };
        for n in 1..=most {
            let error = if n % 2 == 0 { "EIO" } else { "ENOSPC" };
            let what = format!("{call} number {n}: {error}");
            let site = Site::new("ok", "workers = 2");
            if !fresh {
                site.submit(0, &["r0@example.net"]);
                site.ok(&["run"]);
            }
            let first = u32::from(!fresh);
            let (output, all) = submit_with(&site, &format!("inject={call}:error={error}:when={n}"), call, many);
            let injected =
                |part: &str| trace(&site).iter().any(|line| line.contains("(INJECTED)") && line.contains(part));
            // Calls are counted for each thread, so that the line that tells of the failure may be hit as well.
            let lines = usize::from(!injected("write(2"));
            let hit = injected("");
            check_after(&site, &output, first, all, lines, &what);
            if !hit {
                break;
            }
            failed += 1;
        }
    }
    assert!(failed > 5, "only {failed} calls were made to fail");
}

/// Submits messages 1 to `all` with a call that fails.
fn submit_with(site: &Site, inject: &str, call: &str, many: bool) -> (Output, u32) {
    let calls = format!("trace={call}");
    if many {
        let mbox: PathBuf = site.mbox("box", 1..4);
        let command = site.command(&["submit", "--mbox", mbox.to_str().expect("a path")]);
        return (traced(site, &[&calls, inject], &command).output().expect("strace starts"), 3);
    }
    let command = site.command(&["submit", "-f", "sender@example.org", "r1@example.net"]);
    (support::feed(traced(site, &[&calls, inject], &command), support::message(1).as_bytes()), 1)
}

/// Refused in one line (or in none) with nothing queued, or accepted and all there; and the next submit and run are as ever.
fn check_after(site: &Site, output: &Output, first: u32, all: u32, lines: usize, what: &str) {
    let queued = site.list().len() as u32;
    let said = String::from_utf8_lossy(&output.stderr).lines().count();
    if output.status.success() {
        assert_eq!(queued, all, "{what}: accepted, and not there: {output:?}");
    } else {
        assert_eq!((queued, said), (0, lines), "{what}: refused: {output:?}");
        let status = output.status.code();
        assert!(matches!(status, Some(74 | 75)), "{what}: {output:?}");
    }
    site.assert_clean();
    site.submit(all + 1, &[&format!("r{}@example.net", all + 1)]);
    site.ok(&["run"]);
    let found = site.deliveries();
    assert_eq!(found.len() as u32, first + queued + 1, "{what}");
    assert!(found.values().all(|&times| times == 1), "{what}: {found:?}");
}

#[test]
fn each_call_of_a_submit_into_a_new_spool_fails_once() {
    sweep(false, true);
}

#[test]
fn each_call_of_a_submit_fails_once() {
    sweep(false, false);
}

#[test]
fn each_call_of_a_batch_fails_once() {
    sweep(true, false);
}
