//! What is told of a merge: its deliveries in sums.

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

#[test]
fn every_mail_that_came_is_told_of() {
    let site = Site::new("ok", "workers = 3");
    let mails = people(120);
    merge(&site, &mails, 25);
    site.ok(&["run"]);
    assert_came(&site, &mails, |_| 1, "once each");
    assert_eq!((delivered(&site), sums(&site).len(), lines(&site, "delivered")), (120, 5, 0));
}
