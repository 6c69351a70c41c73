//! A failure is told once, though a worker is killed between the verdict and the rename to failed/, or a step there fails.

#![cfg(feature = "faults")]

use super::notices::{SENDER, notices, sendmail, site};
use super::storms::an_hour_passes;
use crate::support::Site;
use crate::support::crash::{self, Trap};

/// Everything between the verdict and the rename to failed/.
const BETWEEN: [&str; 7] = ["key.", "publish.", "notice.", "journal.", "worker.", "settle.rename", "settle.renamed"];

/// One recipient, and several of whom one fails.
const WHOM: [&[&str]; 2] = [&["b67@x.org"], &["a0@x.org", "b67@x.org"]];

fn assert_told_once(site: &Site, what: &str) {
    crash::wait_for_the_lock(site);
    site.ok(&["run"]);
    site.ok(&["run"]);
    let told = notices(site);
    assert!(told.len() == 1 && told[0].1.contains("rfc822; b67@x.org"), "{what}: {told:#?}");
    assert_eq!(site.ids("failed").len(), 1, "{what}");
    site.assert_clean();
}

#[test]
fn a_worker_killed_anywhere_leaves_one_notice() {
    for recipients in WHOM {
        for point in crash::points(&BETWEEN) {
            for count in 1..=2 {
                let what = format!("killed at {} (passing {count}), {recipients:?}", point.name);
                let site = site("workers = 1");
                sendmail(&site, SENDER, &[], recipients);
                let trap = Trap::new(&site, &format!("{}:{count}", point.name));
                trap.run(&site, &["run"]);
                if trap.was_met() {
                    assert_told_once(&site, &what);
                }
            }
        }
    }
}

#[test]
fn a_step_that_fails_leaves_one_notice() {
    for recipients in WHOM {
        for point in crash::points(&BETWEEN).iter().filter(|point| point.fails) {
            for error in ["eio", "enospc"] {
                let what = format!("{error} at {}, {recipients:?}", point.name);
                let site = site("workers = 1");
                sendmail(&site, SENDER, &[], recipients);
                let trap = Trap::new(&site, &format!("{}={error}", point.name));
                trap.run(&site, &["run"]);
                if trap.was_met() {
                    assert_told_once(&site, &what);
                }
            }
        }
    }
}

/// Between the verdict and the notice a person decides that nobody need know.
#[test]
fn of_what_a_person_removes_nobody_is_told() {
    let site = site("workers = 1");
    sendmail(&site, SENDER, &[], &["b67@x.org"]);
    let id = site.ids("ready").remove(0);
    let output = Trap::new(&site, "publish.create=eio").run(&site, &["run"]);
    assert_eq!((output.status.code(), site.ids("ready").len()), (Some(74), 1), "{output:?}");
    assert!(site.events().iter().any(|event| event["verdict"] == "failed"), "{output:?}");
    let trap = Trap::new(&site, "amend.closed");
    trap.run(&site, &["remove", "--yes", &id]);
    assert!(trap.was_met());
    site.ok(&["run"]);
    assert!(site.list().is_empty());
    site.assert_clean();
}

/// The steps of a notice are all met by the tests above, or here.
#[test]
fn what_is_held_back_is_in_the_summary_once_killed_anywhere() {
    for point in crash::points(&["notice.held_back", "notice.recorded", "notice.summed_up"]) {
        let site = site("workers = 1\n[notices]\nper_hour = 1");
        for n in 0..3 {
            sendmail(&site, SENDER, &[], &[&format!("b67@host{n}.org")]);
        }
        let trap = Trap::new(&site, &point.name);
        trap.run(&site, &["run"]);
        crash::wait_for_the_lock(&site);
        site.ok(&["run"]);
        an_hour_passes(&site);
        trap.run(&site, &["run"]);
        assert!(trap.was_met(), "{}", point.name);
        crash::wait_for_the_lock(&site);
        site.ok(&["run"]);
        let all: Vec<String> = notices(&site).into_iter().map(|(_, text)| text).collect();
        assert_eq!(all.len(), 2, "{}: one of them, and the summary: {all:#?}", point.name);
        for n in 0..3 {
            let host = format!("b67@host{n}.org");
            assert_eq!(all.iter().filter(|text| text.contains(&host)).count(), 1, "{host}: {all:#?}");
        }
    }
}
