//! What is told of a merge: its deliveries in sums, its failures to its sender, and how far it is.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::job::{assert_came, merge, people, to};
use crate::support::clock::Clock;
use crate::support::trace::{may_trace, trace, traced};
use crate::support::{Site, crash, wait_until};

const SLOW: &str = "retry = { first = \"1d\", max = \"1d\" }";

/// The last sum of each entry, as a reader takes it; none has less than those before it.
fn sums(site: &Site) -> BTreeMap<String, Value> {
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    for event in site.events().into_iter().filter(|event| event.get("serial").is_some()) {
        let number = |event: &Value, what: &str| event["rows"][what].as_u64().expect("a number");
        if let Some(before) = last.get(event["id"].as_str().expect("an id")) {
            assert!(before["serial"].as_u64() <= event["serial"].as_u64(), "{before} {event}");
            assert!(number(before, "delivered") <= number(&event, "delivered"), "{before} {event}");
        }
        last.insert(event["id"].as_str().expect("an id").to_owned(), event);
    }
    last
}

fn delivered(site: &Site) -> u64 {
    sums(site).values().map(|event| event["rows"]["delivered"].as_u64().expect("a number")).sum()
}

/// Lines of recipients with this verdict.
fn lines(site: &Site, verdict: &str) -> usize {
    site.events().iter().filter(|event| event["verdict"] == verdict).count()
}

#[test]
fn deliveries_are_summed_up_by_entry_and_all_else_has_its_line() {
    let site = Site::new("digits", &format!("workers = 2\n{SLOW}"));
    let people = ["a0@X.example", "b75@x.example", "c67@x.example", "d0@y.example", "e0@x.example", "f75@y.example"];
    let id = merge(&site, &to(people.map(str::to_owned)), 4);
    site.ok(&["run"]);
    let verdicts = ["delivered", "deferred", "failed"].map(|verdict| lines(&site, verdict));
    assert_eq!(verdicts, [0, 2, 1]);
    let told = sums(&site);
    let first = &told[&format!("{id}.0.0")];
    let expected = json!({"delivered": 2, "failed": 1, "suppressed": 0, "held": 0, "removed": 0, "open": 1,
        "latency": [[0, 2]], "domains": {"x.example": 1, "y.example": 1}, "other_domains": 0});
    assert_eq!(
        (&first["rows"], &first["sender"], &first["queue"]),
        (&expected, &json!("s@example.org"), &json!("outbound"))
    );
    assert_eq!(delivered(&site), 3);
    // Another worker goes on from the log.
    site.set_sink("ok", &format!("workers = 2\n{SLOW}"), "30s");
    site.ok(&["flush", "-q"]);
    let told = sums(&site);
    let rows = &told[&format!("{id}.0.0")]["rows"];
    assert_eq!((&rows["delivered"], &rows["failed"], &rows["open"]), (&json!(3), &json!(1), &json!(0)));
    assert_eq!((delivered(&site), site.deliveries().len(), lines(&site, "delivered")), (5, 5, 0));
    // How long it waited, that had two attempts.
    let waited: u64 =
        rows["latency"].as_array().expect("pairs").iter().map(|pair| pair[1].as_u64().expect("a number")).sum();
    assert_eq!(waited, 3, "{rows}");
}

#[test]
fn syslog_has_each_delivery() {
    if !may_trace("syslog_has_each_delivery") {
        return;
    }
    let site = Site::new("ok", "workers = 1");
    let text = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("a configuration");
    site.configure(&format!("{text}[events]\nsyslog = true\n"));
    merge(&site, &people(5), 5);
    let command = site.command(&["run"]);
    assert!(traced(&site, &["trace=connect,sendto"], &command).output().expect("strace").status.success());
    // Where nobody takes it, it is tried.
    let is_line = |line: &&String| line.contains("verdict=delivered") || line.contains("\"/dev/log\"");
    let lines = trace(&site).iter().filter(is_line).count();
    assert!(lines >= 5, "{lines}");
    assert_eq!(delivered(&site), 5);
}

#[test]
fn an_entry_is_summed_up_each_minute() {
    let site = Site::new("wait=10", "workers = 1");
    let clock = Clock::new(&site);
    let mails = people(60);
    merge(&site, &mails, 60);
    let mut command = site.command(&["run"]);
    clock.give(&mut command);
    let mut run = command.spawn().expect("the program starts");
    wait_until("some came", || site.deliveries().len() >= 5);
    clock.set(61);
    assert!(run.wait().expect("it ends").success());
    let open: Vec<u64> = (site.events().iter()).filter_map(|event| event["rows"]["open"].as_u64()).collect();
    assert!(open.len() == 2 && open[0] > 0 && open[1] == 0, "{open:?}");
    assert_eq!(delivered(&site), 60);
}

