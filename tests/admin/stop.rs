//! Stop and start: a stopped queue hands nothing over, loses nothing, and goes on where it was.

use super::decisions::{SLOW, code};
use crate::support::{Site, assert_silent, signal, wait_until};
use serde_json::{Value, json};

#[test]
fn stop_returns_when_nothing_is_in_hand_and_start_lets_it_go_on() {
    let site = Site::new("wait=500", "workers = 3");
    for n in 0..30 {
        site.submit(n, &[&format!("r{n}@example.net")]);
    }
    let main = site.start(&["run"]);
    wait_until("the workers are busy", || site.busy() == 3);
    assert_eq!(site.ok(&["stop"]), "outbound: stopped; nothing is in hand\n");
    // What it returned with is what there is: each that was in hand was finished, and no other begun.
    let (done, busy) = (site.deliveries().len(), site.busy());
    assert!(busy == 0 && (3..30).contains(&done), "{done} {busy}");
    assert_silent(main);
    assert_silent(site.start(&["run"]));
    assert_eq!((site.deliveries().len(), site.list().len()), (done, 30 - done));
    // A stopped queue is said where somebody asks, takes mail, and wants attention.
    let said = String::from_utf8(site.try_run(&["run", "-v"]).stderr).expect("text");
    assert!(said.contains("outbound: this queue is stopped") && said.contains("'bulkmailer start"), "{said}");
    assert_eq!(site.json(&["run", "--json"])["queues"][0]["stopped"], true);
    let status = site.try_run(&["status"]);
    let text = String::from_utf8(status.stdout).expect("text");
    assert!(status.status.code() == Some(1) && text.contains("stopped by "), "{text}");
    assert!(site.json(&["status", "--json"])["queues"][0]["stopped"].is_u64());
    site.submit(30, &["r30@example.net"]);
    assert_eq!(code(&site, &["flush"]), Some(75));
    assert!(site.ok(&["stop"]).contains("was stopped already"));
    assert_eq!(site.deliveries().len(), done);
    site.assert_clean();
    // And on again.
    site.set_sink("ok", "workers = 3", "30s");
    assert_eq!(site.ok(&["start"]), "outbound: goes on with the next run\n");
    assert_eq!(site.ok(&["start"]), "outbound: was not stopped\n");
    site.ok(&["run"]);
    site.assert_each_once(0..31);
    assert!(site.list().is_empty());
}

#[test]
fn stop_ends_a_run_that_lingers_and_one_queue_only_where_one_is_named() {
    let site = Site::new("ok", "linger = \"1h\"");
    site.submit(1, &["r1@example.net"]);
    let main = site.start(&["run"]);
    wait_until("it is delivered", || site.deliveries().len() == 1);
    assert_eq!(site.ok(&["stop", "-Q", "outbound"]), "outbound: stopped; nothing is in hand\n");
    assert_silent(main);
    // One that nothing was queued in yet is stopped beforehand.
    assert_eq!(site.json(&["stop", "-Q", "bounce", "--json"])["queues"][0]["already"], false);
    site.ok(&["start", "-Q", "outbound"]);
    let rows = site.json(&["status", "--json"]);
    let stopped = |name: &str| {
        let rows = rows["queues"].as_array().expect("a list");
        rows.iter().any(|row| row["queue"] == name && row["stopped"].is_u64())
    };
    assert!(stopped("bounce") && !stopped("outbound"), "{rows}");
    assert_eq!(code(&site, &["stop", "-Q", "nosuch"]), Some(78));
}

#[test]
fn stop_ends_a_run_that_waits_for_a_sink_that_is_down() {
    let site = Site::new("exit=127", "workers = 1");
    site.submit(1, &["r1@example.net"]);
    let main = site.start(&["run", "--max-runtime", "1h"]);
    wait_until("the sink is down", || site.path("spool/outbound/sink").exists());
    assert_eq!(site.ok(&["stop"]), "outbound: stopped; nothing is in hand\n");
    main.wait_with_output().expect("it ends");
    assert_eq!(site.ids("ready").len(), 1);
}

#[test]
fn a_stop_that_is_interrupted_says_what_is_still_in_hand_and_stays() {
    let site = Site::new("never", "workers = 1");
    let id = site.submit(1, &["r1@example.net"]);
    site.submit(2, &["r2@example.net"]);
    let main = site.start(&["run"]);
    let hand = || site.json(&["status", "--json"])["queues"][0]["run"]["in_hand"][0]["id"].clone();
    wait_until("the heartbeat tells what is in hand", || hand().is_string());
    let in_hand = hand();
    let stop = site.start(&["stop", "--json"]);
    wait_until("the button is pressed", || site.path("spool/outbound/stopped").exists());
    signal("TERM", stop.id());
    let output = stop.wait_with_output().expect("it ends");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &told["queues"][0]["in_hand"]), (Some(75), &json!([in_hand])), "{id}");
    site.sinks().into_iter().for_each(|pid| signal("KILL", pid));
    assert_silent(main);
    assert_eq!((site.list().len(), site.busy()), (2, 0));
}

#[test]
fn stop_needs_no_configuration_that_is_right() {
    let site = Site::new("wait=300", "workers = 1");
    site.ok(&["submit", "-q", "--mbox", site.mbox("box", 0..20).to_str().expect("a path")]);
    let main = site.start(&["run"]);
    wait_until("a worker is busy", || site.busy() == 1);
    site.configure("[queue.outbound]\nworkers = 0\n");
    let output = site.try_run(&["stop"]);
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success() && said.contains("all the same"), "{said}");
    let done = site.deliveries().len();
    assert_silent(main);
    assert!(done < 20 && site.deliveries().len() == done);
    assert_eq!(code(&site, &["stop", "-Q", "outbond"]), Some(78));
}

#[test]
fn stop_on_a_large_spool_leaves_all_that_waits() {
    let site = Site::new("ok", SLOW);
    // What is due, and far more names of what waits: the same file under many names serves, for nobody opens it.
    site.ok(&["submit", "-q", "--mbox", site.mbox("box", 0..3_000).to_str().expect("a path")]);
    let ready = site.path("spool/outbound/ready");
    for bucket in 0..256 {
        let first = ready.join(format!("{bucket:02x}/0000000000000000"));
        std::fs::write(&first, "").expect("a file");
        for n in 0..400 {
            let name = format!("9999999999999999@1k11w31nhw11{bucket:05}{n:04}");
            std::fs::hard_link(&first, first.with_file_name(name)).expect("a name");
        }
        std::fs::remove_file(first).expect("removed");
    }
    let main = site.start(&["run"]);
    wait_until("something is delivered", || site.path("log").exists());
    site.ok(&["stop"]);
    let done = site.deliveries().len();
    assert_silent(main);
    assert!(done < 3_000 && site.deliveries().len() == done, "{done}");
    let status = site.json(&["status", "--json"]);
    assert_eq!((&status["queues"][0]["due"], &status["queues"][0]["waiting"]), (&json!(3_000 - done), &json!(102_400)));
}
