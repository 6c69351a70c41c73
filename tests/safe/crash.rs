//! Killed anywhere in a run: at each named point of claim, hand-over and settle one process is killed, or the step fails;
//! what must hold is looked at afterwards. The points are found in the sources, so that a new one is met too.
#![cfg(feature = "faults")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::crash::{self, Point, Trap};
use crate::support::{self, Site};

/// The points that a run passes.
pub const RUN: [&str; 12] = [
    "aside.",
    "calm.",
    "claim.",
    "job.",
    "journal.",
    "lock.",
    "main.",
    "prove",
    "settle.",
    "supervisor.",
    "tidy.",
    "worker.",
];
/// Those whose killing may leave a hand-over unsettled, and so repeated.
pub const REPEATS: [&str; 5] =
    ["worker.handed", "worker.answered", "worker.recorded", "journal.answer", "settle.unlink"];
/// Met in other tests: submit's in `crash_submit`, a person's in `crash_admin`, a moved job's in `admin/jobs`, a key's in
/// `intake/keys`, a session's in `delivery/turns`, a notice's in `bounces/notices_killed`, the ledger's in `bounces/queue` and
/// `bounces/ledger`, those of drop/, of requests and of the host's folders in `users/drop`, `users/own_mail` and
/// `users/shared_host`, an upgrade's in `formats/upgrade`, a merge's in `merge/killed` and
/// `src/spool/merge/log/tests/faults.rs`; and those below.
const OTHERS: &[&str] = &[
    "adopt.", "amend.", "batch.", "bounces.", "drop.", "host.", "intent.", "key.", "ledger.", "maildir.", "merge.",
    "notice.", "post.", "publish.", "queue.", "request.", "shift.", "smtp.", "spool.", "sweep.", "syncer.", "upgrade.",
];

/// Message number, its recipients (the sink exits with the digits), and whether it is delivered in the end.
pub const MAIL: [(u32, &[&str], bool); 8] = [
    (1, &["a0@h1.example.net"], true),
    (2, &["a0@h2.example.net"], true),
    (3, &["a0@h3.example.net"], true),
    (4, &["b75@h4.example.net"], true),
    (5, &["b67@h5.example.net"], false),
    (6, &["a0@h6.example.net", "b0@h6.example.net", "c0@h6.example.net"], true),
    (7, &["a0@h7.example.net", "b0@h7.example.net", "c75@h8.example.net"], true),
    (8, &["d75@h9.example.net", "e75@h9.example.net"], true),
];
const BATCH: std::ops::Range<u32> = 20..24;
const FIRST: (u32, &str) = (100, "a0@h100.example.net");
/// A post to these, in entries of two.
const POST: (u32, [&str; 3]) = (30, ["a0@p1.example.net", "b0@p1.example.net", "c0@p2.example.net"]);
const AT_ONCE: &str = "workers = 2\nmax_recipients = 2\njob_recipients = 2";
pub const HOLD: &str = "workers = 2\nmax_recipients = 2\njob_recipients = 2\non_crash = \"hold\"";

/// A site with all of it queued, and one entry that cannot be read.
pub fn loaded() -> Site {
    loaded_with(AT_ONCE)
}

pub fn loaded_with(policy: &str) -> Site {
    let site = Site::new("digits", policy);
    // The sweep of the hour is over: what a kill leaves stays, and must be in order as it is.
    site.submit(FIRST.0, &[FIRST.1]);
    site.ok(&["run"]);
    for (number, recipients, _) in MAIL {
        site.submit(number, recipients);
    }
    let mbox = site.mbox("box", BATCH);
    site.ok(&["submit", "-q", "--mbox", mbox.to_str().expect("a path"), "a0@list.example.net"]);
    let list = site.path("list");
    std::fs::write(&list, POST.1.join("\n")).expect("written");
    let posted = site.feed(
        &["submit", "-q", "-f", "s@example.org", "--recipients", list.to_str().expect("a path")],
        support::message(POST.0).as_bytes(),
    );
    assert!(posted.status.success(), "{posted:?}");
    let broken = entry(&site, &site.submit(9, &["a0@h0.example.net"]));
    let file = std::fs::OpenOptions::new().write(true).open(broken).expect("opened");
    file.set_len(file.metadata().expect("its size").len() - 5).expect("cut");
    site
}

pub fn entry(site: &Site, id: &str) -> PathBuf {
    let line = site.tree().into_iter().find(|line| line.contains(id)).expect("it is there");
    PathBuf::from(line.split(' ').next().expect("a path"))
}

/// Runs until all is settled, and asserts what must hold whatever happened before.
pub fn settle_all(site: &Site, what: &str) {
    crash::wait_for_the_lock(site);
    site.ok(&["run"]);
    site.set_sink("ok", AT_ONCE, "30s");
    crash::drain(site);
    let expected = expected();
    let found: BTreeSet<(u32, String)> = site.deliveries().into_keys().collect();
    assert_eq!(found, expected, "{what}");
    assert_eq!((site.list().len(), site.ids("failed").len()), (1, 1), "{what}: one failed, and else nothing");
    assert_eq!(std::fs::read_dir(site.path("spool/outbound/corrupt")).expect("a folder").count(), 1, "{what}");
    site.assert_clean();
}

