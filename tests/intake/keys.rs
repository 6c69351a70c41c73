//! `submit --key`: whatever is repeated, killed or made to fail, the same key is queued once.

use crate::support::{self, Site, message};

/// Submits message `n` under `key`; the status and what was printed.
fn submit(site: &Site, key: &str, n: u32, more: &[&str]) -> std::process::Output {
    let recipient = format!("r{n}@example.net");
    let args = ["submit", "-f", "sender@example.org", "--key", key, &recipient];
    site.feed(&[&args[..], more].concat(), message(n).as_bytes())
}

fn id(site: &Site, key: &str, n: u32, more: &[&str]) -> String {
    let output = submit(site, key, n, more);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("an id").trim().to_owned()
}

#[test]
fn the_same_key_is_queued_once_before_and_after_its_delivery() {
    let site = Site::new("ok", "");
    let first = id(&site, "order 17", 1, &[]);
    assert_eq!(id(&site, "order 17", 1, &[]), first);
    assert_eq!(site.ids("ready"), [first.as_str()]);
    site.ok(&["run"]);
    let row: serde_json::Value = serde_json::from_str(&id(&site, "order 17", 1, &["--json"])).expect("JSON");
    assert_eq!((&row["id"], &row["new"]), (&first.as_str().into(), &false.into()));
    site.ok(&["run"]);
    site.assert_each_once(1..2);
    assert!(site.list().is_empty());
    site.assert_clean();
    // Another key and another queue are another matter.
    assert_ne!(id(&site, "order 18", 2, &[]), first);
    assert_eq!(id(&site, "order 17", 1, &["--queue", "inbound"]), first);
    assert_eq!(site.list().len(), 2);
}

#[test]
fn what_failed_or_waits_is_known_too() {
    for (mode, state) in [("exit=67", "failed"), ("exit=75", "ready")] {
        let site = Site::new(mode, "");
        let first = id(&site, "x", 1, &[]);
        site.ok(&["run"]);
        assert_eq!(id(&site, "x", 1, &[]), first);
        assert_eq!(site.ids(state), [first.as_str()]);
        assert_eq!(site.list().len(), 1);
    }
}

#[test]
fn ten_at_once_are_one() {
    let site = Site::new("ok", "");
    let ids: Vec<String> = std::thread::scope(|scope| {
        let submits: Vec<_> = (0..10).map(|_| scope.spawn(|| id(&site, "k", 1, &[]))).collect();
        submits.into_iter().map(|submit| submit.join().expect("it ends")).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    site.ok(&["run"]);
    site.assert_each_once(1..2);
    site.assert_clean();
}

#[test]
fn a_key_is_remembered_as_long_as_is_configured() {
    let site = Site::new("ok", "key_keep = \"0\"");
    id(&site, "k", 1, &[]);
    site.ok(&["run"]);
    std::fs::remove_file(site.path("spool/outbound/swept")).expect("it was swept");
    site.ok(&["run"]);
    id(&site, "k", 2, &[]);
    assert_eq!(site.list().len(), 1, "nobody remembers the key");
}

#[test]
fn a_key_is_a_text_and_belongs_to_one_message() {
    let site = Site::new("ok", "");
    for args in [&["--key", ""][..], &["--key", "k", "--mbox", "-"]] {
        let output = site.feed(&[&["submit", "r@example.net"], args].concat(), b"");
        assert_eq!(output.status.code(), Some(64), "{output:?}");
    }
}

#[cfg(feature = "faults")]
mod faults {
    use super::*;
    use crate::support::crash::{self, Trap};

    fn trapped(site: &Site, trap: &Trap) -> std::process::Output {
        let command = site.command(&["submit", "-f", "sender@example.org", "--key", "k", "r1@example.net"]);
        support::feed(trap.set(command), message(1).as_bytes())
    }

    #[test]
    fn a_killed_submit_may_be_repeated() {
        for point in crash::points(&["publish.", "key."]) {
            // What was published is submitted again while it waits, and when it is gone.
            for run_between in [false, true] {
                let what = format!("killed at {}", point.name);
                let site = Site::new("ok", "");
                let trap = Trap::new(&site, &point.name);
                let output = trapped(&site, &trap);
                assert!(trap.was_met() && crash::was_killed(&output), "{what}: {output:?}");
                if run_between {
                    site.ok(&["run"]);
                }
                id(&site, "k", 1, &[]);
                site.ok(&["run"]);
                id(&site, "k", 1, &[]);
                site.ok(&["run"]);
                site.assert_each_once(1..2);
                site.assert_clean();
            }
        }
    }

    #[test]
    fn a_submit_that_failed_may_be_repeated() {
        for point in crash::points(&["publish.", "key."]).iter().filter(|point| point.fails) {
            let what = format!("eio at {}", point.name);
            let site = Site::new("ok", "");
            let trap = Trap::new(&site, &format!("{}=eio", point.name));
            let output = trapped(&site, &trap);
            // The mark is for later: the entry itself is there.
            let status = if point.name == "key.mark" { 0 } else { 74 };
            assert_eq!((trap.was_met(), output.status.code()), (true, Some(status)), "{what}: {output:?}");
            crash::assert_tmp_is_empty(&site, &what);
            id(&site, "k", 1, &[]);
            site.ok(&["run"]);
            site.assert_each_once(1..2);
            site.assert_clean();
        }
    }

    /// The mark comes before the removal, or there is no removal.
    #[test]
    fn a_worker_that_cannot_mark_the_key_leaves_the_entry() {
        let site = Site::new("ok", "");
        let trap = Trap::new(&site, "key.published");
        trapped(&site, &trap);
        let trap = Trap::new(&site, "key.mark=eio");
        let output = trap.run(&site, &["run"]);
        assert_eq!((trap.was_met(), output.status.code()), (true, Some(74)), "{output:?}");
        assert_eq!(site.ids("ready").len(), 1);
        id(&site, "k", 1, &[]);
        site.ok(&["run"]);
        site.assert_each_once(1..2);
        site.assert_clean();
    }
}