#[test]
fn what_a_cancelled_job_has_delivered_is_summed_up() {
    let site = Site::new("wait=10", "workers = 3");
    let id = merge(&site, &people(150), 50);
    let mut run = site.start(&["run"]);
    wait_until("some came", || site.deliveries().len() >= 15);
    site.ok(&["jobs", "cancel", "--yes", id.as_str()]);
    assert!(run.wait().expect("it ends").success());
    let came = site.deliveries().len() as u64;
    assert!(came < 150, "it was cancelled too late");
    assert_eq!(delivered(&site), came);
}

#[cfg(feature = "faults")]
#[test]
fn a_killed_workers_sum_is_made_up_for() {
    for point in ["worker.recorded:3", "merge.unlink", "merge.unlinked"] {
        let site = Site::new("ok", "workers = 1");
        merge(&site, &people(3), 3);
        let trap = crash::Trap::new(&site, point);
        trap.run(&site, &["run"]);
        assert!(trap.was_met(), "{point}");
        crash::wait_for_the_lock(&site);
        site.ok(&["run"]);
        assert_eq!((delivered(&site), sums(&site).len(), site.deliveries().len()), (3, 1, 3), "{point}");
    }
}

/// How many notices came to the sender.
fn notices(site: &Site) -> usize {
    let log = std::fs::read_to_string(site.path("log")).unwrap_or_default();
    log.lines().filter(|line| line.ends_with(" s@example.org")).count()
}

#[test]
fn the_sender_is_notified_once_at_the_end_and_only_of_failures() {
    let site = Site::new("digits", "workers = 2\nnotices = true");
    merge(&site, &to(["a0@x.example", "b0@x.example"].map(str::to_owned)), 2);
    site.ok(&["run"]);
    assert_eq!(notices(&site), 0, "nothing failed");
    let id = merge(&site, &to(["a0@y.example", "c67@y.example", "d67@y.example"].map(str::to_owned)), 1);
    let state = || site.json(&["jobs", "show", "--json", id.as_str()])["state"].clone();
    // Killed between the notice and the rename.
    #[cfg(feature = "faults")]
    {
        let trap = crash::Trap::new(&site, "merge.told");
        let _ = trap.run(&site, &["run"]);
        assert!(trap.was_met());
        crash::wait_for_the_lock(&site);
        assert_eq!(state(), "ended", "it is not renamed before");
        // Published already: it is on its way, or came.
        assert_eq!(site.list().len() + notices(&site), 1);
    }
    for _ in 0..3 {
        site.ok(&["run"]);
    }
    assert_eq!((notices(&site), state()), (1, "done".into()), "{id}");
    assert!(site.list().is_empty(), "{:?}", site.list());
}

#[cfg(feature = "faults")]
#[test]
fn a_merge_whose_run_died_at_its_end_is_ended_by_the_next() {
    let site = Site::new("ok", "workers = 2");
    // The next launches need no sweep, and know which folders are quiet: they would look no further.
    site.submit(1_000, &["single@x.example"]);
    let lock = || std::fs::read(site.path("spool/outbound/lock")).ok();
    wait_until("a launch finds nothing to do, and no supervisor signs the lock", || {
        let before = lock();
        site.ok(&["run"]);
        lock() == before
    });
    let id = merge(&site, &people(2), 2);
    let trap = crash::Trap::new(&site, "merge.told");
    let _ = trap.run(&site, &["run"]);
    assert!(trap.was_met());
    crash::wait_for_the_lock(&site);
    let state = || site.json(&["jobs", "show", "--json", id.as_str()])["state"].clone();
    assert_eq!(state(), "ended");
    site.ok(&["run"]);
    assert_eq!(state(), "done");
}

#[test]
fn a_notice_that_cannot_be_published_keeps_the_job() {
    let site = Site::new("digits", "workers = 2\nnotices = true");
    let id = merge(&site, &to(["a67@y.example".to_owned()]), 1);
    let state = || site.json(&["jobs", "show", "--json", id.as_str()])["state"].clone();
    // Notices that would tell of it have no place for their keys.
    let keys = site.path("spool/outbound/keys");
    let _ = std::fs::remove_dir_all(&keys);
    std::fs::write(&keys, "").expect("written");
    assert!(!site.try_run(&["run"]).status.success());
    assert_eq!((notices(&site), state()), (0, "ended".into()));
    std::fs::remove_file(&keys).expect("removed");
    site.ok(&["run"]);
    site.ok(&["run"]);
    assert_eq!((notices(&site), state()), (1, "done".into()));
}