/// Message and recipient of all that arrives in the end.
pub fn expected() -> BTreeSet<(u32, String)> {
    let mut expected: BTreeSet<(u32, String)> = BATCH.map(|n| (n, "a0@list.example.net".to_owned())).collect();
    for (number, recipients, _) in MAIL.into_iter().filter(|(_, _, arrives)| *arrives) {
        expected.extend(recipients.iter().map(|recipient| (number, (*recipient).to_owned())));
    }
    expected.extend(POST.1.map(|recipient| (POST.0, recipient.to_owned())));
    expected.insert((FIRST.0, FIRST.1.to_owned()));
    expected
}

pub fn run_points() -> Vec<Point> {
    crash::points(&RUN)
}

#[test]
fn every_point_is_met_somewhere() {
    let covered: BTreeSet<Point> = crash::points(&[&RUN[..], OTHERS].concat()).into_iter().collect();
    let all = crash::all_points();
    let forgotten: Vec<_> = all.difference(&covered).collect();
    assert!(forgotten.is_empty(), "say in tests/safe/crash.rs who passes {forgotten:?}");
}

fn kill_at(point: &Point, count: u32) {
    let what = format!("killed at {} (passing {count})", point.name);
    let site = loaded();
    let trap = Trap::new(&site, &format!("{}:{count}", point.name));
    let output = trap.run(&site, &["run"]);
    assert!(count > 1 || trap.was_met(), "{what}: nobody came there: {output:?}");
    settle_all(&site, &what);
    let may_repeat = REPEATS.contains(&point.name.as_str());
    crash::assert_surplus_in_one_hand(&site, if may_repeat { 2 } else { 0 }, &what);
    crash::assert_events_tell_the_truth(&site, 2, &what);
}

fn kill_at_each(part: usize) {
    for point in run_points().iter().skip(part).step_by(3) {
        kill_at(point, 1);
        kill_at(point, 2);
    }
}

#[test]
fn one_is_killed_at_each_point_part_1() {
    kill_at_each(0);
}

#[test]
fn one_is_killed_at_each_point_part_2() {
    kill_at_each(1);
}

#[test]
fn one_is_killed_at_each_point_part_3() {
    kill_at_each(2);
}

#[test]
fn a_step_that_fails_repeats_nothing() {
    for point in run_points().iter().filter(|point| point.fails) {
        for error in ["eio", "enospc"] {
            let what = format!("{} at {}", error, point.name);
            let site = loaded();
            let trap = Trap::new(&site, &format!("{}={error}", point.name));
            let output = trap.run(&site, &["run"]);
            assert!(trap.was_met(), "{what}: nobody came there: {output:?}");
            match (point.name.as_str(), error) {
                // Draining frees space.
                ("prove", "enospc") => assert_eq!(output.status.code(), Some(0), "{what}: {output:?}"),
                ("prove", _) => {
                    assert_eq!((output.status.code(), crash::lines_said(&output)), (Some(74), 1), "{what}: {output:?}");
                    assert_eq!(site.deliveries().len(), 1, "{what}: the spool takes no changes");
                }
                _ => assert_eq!(output.status.code(), Some(74), "{what}: {output:?}"),
            }
            crash::assert_no_surplus(&site, &what);
            settle_all(&site, &what);
            crash::assert_no_surplus(&site, &what);
        }
    }
}

#[test]
fn a_delivered_entry_that_cannot_be_removed_is_closed_in_its_journal() {
    let site = Site::new("ok", "workers = 2");
    let id = site.submit(1, &["r1@example.net"]);
    let fault = |fault: &str| {
        let mut command = site.command(&["run"]);
        let output = command.env("BULKMAILER_FAULT", fault).output().expect("the program starts");
        assert_eq!((output.status.code(), crash::lines_said(&output)), (Some(74), 1), "{fault}: {output:?}");
        assert_eq!(site.ids("ready"), [id.as_str()], "it is kept to the end of the run");
        site.assert_each_once(1..2);
    };
    fault("settle.unlink=erofs");
    fault("settle.unlink=erofs");
    site.ok(&["run"]);
    site.assert_each_once(1..2);
    assert!(site.list().is_empty());
    site.assert_clean();
}

/// One that was deferred before has a journal, which must not look as if somebody still waited.
#[test]
fn a_retried_entry_whose_worker_is_killed_after_the_unlink_leaves_no_open_journal() {
    for point in ["settle.unlinked", "tidy.begin", "tidy.synced"] {
        let site = Site::new("exit=75", "workers = 1");
        site.submit(1, &["r1@example.net"]);
        site.ok(&["run"]);
        site.set_sink("ok", "workers = 1", "30s");
        site.ok(&["flush", "-q", "--no-run"]);
        let trap = Trap::new(&site, point);
        let output = trap.run(&site, &["run"]);
        assert!(trap.was_met(), "{point}: {output:?}");
        site.assert_each_once(1..2);
        site.assert_clean();
    }
}

