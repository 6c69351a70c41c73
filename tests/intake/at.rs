//! `submit --at`: mail that waits for the time that a person asked for.

use crate::support::{Site, message};

fn submit(site: &Site, at: &str) -> std::process::Output {
    site.feed(&["submit", "-f", "sender@example.org", "--at", at, "r1@example.net"], message(1).as_bytes())
}

#[test]
fn it_waits_however_far_off_its_time_is() {
    let site = Site::new("ok", "");
    // Further than any retry; another entry's clock would be wrong.
    assert!(submit(&site, "+300d").status.success());
    site.ok(&["run"]);
    assert!(site.deliveries().is_empty());
    let row = site.list().remove(0);
    assert!(row["state"] == "ready" && row["attempts"] == 0, "{row}");
    assert!(site.ok(&["status"]).contains("0 due, 1 waiting"));
    site.assert_clean();
    // A network that comes up flushes everything, and that is none of its business.
    site.ok(&["flush", "-q"]);
    assert!(site.deliveries().is_empty());
    // A person may change his mind.
    site.ok(&["flush", "-q", row["id"].as_str().expect("an id")]);
    site.assert_each_once(1..2);
    site.assert_clean();
}

#[test]
fn one_that_was_deferred_is_tried_again_as_any_other() {
    let site = Site::new("exit=75", "");
    assert!(submit(&site, "2001-01-01 08:00").status.success());
    site.ok(&["run"]);
    assert_eq!(site.list()[0]["attempts"], 1);
    assert!(!site.tree().iter().any(|line| line.contains('@')), "its next time is our own");
    site.set_sink("ok", "", "30s");
    site.ok(&["flush", "-q"]);
    site.assert_each_once(1..2);
}

#[test]
fn what_is_no_time_is_refused_with_what_is_one() {
    let site = Site::new("ok", "");
    for at in ["", "soon", "+1", "08:00", "2026-02-30"] {
        let output = submit(&site, at);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.lines().count()), (Some(64), 1), "{at}: {output:?}");
    }
    assert!(String::from_utf8_lossy(&submit(&site, "soon").stderr).contains("2026-11-26 08:00"));
    assert!(!site.path("spool").exists());
}