#[test]
fn a_job_that_lasts_is_told_of_once_a_day_at_most() {
    let day = 86_400;
    let site = Site::new(
        "digits",
        "workers = 2\nnotices = true\nretry = { first = \"30d\", max = \"30d\", expire = \"90d\" }",
    );
    let clock = Clock::new(&site);
    let people = ["a67@x.example", "b75@x.example", "c75@x.example", "d75@x.example"];
    let id = merge(&site, &to(people.map(str::to_owned)), 2);
    let run = |args: &[&str], seconds: i64| {
        clock.set(seconds);
        let mut command = site.command(args);
        clock.give(&mut command);
        let output = command.output().expect("the program starts");
        assert!(output.status.success(), "{output:?}");
        notices(&site)
    };
    // Whatever failed, the first day tells nothing.
    assert_eq!(run(&["run"], 0), 0);
    assert_eq!(run(&["run"], day - 60), 0);
    // A launch that finds nothing due looks once an hour, at its sweep.
    let looked = |seconds| (run(&["run"], seconds), run(&["run"], seconds + 1)).1;
    #[cfg(feature = "faults")]
    {
        clock.set(day + 60);
        let trap = crash::Trap::new(&site, "merge.noticed");
        let mut command = trap.set(site.command(&["run"]));
        clock.give(&mut command);
        let _ = command.output().expect("the program starts");
        assert!(trap.was_met());
        crash::wait_for_the_lock(&site);
    }
    assert_eq!(looked(day + 4_000), 1, "one row failed");
    let text = std::fs::read_to_string(site.path("spool/outbound/jobs").join(id.as_str()).join("noticed"));
    assert!(text.as_ref().is_ok_and(|text| text.contains("\"number\":1,")), "{text:?}");
    assert_eq!(looked(2 * day + 8_000), 1, "nothing new");
    // Another is held, and the third fails soon after: a day has its notice.
    run(&["hold", "--recipient", "b75@*"], 2 * day + 9_000);
    assert_eq!(looked(2 * day + 14_000), 2, "one is held");
    site.set_sink(
        "digits",
        "workers = 2\nnotices = true\nretry = { first = \"1s\", max = \"30d\", expire = \"1s\" }",
        "30s",
    );
    run(&["flush", "-q", "--recipient", "c75@*"], 2 * day + 15_000);
    assert_eq!(looked(2 * day + 20_000), 2, "a day is not over");
    assert_eq!(looked(3 * day + 20_000), 3, "the next day");
    for whom in ["b75@*", "d75@*"] {
        run(&["remove", "--yes", "--recipient", whom], 3 * day + 21_000);
    }
    assert_eq!(looked(3 * day + 26_000), 4, "its end");
    assert_eq!(looked(5 * day), 4);
}

#[test]
fn jobs_read_only_logs_that_changed() {
    if !may_trace("jobs_read_only_logs_that_changed") {
        return;
    }
    let site = Site::new("digits", &format!("workers = 2\n{SLOW}"));
    let mut people: Vec<String> = (0..40).map(|n| format!("r0x{n}@x.example")).collect();
    people[7] = "r75@x.example".to_owned();
    people[8] = "r67@x.example".to_owned();
    let id = merge(&site, &to(people), 1);
    let list = || {
        let command = site.command(&["jobs", "list", "--json"]);
        let output = traced(&site, &["trace=openat"], &command).output().expect("strace");
        let read = trace(&site).iter().filter(|line| line.contains("\"log/")).count();
        let job: Value = serde_json::from_slice(&output.stdout).expect("a job");
        (["done", "failed", "held", "left"].map(|what| job[what].as_u64().expect("a number")), read)
    };
    let settled = || {
        let latest = site.files("/log/").iter().filter_map(|log| log.metadata().ok()?.modified().ok()).max();
        let passed = || latest.is_some_and(|at| at.elapsed().is_ok_and(|age| age.as_millis() > 100));
        wait_until("the logs are no longer new", passed);
    };
    settled();
    assert_eq!(list(), ([0, 0, 0, 40], 40));
    assert_eq!(list(), ([0, 0, 0, 40], 0));
    site.ok(&["run"]);
    settled();
    let of_run = list();
    assert_eq!(of_run.0, [38, 1, 0, 1]);
    // Fewer than are worth writing down are read each time.
    let few = |(counts, read): ([u64; 4], usize)| (counts, read < 18);
    assert_eq!(few(list()), ([38, 1, 0, 1], true));
    site.ok(&["hold", "--recipient", "r75@*"]);
    settled();
    assert_eq!(few(list()), ([38, 1, 1, 0], true));
    site.ok(&["requeue", "--recipient", "r67@*"]);
    settled();
    assert_eq!(few(list()), ([38, 0, 1, 1], true));
    // One that is torn, or of before the host's start, costs a reading.
    let tally = site.file("/tally");
    let bytes = std::fs::read(&tally).expect("a tally");
    for bad in [&bytes[..bytes.len() / 2], &[&bytes[..8], &[0; 16], &bytes[24..]].concat()] {
        std::fs::write(&tally, bad).expect("written");
        assert_eq!(list(), ([38, 0, 1, 1], 40));
    }
    std::fs::remove_file(&tally).expect("removed");
    let log = site.files(&format!("{id}/log/0/3")).remove(0);
    std::fs::remove_file(log).expect("removed");
    assert_eq!(list().0, [37, 0, 2, 1], "what is lost will be held");
}

#[test]
fn every_mail_that_came_is_told_of() {
    let site = Site::new("ok", "workers = 3");
    let mails = people(120);
    merge(&site, &mails, 25);
    site.ok(&["run"]);
    assert_came(&site, &mails, |_| 1, "once each");
    assert_eq!((delivered(&site), sums(&site).len(), lines(&site, "delivered")), (120, 5, 0));
}