/// With neither the name nor the journal to be changed, only the claim shields an entry, so it must outlast its worker's
/// last pass while others still work.
#[test]
fn what_cannot_be_settled_stays_claimed_while_anybody_works() {
    let site = Site::new("wait=300", "workers = 4");
    for n in 0..12 {
        site.submit(n, &[&format!("r{n}@example.net")]);
    }
    let trap = Trap::new(&site, "settle.unlink:1=erofs");
    let mut command = trap.set(site.command(&["run"]));
    // Every worker's first removal fails, and its journal too.
    command.env_remove("BULKMAILER_FAULT_ONCE").env("BULKMAILER_FAULT", "settle.unlink=erofs,journal.note=erofs");
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
    let child = child.expect("the program starts");
    // New mail brings new workers, which must not get at what the others keep.
    for n in 12..20 {
        support::wait_until("the run has come so far", || site.deliveries().len() as u32 + 6 > n);
        site.submit(n, &[&format!("r{n}@example.net")]);
    }
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(74), "{output:?}");
    crash::assert_no_surplus(&site, "in the one run");
}

#[test]
fn an_entry_on_which_two_workers_die_is_set_aside() {
    let site = Site::new("ok", "workers = 1");
    let id = site.submit(1, &["r1@example.net"]);
    let mut command = site.command(&["run"]);
    let output = command.env("BULKMAILER_FAULT", "worker.handing").output().expect("the program starts");
    assert_eq!(site.ids("hold"), [id.as_str()], "{output:?}");
    assert!(site.deliveries().is_empty());
    site.assert_clean();
}

#[test]
fn workers_that_all_die_end_the_run() {
    for point in ["claim.taken", "worker.forked"] {
        let site = Site::new("ok", "workers = 2");
        site.submit(1, &["r1@example.net"]);
        let mut command = site.command(&["run"]);
        let output = command.env("BULKMAILER_FAULT", point).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(70), "{point}: {output:?}");
        crash::drain(&site);
        site.assert_each_once(1..2);
        site.assert_clean();
    }
}

#[test]
fn a_sync_that_is_killed_is_made_up_for_and_one_that_fails_is_said() {
    for (point, action, status, lines) in [("syncer.forked", "kill", 0, 0), ("syncer.sync", "eio", 74, 1)] {
        let site = Site::new("wait=400", "workers = 1");
        for n in 0..4 {
            site.submit(n, &[&format!("r{n}@example.net")]);
        }
        let trap = Trap::new(&site, &format!("{point}={action}"));
        let output = trap.run(&site, &["run"]);
        assert!(trap.was_met(), "{action}: {output:?}");
        assert_eq!((output.status.code(), crash::lines_said(&output)), (Some(status), lines), "{action}: {output:?}");
        site.assert_each_once(0..4);
        site.assert_clean();
    }
}

#[test]
fn a_sweep_that_is_killed_harms_nothing() {
    for point in crash::points(&["sweep."]) {
        let site = Site::new("ok", "");
        site.submit(1, &["r1@example.net"]);
        let trap = Trap::new(&site, &point.name);
        let output = trap.run(&site, &["run"]);
        assert!(trap.was_met() && output.status.code() == Some(70), "{output:?}");
        crash::drain(&site);
        site.assert_each_once(1..2);
        site.assert_clean();
    }
}

/// A Maildir takes each message once, whenever its worker is killed.
#[test]
fn one_is_killed_while_it_delivers_into_a_maildir() {
    for point in crash::points(&["maildir."]) {
        for action in ["kill", "eio", "enospc"] {
            for count in 1..=3 {
                let what = format!("{action} at {} (passing {count})", point.name);
                let site = Site::new("ok", "");
                site.configure(&format!(
                    "[limits]\nmin_free = \"0\"\n[queue.outbound]\ntransport = \"box\"\nworkers = 1\n[transport.box]\nkind = \"maildir\"\npath = {:?}\n",
                    site.path("box").display().to_string()
                ));
                site.submit(49, &["r1@example.net"]);
                site.submit(49, &["r2@example.net", "r3@example.net"]);
                let trap = Trap::new(&site, &format!("{}:{count}={action}", point.name));
                let output = trap.run(&site, &["run"]);
                assert!(trap.was_met(), "{what}: nobody came there: {output:?}");
                crash::drain(&site);
                let files = |folder: &str| -> Vec<PathBuf> {
                    let entries = std::fs::read_dir(site.path("box").join(folder)).expect("a folder");
                    entries.map(|entry| entry.expect("an entry").path()).collect()
                };
                assert_eq!((files("new").len(), files("tmp").len()), (3, 0), "{what}");
                for file in files("new") {
                    let text = std::fs::read_to_string(file).expect("text");
                    assert!(text.ends_with(&support::message(49)[200..]), "{what}: {text}");
                }
                site.assert_clean();
            }
        }
    }
}
