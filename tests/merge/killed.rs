//! Killed anywhere in a run: nobody is skipped, and at most what one worker had in hand comes twice.
#![cfg(feature = "faults")]

use crate::job::{Mail, assert_came, merge, people, to};
use crate::support::crash::{self, Point, Trap};
use crate::support::random::{Random, number_from};
use crate::support::{Site, children, signal, wait_until};

/// What no run here passes: queueing, a person's commands, held rows (`waiting`), and notices (`told`).
const NOT_IN_A_RUN: [&str; 7] =
    ["merge.entry", "merge.early", "merge.earlier", "merge.holding", "merge.held", "merge.told", "merge.noticed"];
/// After these a row may have been handed over whose answer is not in the log.
const REPEATS: [&str; 3] = ["merge.append", "worker.handed", "worker.answered"];

fn mails() -> Vec<Mail> {
    to(["a0@x.example", "b75@x.example", "c0@y.example", "d0@y.example", "e75@y.example", "f0@z.example"]
        .map(str::to_owned))
}

/// Runs until every row is sent, and asserts that it was, once but for one row at most that `may_repeat`.
fn settle_all(site: &Site, mails: &[Mail], may_repeat: bool, what: &str) {
    crash::wait_for_the_lock(site);
    site.ok(&["run"]);
    site.set_sink("ok", "workers = 2", "30s");
    site.ok(&["flush", "-q"]);
    crash::wait_for_the_lock(site);
    site.ok(&["run"]);
    assert_eq!(site.files("/ready/"), Vec::<std::path::PathBuf>::new(), "{what}: all is sent");
    let found = site.deliveries();
    let surplus: u32 = found.values().map(|times| times - 1).sum();
    assert!(surplus <= u32::from(may_repeat), "{what}: {found:?}");
    assert_came(site, mails, |to| found.iter().find(|((_, whom), _)| whom == to).map_or(1, |(_, &times)| times), what);
    site.assert_clean();
}

fn kill_at(point: &Point, count: u32, fault: &str) {
    let what = format!("{fault} at {} (passing {count})", point.name);
    let site = Site::new("digits", "workers = 2\nretry = { first = \"1d\", max = \"1d\" }");
    let mails = mails();
    merge(&site, &mails, 2);
    let trap = Trap::new(&site, &format!("{}:{count}={fault}", point.name));
    let output = trap.run(&site, &["run"]);
    assert!(count > 1 || trap.was_met(), "{what}: nobody came there: {output:?}");
    let may_repeat = fault == "kill" && REPEATS.contains(&point.name.as_str()) || point.name == "merge.append";
    settle_all(&site, &mails, may_repeat, &what);
}

fn points() -> Vec<Point> {
    let of_worker = ["worker.handing", "worker.handed", "worker.answered", "worker.recorded"];
    let all = crash::points(&["merge.", "worker."]);
    let of_run = |point: &Point| point.name.starts_with("merge.") && !NOT_IN_A_RUN.contains(&point.name.as_str());
    all.into_iter().filter(|point| of_run(point) || of_worker.contains(&point.name.as_str())).collect()
}

#[test]
fn one_is_killed_at_each_point() {
    // A log is written again only where a claim before left something unsynced, a head made anew after a power cut.
    let elsewhere = ["merge.rewrite", "merge.head", "merge.linked"];
    for point in points().iter().filter(|point| !elsewhere.contains(&point.name.as_str())) {
        kill_at(point, 1, "kill");
    }
}

#[test]
fn one_is_killed_later() {
    for point in points() {
        kill_at(&point, 3, "kill");
    }
}

#[test]
fn a_step_that_fails_loses_nothing() {
    for point in points().iter().filter(|point| point.fails) {
        kill_at(point, 2, "eio");
    }
}

#[test]
fn workers_are_killed_at_random_and_nobody_is_skipped() {
    let kills = number_from("BULKMAILER_KILLS", 12);
    let seed = number_from("BULKMAILER_SEED", u64::from(std::process::id()));
    let site = Site::new("ok", "workers = 4");
    let mails = people(600);
    merge(&site, &mails, 50);
    let mut random = Random(seed);
    let mut killed = 0;
    let mut run = site.start(&["run"]);
    while killed < kills && run.try_wait().expect("a process").is_none() {
        random.pause(40_000);
        // Main, its supervisors, their workers and children that sync.
        let workers: Vec<u32> = children(run.id()).into_iter().flat_map(children).collect();
        if !workers.is_empty() {
            signal("KILL", *random.of(&workers));
            killed += 1;
        }
    }
    let _ = run.wait();
    wait_until("the run is over", || {
        crash::wait_for_the_lock(&site);
        // A row that two workers of a run died with waits for a person.
        let _ = site.try_run(&["release", "--yes", "--queue", "outbound"]);
        let _ = site.try_run(&["run"]);
        site.files("/ready/").is_empty() && site.files("/jobs/").is_empty()
    });
    let found = site.deliveries();
    let surplus: u32 = found.values().map(|times| times - 1).sum();
    assert!(u64::from(surplus) <= killed, "BULKMAILER_SEED={seed}: {killed} kills, and {surplus} came twice");
    assert_came(
        &site,
        &mails,
        |to| found.iter().find(|((_, whom), _)| whom == to).map_or(1, |(_, &times)| times),
        "all",
    );
}

#[test]
fn with_hold_the_row_that_was_in_flight_waits_for_a_person_and_the_others_go_on() {
    for (point, came) in [("worker.handing", 0), ("worker.handed", 1)] {
        let site = Site::new("ok", "workers = 1\non_crash = \"hold\"");
        let mails = people(6);
        let id = merge(&site, &mails, 6);
        let trap = Trap::new(&site, &format!("{point}:3"));
        trap.run(&site, &["run"]);
        assert!(trap.was_met(), "{point}");
        crash::wait_for_the_lock(&site);
        site.ok(&["run"]);
        let third = |to: &str| to.starts_with("r0x3@");
        assert_came(&site, &mails, |to| if third(to) { came } else { 1 }, point);
        let shown = site.json(&["jobs", "show", "--json", id.as_str()]);
        assert_eq!((&shown["held"], &shown["done"]), (&1.into(), &5.into()), "{point}: {shown}");
        site.ok(&["release", &format!("{id}.0.0")]);
        site.ok(&["run"]);
        assert_came(&site, &mails, |to| if third(to) { came + 1 } else { 1 }, point);
        site.assert_clean();
    }
}

#[test]
fn a_row_with_which_two_workers_died_is_held_alone() {
    // Handed over, and while it was rendered, which is announced nowhere but on the board.
    for (point, told) in [("worker.handing", "in hand"), ("merge.render", "rendered row 0")] {
        let site = Site::new("ok", "workers = 1");
        let mails = to(["a@x.example", "b@x.example", "c@x.example"].map(str::to_owned));
        let id = merge(&site, &mails, 3);
        // Each worker dies with the first row that it comes to.
        let mut command = site.command(&["run"]);
        command.env("BULKMAILER_FAULT", point);
        let output = command.output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(told), "{point}: {said}");
        crash::wait_for_the_lock(&site);
        assert_came(&site, &mails, |_| 0, point);
        site.ok(&["run"]);
        assert_came(&site, &mails, |to| u32::from(!to.starts_with('a')), point);
        let shown = site.json(&["jobs", "show", "--json", id.as_str()]);
        assert_eq!((&shown["held"], &shown["left"]), (&1.into(), &0.into()), "{point}: {shown}");
    }
}
