//! Killed anywhere in hold, release, requeue and remove: nothing is lost, nothing is sent twice, and the same command again
//! finishes what was begun. And a job that ends while one of its entries comes back.
#![cfg(feature = "faults")]

use std::path::PathBuf;

use crate::support::crash::Trap;
use crate::support::{self, Site, assert_silent, signal, wait_until};

/// Each recipient by itself; nothing of the schedule comes while a test runs.
const SLOW: &str = "workers = 1\nmax_recipients = 1\nretry = { first = \"1d\", max = \"1d\" }";

/// Everything that one of the four may pass.
const POINTS: [&str; 14] = [
    "claim.opened",
    "claim.taken",
    "amend.noted",
    "amend.closed",
    "settle.rename",
    "settle.renamed",
    "settle.unlink",
    "settle.unlinked",
    "tidy.begin",
    "tidy.synced",
    "tidy.unlinked",
    "job.empty",
    "job.synced",
    "job.renamed",
];

/// One deferred, one partly delivered and else failed, one that is held, and a batch of two, one of which is delivered.
fn loaded() -> Site {
    let site = Site::new("digits", SLOW);
    let held = site.submit(3, &["r0@c.org"]);
    site.ok(&["hold", &held]);
    site.submit(1, &["r75@a.org"]);
    site.submit(2, &["r0@b.org", "r67@d.org"]);
    let mbox = site.path("box");
    let mail = |n: u32, to: &str| format!("From x@example.org Tue\nTo: {to}\n{}\n", support::message(n));
    std::fs::write(&mbox, mail(4, "r67@e.org") + &mail(5, "r0@f.org")).expect("a file");
    site.ok(&["submit", "-q", "--mbox", mbox.to_str().expect("a path")]);
    site.ok(&["run"]);
    assert_eq!((site.ids("ready").len(), site.ids("hold").len(), site.ids("failed").len()), (1, 1, 2));
    site
}

/// Lets everything go, and asserts how often each came.
fn settle_all(site: &Site, removes: bool, what: &str) {
    site.set_sink("ok", SLOW, "30s");
    site.ok(&["release", "-Q", "outbound", "--yes"]);
    site.ok(&["requeue", "-Q", "outbound", "--yes"]);
    support::crash::drain(site);
    assert!(site.list().is_empty(), "{what}: {:?}", site.list());
    let found = site.deliveries();
    for (number, to) in
        [(1, "r75@a.org"), (2, "r0@b.org"), (2, "r67@d.org"), (3, "r0@c.org"), (4, "r67@e.org"), (5, "r0@f.org")]
    {
        let times = found.get(&(number, to.to_owned())).copied().unwrap_or(0);
        assert!(times == 1 || (removes && times == 0), "{what}: {to} {times} times");
    }
    site.assert_clean();
}

fn kill_in(args: &[&str]) {
    let removes = args[0] == "remove";
    let mut met = 0;
    for point in POINTS {
        for count in 1..=2 {
            let what = format!("{args:?} killed at {point}:{count}");
            let site = loaded();
            let trap = Trap::new(&site, &format!("{point}:{count}"));
            let output = trap.run(&site, args);
            met += u32::from(trap.was_met());
            assert!(trap.was_met() || output.status.success(), "{what}: {output:?}");
            // The command again finishes it.
            site.ok(args);
            if removes {
                assert_eq!(site.list().len(), 0, "{what}");
            }
            settle_all(&site, removes, &what);
        }
    }
    assert!(met >= 4, "{args:?}: only {met} points were met");
}

#[test]
fn hold_is_killed_everywhere() {
    kill_in(&["hold", "-Q", "outbound", "--yes"]);
}

#[test]
fn release_is_killed_everywhere() {
    kill_in(&["release", "-Q", "outbound", "--yes"]);
}

#[test]
fn requeue_is_killed_everywhere() {
    kill_in(&["requeue", "-Q", "outbound", "--yes"]);
}

#[test]
fn remove_is_killed_everywhere() {
    kill_in(&["remove", "-Q", "outbound", "--yes"]);
}

#[test]
fn a_waiting_entry_that_is_marked_as_removed_is_not_handed_over() {
    let site = Site::new("digits", SLOW);
    let id = site.submit(1, &["r75@a.org", "r0@b.org"]);
    site.ok(&["run"]);
    let trap = Trap::new(&site, "amend.closed");
    trap.run(&site, &["remove", &id]);
    assert!(trap.was_met() && site.ids("ready") == [id]);
    site.set_sink("ok", SLOW, "30s");
    site.ok(&["flush", "-q"]);
    assert!(site.list().is_empty() && site.deliveries().len() == 1);
    site.assert_clean();
}

/// Processes of this site's runs that are stopped.
fn stopped(site: &Site) -> Vec<u32> {
    let spool = site.path("spool").display().to_string();
    let ours = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit(") ").next().unwrap_or_default().to_owned();
        line.split(|&b| b == 0).any(|word| word == spool.as_bytes()) && state.starts_with('T')
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(ours).collect()
}

/// The entry `4` of the batch, which failed.
fn failed_of_the_batch(site: &Site) -> String {
    site.ids("failed").into_iter().find(|id| id.contains('.')).expect("it is there")
}

#[test]
fn an_entry_comes_back_while_its_job_ends() {
    for killed in [false, true] {
        let site = loaded();
        let id = failed_of_the_batch(&site);
        site.ok(&["requeue", &id]);
        site.ok(&["run"]);
        let ready: PathBuf = site.path("spool/outbound/jobs").join(id.split('.').next().expect("a job")).join("ready");
        assert!(!ready.exists() && failed_of_the_batch(&site) == id);
        // Somebody who ends the job has seen that nothing is in ready/ and hold/ ...
        site.submit(9, &["r0@z.org"]);
        let trap = Trap::new(&site, "job.empty=stop");
        let mut command = trap.set(site.command(&["run"]));
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let main = command.spawn().expect("it starts");
        wait_until("somebody is about to end the job", || stopped(&site).len() == 1);
        // ... and is overtaken.
        site.ok(&["requeue", &id]);
        assert!(ready.exists());
        for pid in stopped(&site) {
            signal(if killed { "KILL" } else { "CONT" }, pid);
        }
        let output = main.wait_with_output().expect("it ends");
        assert!(killed || output.status.success(), "{output:?}");
        settle_all(&site, false, "overtaken");
    }
}

#[test]
fn what_a_killed_process_left_in_done_comes_back_with_the_next_run() {
    let site = loaded();
    let id = failed_of_the_batch(&site);
    site.ok(&["requeue", &id]);
    let (job, queue) = (id.split('.').next().expect("a job"), site.path("spool/outbound"));
    std::fs::create_dir_all(queue.join("done")).expect("a folder");
    std::fs::rename(queue.join("jobs").join(job), queue.join("done").join(job)).expect("renamed");
    site.set_sink("ok", SLOW, "30s");
    assert_silent(site.start(&["run"]));
    assert!(!site.list().iter().any(|row| row["id"] == id.as_str()) && !queue.join("done").join(job).exists());
    settle_all(&site, false, "left in done/");
}
