//! Sinks that misbehave: no hang, no harm to other entries, the right verdict each time.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;

use crate::support::{self, Site};

/// Runs one message through a sink in `mode`; the row that `list` has for it afterwards, if any.
fn verdict_of(mode: &str, timeout: &str) -> Option<serde_json::Value> {
    let site = Site::new(mode, "");
    site.set_sink(mode, "", timeout);
    site.submit(1, &["r1@example.net"]);
    site.ok(&["run"]);
    site.assert_clean();
    site.list().pop()
}

#[test]
fn one_that_does_not_read_counts_by_its_status() {
    assert_eq!(verdict_of("early", "10s"), None);
}

#[test]
fn one_that_reads_slowly_is_waited_for() {
    assert_eq!(verdict_of("slow", "20s"), None);
}

#[test]
fn one_that_floods_its_output_is_not_blocked() {
    assert_eq!(verdict_of("flood", "20s"), None);
}

#[test]
fn one_that_leaves_a_grandchild_behind_is_not_waited_for() {
    let site = Site::new("grandchild", "");
    site.submit(1, &["r1@example.net"]);
    site.ok(&["run"]);
    // It keeps every descriptor, and would have ended by itself in 20 seconds.
    let left = site.sinks();
    left.iter().for_each(|&pid| support::signal("KILL", pid));
    assert_eq!((left.len(), site.list().len()), (1, 0));
    site.assert_clean();
}

#[test]
fn one_that_never_ends_is_ended() {
    let row = verdict_of("never", "1s").expect("it is still queued");
    assert_eq!((&row["state"], &row["attempts"]), (&"ready".into(), &1.into()));
    assert!(row["reason"].as_str().expect("a reason").contains("longer than its timeout"), "{row}");
}

#[test]
fn one_that_ignores_term_is_killed() {
    let row = verdict_of("ignoreterm", "1s").expect("it is still queued");
    assert!(row["reason"].as_str().expect("a reason").contains("longer than its timeout"), "{row}");
}

#[test]
fn one_that_dies_by_a_signal_defers() {
    for signal in [6, 9, 11, 15] {
        let row = verdict_of(&format!("signal={signal}"), "10s").expect("it is still queued");
        assert_eq!(row["state"], "ready");
        assert!(row["reason"].as_str().expect("a reason").contains(&format!("signal {signal}")), "{row}");
    }
}

#[test]
fn each_status_has_its_verdict_and_harms_nobody_else() {
    let site = Site::new("digits", "workers = 4");
    let down = [126, 127];
    for n in (0..=255).filter(|n| !down.contains(n)) {
        site.submit(n, &[&format!("r{n}@example.net")]);
    }
    site.ok(&["run"]);
    let verdicts: HashMap<String, String> = (site.events().iter())
        .map(|event| {
            (event["recipient"].as_str().expect("text").to_owned(), event["verdict"].as_str().expect("text").to_owned())
        })
        .collect();
    for n in (0..=255).filter(|n| !down.contains(n)) {
        let expected = match n {
            0 => "delivered",
            65 | 67 | 68 | 100 => "failed",
            _ => "deferred",
        };
        assert_eq!(verdicts.get(&format!("r{n}@example.net")).map(String::as_str), Some(expected), "status {n}");
    }
    assert_eq!((site.ids("failed").len(), site.ids("ready").len()), (4, 249));
    site.assert_clean();
}

#[test]
fn a_sink_that_is_down_uses_up_nothing_and_is_said_once() {
    for status in [126, 127] {
        let site = Site::new(&format!("exit={status}"), "");
        let before: Vec<_> = (0..5).map(|n| site.submit(n, &["r@example.net"])).collect();
        for (run, words) in [(1, 1), (2, 0), (3, 0)] {
            let output = site.try_run(&["run"]);
            let said = String::from_utf8_lossy(&output.stderr).lines().count();
            assert_eq!((output.status.code(), said), (Some(75), words), "run {run}: {output:?}");
        }
        let rows = site.list();
        assert!(rows.len() == before.len() && rows.iter().all(|row| row["attempts"] == 0), "{rows:?}");
        assert_eq!(site.try_run(&["status"]).status.code(), Some(1));
        site.set_sink("ok", "", "10s");
        let output = site.try_run(&["run"]);
        assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("takes mail again"));
        assert!(site.list().is_empty() && site.try_run(&["status"]).status.success());
    }
}

#[test]
fn a_command_that_cannot_be_started_is_a_sink_that_is_down() {
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    let program = site.path("program");
    for mode in [None, Some(0o600), Some(0o755)] {
        if let Some(mode) = mode {
            // With mode 0755 it may be executed, and is no program.
            std::fs::write(&program, "\0\0\0").expect("written");
            std::fs::set_permissions(&program, PermissionsExt::from_mode(mode)).expect("set");
        }
        site.configure(&config.replace(support::sink().to_str().expect("a path"), program.to_str().expect("a path")));
        let output = site.try_run(&["run"]);
        assert_eq!(output.status.code(), Some(75), "{mode:?}: {output:?}");
        assert_eq!(site.list()[0]["attempts"], 0);
    }
}

#[test]
fn one_bad_recipient_does_not_keep_the_others() {
    let site = Site::new("digits", "max_recipients = 10");
    site.submit(1, &["r0@example.net", "r67@example.net", "ra@example.net", "r75@example.net"]);
    site.ok(&["run"]);
    let found: HashMap<String, String> = (site.events().iter())
        .map(|event| {
            (event["recipient"].as_str().expect("text").to_owned(), event["verdict"].as_str().expect("text").to_owned())
        })
        .collect();
    // The sink's status follows the first recipient of a hand-over; once they are alone each has its own.
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(site.deliveries().values().all(|&times| times == 1));
}

#[test]
fn a_sendmail_of_no_known_kind_gets_one_recipient_at_a_time() {
    // Its status would say nothing of the others, and whoever it took would get the message twice.
    let site = Site::new("digits", "max_recipients = 10");
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&config.replace("\"postfix\"", "\"generic\""));
    site.submit(1, &["r0@example.net", "r67@example.net", "ra@example.net"]);
    site.ok(&["run"]);
    let log = std::fs::read_to_string(site.path("log")).expect("a log");
    assert!(log.lines().count() == 2 && site.deliveries().values().all(|&times| times == 1), "{log}");
    let failed: Vec<_> = site.events().into_iter().filter(|event| event["verdict"] == "failed").collect();
    assert!(failed.len() == 1 && failed[0]["recipient"] == "r67@example.net", "{failed:?}");
}

#[test]
fn an_argument_list_that_the_system_would_refuse_is_split() {
    let site = Site::new("ok", "max_recipients = 1000");
    let long = "x".repeat(60);
    let recipients: Vec<String> = (0..1_000).map(|n| format!("r{n}-{long}@{long}.{long}.example.net")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    site.submit(1, &recipients);
    // A quarter of the stack is for arguments (execve(2)): 128 KiB, and the recipients alone have 200.
    let own = site.command(&["run"]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -s 512; exec \"$@\"", "sh"]).arg(own.get_program()).args(own.get_args());
    let output = shell.output().expect("a shell");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let log = std::fs::read_to_string(site.path("log")).expect("a log");
    assert!((2..10).contains(&log.lines().count()), "{} hand-overs", log.lines().count());
    let found = site.deliveries();
    assert!(found.len() == 1_000 && found.values().all(|&times| times == 1));
}
