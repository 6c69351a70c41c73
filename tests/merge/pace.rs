//! When and how fast a merge is handed over: its window and its rate, over all workers and runs.

use std::process::Child;
use std::time::Duration;

use bulkmailer::model::{EntryId, Micros};
use bulkmailer::sys::clock;

use crate::job::{Mail, assert_came, merge, merge_paced, people, to};
use crate::support::clock::Clock;
use crate::support::{Site, signal, wait_until};
use crate::template;

const HOUR: i64 = 3_600;

/// A window of UTC from and to so many minutes off now.
fn window(from: i64, to: i64) -> String {
    let now = i64::try_from(clock::now().0 / 60_000_000).expect("a time");
    let minute = |off: i64| (now + off).rem_euclid(1_440);
    let text = |off| format!("{:02}:{:02}", minute(off) / 60, minute(off) % 60);
    format!("{}-{},UTC", text(from), text(to))
}

fn queue(site: &Site, mails: &[Mail], per_entry: u64, window: &str) -> EntryId {
    merge_paced(site, mails, per_entry, "", (Some(window), None))
}

/// A run with this clock, which ends by itself.
#[track_caller]
fn run(site: &Site, clock: &Clock) -> (i32, String) {
    let mut command = site.command(&["run"]);
    clock.give(&mut command);
    let output = command.output().expect("it runs");
    (output.status.code().expect("a status"), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn start(site: &Site, clock: &Clock) -> Child {
    let mut command = site.command(&["run"]);
    clock.give(&mut command);
    command.spawn().expect("it runs")
}

/// When each head is due, and whether that was asked for.
fn heads(site: &Site) -> Vec<(Micros, bool)> {
    let names = site.files("/ready/0/");
    let name = |path: &std::path::PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    let due = |name: String| (Micros(name[..16].parse().expect("digits")), name.as_bytes()[16] == b'@');
    names.iter().map(name).map(due).collect()
}

/// How far off, in minutes.
fn minutes_off(due: Micros) -> i64 {
    (i64::try_from(due.0).expect("a time") - i64::try_from(clock::now().0).expect("a time")) / 60_000_000
}

#[test]
fn a_closed_window_sends_nothing_and_its_opening_is_the_due_time() {
    let site = Site::new("ok", "workers = 2");
    let (clock, mails) = (Clock::new(&site), people(20));
    let id = queue(&site, &mails, 5, &window(360, 480));
    assert_eq!(run(&site, &clock), (0, String::new()));
    assert_came(&site, &mails, |_| 0, "it is closed");
    let is_opening = |(due, at): &(Micros, bool)| *at && (358..=360).contains(&minutes_off(*due));
    assert!(heads(&site).len() == 4 && heads(&site).iter().all(is_opening), "{:?}", heads(&site));
    let shown = site.json(&["jobs", "show", "--json", id.as_str()]);
    assert_eq!(shown["state"], "waiting", "{shown}");
    let opens: Micros = shown["opens_at"].as_str().and_then(Micros::parse).expect("a time");
    assert!(is_opening(&(opens, true)), "{shown}");
    let page = site.ok(&["jobs", "show", id.as_str()]);
    assert!(page.contains("UTC; closed, opens 20"), "{page}");
    // A person who wants it sooner does not open it.
    site.ok(&["flush", &format!("{id}.0.0")]);
    assert_eq!(run(&site, &clock), (0, String::new()));
    assert_came(&site, &mails, |_| 0, "it is still closed");
    assert!(heads(&site).len() == 4 && heads(&site).iter().all(is_opening), "{:?}", heads(&site));
    // It is no outage that somebody has to hear of.
    clock.set(5 * HOUR);
    assert_eq!(run(&site, &clock), (0, String::new()));
    assert_came(&site, &mails, |_| 0, "an hour before");
    clock.set(7 * HOUR);
    assert_eq!(run(&site, &clock), (0, String::new()));
    assert_came(&site, &mails, |_| 1, "it is open");
    site.assert_clean();
}

#[test]
fn a_window_that_closes_in_the_middle_of_a_run_keeps_what_was_sent() {
    let site = Site::new("wait=20", "workers = 1");
    let (clock, mails) = (Clock::new(&site), people(300));
    let id = queue(&site, &mails, 100, &window(-60, 60));
    let mut first = start(&site, &clock);
    wait_until("some came", || site.deliveries().len() >= 120);
    clock.set(2 * HOUR);
    let came = site.deliveries().len();
    assert!(first.wait().expect("it ends").success());
    let sent = site.deliveries().len();
    // The one in flight, and nobody after it.
    assert!(sent <= came + 1 && sent < mails.len(), "{came} {sent}");
    let all_wait = || heads(&site).iter().all(|(due, at)| *at && (1_378..=1_380).contains(&minutes_off(*due)));
    assert!(heads(&site).len() == 2 && all_wait(), "{:?}", heads(&site));
    let shown = site.json(&["jobs", "show", "--json", id.as_str()]);
    assert_eq!((&shown["done"], &shown["failed"]), (&sent.into(), &0.into()), "{shown}");
    assert_eq!(run(&site, &clock), (0, String::new()));
    assert_eq!(site.deliveries().len(), sent, "it is closed");
    clock.set(24 * HOUR);
    site.set_sink("ok", "workers = 1", "30s");
    assert_eq!(run(&site, &clock), (0, String::new()));
    assert_came(&site, &mails, |_| 1, "the rest, the next day");
    site.assert_clean();
}

#[test]
fn closed_hours_age_nothing() {
    // Each retry is due in closed hours: without these it would be given up at the third at the latest.
    let retry = "retry = { first = \"3h\", max = \"3h\", expire = \"3h\" }";
    let site = Site::new("digits", &format!("workers = 1\n{retry}"));
    let (clock, mails) = (Clock::new(&site), to(["b75@x.example".to_owned()]));
    queue(&site, &mails, 1, &window(-60, 60));
    // One hour is left of the first window, and one and a half of each that comes.
    for (hours, verdict) in [(0.0, "deferred"), (23.5, "deferred"), (47.5, "deferred"), (71.5, "failed")] {
        clock.set((hours * HOUR as f64) as i64);
        assert_eq!(run(&site, &clock).0, 0);
        let verdicts: Vec<_> =
            site.events().iter().filter_map(|event| event["verdict"].as_str().map(str::to_owned)).collect();
        assert_eq!(verdicts.last().map(String::as_str), Some(verdict), "after {hours} hours: {verdicts:?}");
    }
    assert_eq!(site.deliveries().len(), 0);
}

#[test]
fn a_row_of_its_own_time_waits_for_that_and_for_the_window() {
    let site = Site::new("ok", "workers = 1");
    let clock = Clock::new(&site);
    let at = |minutes: u64| Some(clock::now().plus(Duration::from_secs(60 * minutes)));
    let mails = vec![
        Mail { to: "early@x.example".to_owned(), due: at(60) },
        Mail { to: "late@x.example".to_owned(), due: at(25 * 60) },
        Mail { to: "inside@x.example".to_owned(), due: at(7 * 60) },
    ];
    queue(&site, &mails, 3, &window(360, 540));
    for (hours, came) in
        [(2, ""), (6, ""), (7, "early inside"), (8, "early inside"), (26, "early inside"), (31, "early inside late")]
    {
        clock.set(hours * HOUR + 600);
        if hours == 6 {
            clock.set(hours * HOUR - 300);
        }
        assert_eq!(run(&site, &clock), (0, String::new()));
        let is_there = |to: &str| u32::from(came.split(' ').any(|name| to.split('@').next() == Some(name)));
        assert_came(&site, &mails, is_there, &format!("after {hours} hours"));
    }
}

#[test]
fn a_zone_that_the_host_does_not_know_keeps_the_job_shut_and_is_reported_once() {
    let site = Site::new("ok", "workers = 2");
    let mails = people(6);
    let id = queue(&site, &mails, 2, "00:00-24:00,Europe/Berlin");
    site.submit(1_000, &["single@x.example"]);
    let run = || {
        let output = site.command(&["run"]).env("TZDIR", site.path("none")).output().expect("it runs");
        (output.status.code().expect("a status"), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, said) = run();
    assert_eq!((status, said.lines().count()), (0, 1), "{said}");
    assert!(
        said.contains("1 job left alone") && said.contains("Europe/Berlin") && said.contains(id.as_str()),
        "{said}"
    );
    assert_eq!(run(), (0, String::new()));
    let status = site.command(&["status"]).env("TZDIR", site.path("none")).output().expect("it runs");
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.status.code() == Some(1) && said.contains("left alone: 0 entries and 1 job: its window"), "{said}");
    let came: Vec<_> = site.deliveries().into_keys().map(|(_, to)| to).collect();
    assert_eq!(came, ["single@x.example"], "the other mail alone");
    assert_eq!(site.json(&["jobs", "show", "--json", id.as_str()])["left"], 6);
    site.ok(&["run"]);
    assert_eq!(site.deliveries().len(), 7, "with the zone it is open");
}

#[test]
fn a_zone_or_hours_that_nobody_knows_are_refused() {
    let site = template::site("");
    let good = template::data(&site, "x.csv", "email,name\na@x.org,A\n");
    for (text, why) in [
        ("08:00-20:00,Europe/Bonn", "Europe/Bonn"),
        ("08:00-20:00,Europe", "tzdata"),
        ("08:00-20:00,mon-fri,../etc/passwd", "Europe/Berlin"),
        ("24:00-20:00", "08:00-20:00"),
    ] {
        for more in [&["--yes"][..], &["--check"], &["--preview", "1"]] {
            let output = template::merge(&site, &good, &[&["--window", text], more].concat());
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(64), "{text}: {said}");
            assert!(said.lines().last().is_some_and(|line| line.contains(why)), "{text}: {said}");
        }
    }
    assert!(site.list().is_empty());
}

#[test]
fn a_job_has_a_rate_of_its_own_and_other_mail_does_not_wait() {
    let site = Site::new("ok", "workers = 2");
    let (clock, paced) = (Clock::new(&site), to((1..=4).map(|n| format!("p{n}@slow.example"))));
    let id = merge_paced(&site, &paced, 2, "", (None, Some("1/d")));
    let came = || site.deliveries().keys().filter(|(_, to)| to.ends_with("@slow.example")).count();
    let is_there = |whom: &str| site.deliveries().keys().any(|(_, to)| to == whom);
    let mut child = start(&site, &clock);
    wait_until("the first came", || came() == 1);
    let shown = site.json(&["jobs", "show", "--json", id.as_str()]);
    assert_eq!(shown["rate_limit"], "1/d", "{shown}");
    // While both workers wait with it, a single mail and another job go on.
    site.submit(1_000, &["single@x.example"]);
    let other = people(60);
    merge(&site, &other, 20);
    wait_until("the others came", || is_there("single@x.example") && site.deliveries().len() == 62);
    assert_eq!(came(), 1);
    for days in 1..3 {
        clock.set(days * 25 * HOUR);
        wait_until("the next came", || came() > usize::try_from(days).expect("few"));
        site.submit(1_000 + u32::try_from(days).expect("few"), &[&format!("d{days}@x.example")]);
        wait_until("another came", || is_there(&format!("d{days}@x.example")));
        assert_eq!(came(), 1 + usize::try_from(days).expect("few"));
    }
    // The next run does not begin anew.
    signal("TERM", child.id());
    assert!(child.wait().is_ok());
    let mut child = start(&site, &clock);
    site.submit(2_000, &["last@x.example"]);
    wait_until("another came", || is_there("last@x.example"));
    assert_eq!(came(), 3);
    clock.set(4 * 25 * HOUR);
    assert!(child.wait().expect("it ends").success());
    assert_eq!(came(), 4);
    site.assert_clean();
}

#[test]
fn of_a_jobs_and_its_queues_rate_the_stricter_holds() {
    for (settings, rate) in [("rate = \"1/h\"", "1000/s"), ("rate = \"1000/s\"", "1/h")] {
        let site = Site::new("ok", &format!("workers = 3\n{settings}\nburst = 1"));
        let (clock, mails) = (Clock::new(&site), people(12));
        let id = merge_paced(&site, &mails, 3, "", (None, Some(rate)));
        let mut child = start(&site, &clock);
        for n in 1..=3_usize {
            wait_until("one came", || site.deliveries().len() >= n);
            assert_eq!(site.deliveries().len(), n, "{settings} {rate}");
            clock.set(HOUR * i64::try_from(n).expect("few") + 60);
        }
        site.ok(&["jobs", "pause", id.as_str()]);
        assert!(child.wait().expect("it ends").success());
        assert!(site.deliveries().len() <= 4);
    }
}
