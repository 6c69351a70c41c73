//! `on_crash = "hold"`: what may have arrived is not handed over again; it waits for a person.

#![cfg(feature = "faults")]

use super::crash::{HOLD, RUN, expected, loaded_with};
use crate::support::Site;
use crate::support::crash::{self, Trap};
use std::collections::BTreeSet;

/// With `on_crash = "hold"`: nothing twice, and who did not get it is held; of one hand-over at most.
fn settle_all_but_held(site: &Site, what: &str) {
    crash::wait_for_the_lock(site);
    site.ok(&["run"]);
    site.set_sink("ok", HOLD, "30s");
    crash::drain(site);
    crash::assert_no_surplus(site, what);
    let found: BTreeSet<(u32, String)> = site.deliveries().into_keys().collect();
    let missing: Vec<String> = expected().difference(&found).map(|(_, recipient)| recipient.clone()).collect();
    let held: Vec<serde_json::Value> = site.list().into_iter().filter(|row| row["state"] == "hold").collect();
    let listed: Vec<&str> = (held.iter())
        .flat_map(|row| row["recipients"].as_array().expect("a list"))
        .filter_map(|recipient| recipient.as_str())
        .collect();
    assert!(held.len() <= 1 && listed.len() <= 2, "{what}: {held:?}");
    assert!(missing.iter().all(|recipient| listed.contains(&recipient.as_str())), "{what}: lost {missing:?}");
    for row in held {
        let reason = row["reason"].as_str().expect("a reason");
        assert!(reason.contains("while this was handed over"), "{what}: {reason}");
        let shown = site.ok(&["show", row["id"].as_str().expect("an id")]);
        assert!(shown.contains("held, outcome unknown"), "{what}: {shown}");
    }
    site.assert_clean();
}

fn killed_with_hold(part: usize) {
    let points = crash::points(&[&RUN[..], &["intent."]].concat());
    for point in points.iter().skip(part).step_by(2) {
        for count in [1, 3] {
            let what = format!("hold: killed at {} (passing {count})", point.name);
            let site = loaded_with(HOLD);
            let trap = Trap::new(&site, &format!("{}:{count}", point.name));
            let output = trap.run(&site, &["run"]);
            assert!(count > 1 || trap.was_met(), "{what}: nobody came there: {output:?}");
            settle_all_but_held(&site, &what);
        }
    }
}

#[test]
fn with_hold_a_crash_hands_nothing_over_twice_part_1() {
    killed_with_hold(0);
}

#[test]
fn with_hold_a_crash_hands_nothing_over_twice_part_2() {
    killed_with_hold(1);
}

/// What was not announced on disk is not handed over, and nobody need decide about it.
#[test]
fn with_hold_an_announcement_that_cannot_be_synced_keeps_the_message() {
    for recipients in [&["a0@h1.example.net"][..], &["a0@h1.example.net", "b0@h1.example.net"]] {
        let site = Site::new("ok", HOLD);
        let id = site.submit(1, recipients);
        let mut command = site.command(&["run"]);
        let output = command.env("BULKMAILER_FAULT", "intent.sync=eio").output().expect("the program starts");
        assert_eq!((output.status.code(), crash::lines_said(&output)), (Some(74), 1), "{output:?}");
        assert!(site.deliveries().is_empty() && site.ids("ready") == [id.as_str()]);
        site.ok(&["run"]);
        assert_eq!(site.deliveries().len(), recipients.len());
        assert!(site.list().is_empty());
        site.assert_clean();
    }
}

/// An answer that never came is as unknown as one that a crash kept from us; the other recipients go on.
#[test]
fn with_hold_an_outcome_that_is_unknown_waits_for_a_person() {
    let site = Site::new("digits", "workers = 1\nmax_recipients = 1\non_crash = \"hold\"");
    // The sink kills itself for the recipient with 300 and more.
    let id = site.submit(1, &["a0@h1.example.net", "b309@h2.example.net", "c0@h3.example.net", "d75@h4.example.net"]);
    let first = site.try_run(&["run"]);
    // One is deferred, so the entry is not held yet.
    assert!(first.status.success() && first.stderr.is_empty(), "{first:?}");
    assert_eq!(site.ids("ready"), [id.as_str()]);
    site.set_sink("ok", HOLD, "30s");
    site.ok(&["flush", "-q", "--no-run"]);
    let second = site.try_run(&["run"]);
    assert_eq!((second.status.code(), crash::lines_said(&second)), (Some(0), 1), "{second:?}");
    let row = &site.list()[0];
    assert_eq!((&row["state"], &row["recipients"]), (&"hold".into(), &serde_json::json!(["b309@h2.example.net"])));
    assert!(row["reason"].as_str().is_some_and(|reason| reason.contains("signal 9")), "{row}");
    let found = site.deliveries();
    assert!(found.len() == 3 && found.values().all(|&times| times == 1), "{found:?}");
    let held = site.events().into_iter().filter(|event| event["verdict"] == "held").count();
    assert_eq!((held, site.events().len()), (1, 5));
    site.assert_clean();
    // A person decides.
    site.ok(&["release", &id]);
    site.ok(&["run"]);
    let found = site.deliveries();
    assert!(found.len() == 4 && found.values().all(|&times| times == 1), "{found:?}");
    assert!(site.list().is_empty());
}
