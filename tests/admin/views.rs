//! The commands that look after the queue: list, show, status, flush, config, and the events that are written.

use serde_json::{Value, json};

use crate::support::{self, Site, signal, wait_until};

/// Nothing of the schedule comes by itself while a test runs.
const SLOW: &str = "workers = 1\nretry = { first = \"1d\", max = \"1d\" }";

/// Three entries that were deferred once: from a@ to x.org, from b@ to y.org, from nobody to x.org.
fn deferred(site: &Site) -> [String; 3] {
    let submit = |n: u32, sender: &str, recipients: &[&str]| site.submit_from(sender, n, recipients);
    let ids = [
        submit(1, "a@example.org", &["One@X.org"]),
        submit(2, "b@example.org", &["two@y.org"]),
        submit(3, "<>", &["three@x.org"]),
    ];
    site.ok(&["run"]);
    ids
}

fn due_now(site: &Site) -> Vec<String> {
    let now = site.json(&["status", "--json"])["queues"][0]["due"].as_u64().expect("a number");
    let mut found: Vec<(String, String)> = (site.list().iter())
        .map(|row| (row["due"].as_str().expect("text").to_owned(), row["id"].as_str().expect("text").to_owned()))
        .collect();
    found.sort();
    found.into_iter().take(now as usize).map(|(_, id)| id).collect()
}

#[test]
fn list_tells_what_waits_and_why() {
    let site = Site::new("exit=75", SLOW);
    assert_eq!(site.ok(&["list"]), "The queue is empty.\n");
    let [one, two, _] = deferred(&site);
    let text = site.ok(&["list"]);
    for words in [&one, &two, "a@example.org", "One@X.org", "next try ", "after 1 attempt", "-- 3 entries, "] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let row = site.list().into_iter().find(|row| row["id"] == one.as_str()).expect("a row");
    assert_eq!((&row["state"], &row["attempts"], &row["queue"]), (&json!("ready"), &json!(1), &json!("outbound")));
    assert!(row["reason"].as_str().is_some_and(|reason| reason.contains("75")), "{row}");
    // Each selection, and what it leaves.
    let count = |args: &[&str]| {
        let output = site.try_run(&[&["list", "--json"], args].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).lines().count())
    };
    for (args, code, rows) in [
        (&[][..], 0, 3),
        (&[one.as_str()], 0, 1),
        (&[&one, &two], 0, 2),
        (&["--sender", "a@example.org"], 0, 1),
        (&["--sender", "<>"], 0, 1),
        (&["--recipient", "*@x.org"], 0, 2),
        (&["--recipient", "T*"], 0, 2),
        (&["--recipient", "*@nowhere"], 0, 0),
        (&["--queue", "outbound"], 0, 3),
        (&["--queue", "inbound"], 0, 0),
        (&["--failed"], 0, 0),
        (&["--held"], 0, 0),
        (&["1k11fr7cqg9mypgc7854s"], 1, 0),
    ] {
        assert_eq!(count(args), (Some(code), rows), "{args:?}");
    }
    assert_eq!(site.ok(&["list", "--failed"]), "No such entry is queued.\n");
    assert_eq!(site.try_run(&["list", "-Q", "nosuch"]).status.code(), Some(78));
}

#[test]
fn show_tells_every_attempt_with_its_reason() {
    let site = Site::new("exit=75", "retry = { first = \"1s\", max = \"1s\" }");
    let id = site.submit(7, &["r75@example.net", "r0@example.net"]);
    for _ in 0..3 {
        site.ok(&["flush", "-q"]);
    }
    let text = site.ok(&["show", &id]);
    assert!(
        text.contains("attempt 3") && text.contains("sender@example.org") && text.contains("X-Number: 7\n"),
        "{text}"
    );
    let shown = site.json(&["show", "--json", &id]);
    let attempts = shown["attempts"].as_array().expect("a list");
    assert!(
        attempts.len() >= 3 && attempts.iter().all(|attempt| attempt["results"][0]["reason"].is_object()),
        "{shown}"
    );
    assert_eq!(shown["recipients"][0], json!({"address": "r75@example.net", "state": "deferred", "told": []}));
    assert!(site.ok(&["show", "-m", &id]).ends_with(&support::message(7)));
    let gone = site.try_run(&["show", "1k11fr7cqg9mypgc7854s"]);
    assert!(gone.status.code() == Some(1) && String::from_utf8_lossy(&gone.stderr).contains("/events"), "{gone:?}");
}

#[test]
fn status_tells_of_a_run_at_work_and_of_none() {
    let site = Site::new("never", "workers = 2");
    assert!(site.ok(&["status"]).contains("nothing was queued here yet"));
    let id = site.submit(1, &["r1@example.net"]);
    assert!(site.ok(&["status"]).contains("1 due, 0 waiting, 0 held, 0 failed, 0 corrupt"));
    assert!(site.ok(&["status"]).contains("no run at work"));
    let main = site.start(&["run"]);
    let run = || site.json(&["status", "--json"])["queues"][0]["run"].clone();
    wait_until("the heartbeat tells what is in hand", || run()["in_hand"][0]["id"] == id.as_str());
    assert!(run()["pid"].is_u64() && run()["hangs"] == false, "{}", run());
    let text = site.ok(&["status"]);
    assert!(text.contains("works since") && text.contains(&format!("{id} in hand for")), "{text}");
    site.sinks().into_iter().for_each(|pid| signal("KILL", pid));
    support::assert_silent(main);
    assert!(run().is_null() && site.ok(&["status"]).contains("no run at work"));
}

#[test]
fn flush_takes_what_it_is_told_and_nothing_else() {
    for (pick, expected) in [
        (&["ID"][..], &[0][..]),
        (&["--sender", "b@example.org"], &[1]),
        (&["--sender", "<>"], &[2]),
        (&["--recipient", "*@X.ORG"], &[0, 2]),
        (&["--queue", "outbound"], &[0, 1, 2]),
        (&["--queue", "inbound"], &[]),
        (&[], &[0, 1, 2]),
    ] {
        let site = Site::new("exit=75", SLOW);
        let ids = deferred(&site);
        let args: Vec<&str> = pick.iter().map(|&arg| if arg == "ID" { ids[0].as_str() } else { arg }).collect();
        // Made due, and left for the next run.
        let said = site.ok(&[&["flush", "--no-run"], &args[..]].concat());
        let mut due = due_now(&site);
        let mut wanted: Vec<String> = expected.iter().map(|&i| ids[i].clone()).collect();
        due.sort();
        wanted.sort();
        assert_eq!(due, wanted, "{pick:?}");
        let number =
            if wanted.is_empty() { "nothing to flush".to_owned() } else { format!("{} made due", wanted.len()) };
        assert!(said.contains(&number), "{said}");
        // And delivered.
        site.set_sink("ok", SLOW, "30s");
        let said = site.ok(&[&["flush"], &args[..]].concat());
        let number = format!("{0} flushed: {0} delivered, 0 deferred, 0 failed\n", wanted.len());
        assert!(wanted.is_empty() || said == number, "{said}");
        assert_eq!((site.deliveries().len(), site.list().len()), (wanted.len(), 3 - wanted.len()), "{pick:?}");
    }
}

#[test]
fn flush_tells_what_became_of_it() {
    let site = Site::new("digits", SLOW);
    for to in ["r0@x.org", "r75@x.org", "r67@x.org"] {
        site.submit(1, &[to]);
    }
    assert_eq!(site.ok(&["flush"]), "3 flushed: 1 delivered, 1 deferred, 1 failed\n");
    let told: Value = serde_json::from_str(&site.ok(&["flush", "--json"])).expect("JSON");
    assert_eq!((&told["flushed"], &told["deferred"], &told["delivered"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!(site.ok(&["flush", "-q"]), "");
    let missing = site.try_run(&["flush", "1k11fr7cqg9mypgc7854s"]);
    assert!(missing.status.code() == Some(1) && missing.stdout == b"no such entry waits\n");
}

#[test]
fn flush_while_a_run_is_at_work_gives_it_the_entries_and_follows() {
    let site = Site::new("exit=75", SLOW);
    deferred(&site);
    site.set_sink("wait=700", SLOW, "30s");
    let busy = site.submit(4, &["r4@example.net"]);
    let main = site.start(&["run"]);
    wait_until("the worker is busy", || site.busy() == 1);
    let said = site.ok(&["flush"]);
    assert!(
        said.starts_with("3 flushed: 3 delivered, 0 deferred") || said.starts_with("4 flushed: 4 delivered"),
        "{said}"
    );
    support::assert_silent(main);
    assert!(site.list().is_empty() && site.deliveries().values().all(|&times| times == 1), "{busy}");
    assert_eq!(site.deliveries().len(), 4);
}

#[test]
fn a_flush_that_follows_a_run_ends_at_any_signal_to_stop() {
    for stop in ["TERM", "INT", "QUIT"] {
        let site = Site::new("wait=20000", SLOW);
        site.submit(1, &["r1@example.net"]);
        let run = site.start(&["run"]);
        wait_until("the worker is busy", || site.busy() == 1);
        // Due, and behind the other's back.
        site.submit(2, &["r2@example.net"]);
        let mut flush = site.start(&["flush", "-q"]);
        let id = flush.id();
        wait_until("it follows the run", || follows(id));
        support::signal(stop, id);
        wait_until("it ended", || flush.try_wait().expect("it is ours").is_some());
        assert_eq!(site.busy(), 1, "{stop}: it waited for the other run");
        support::term_twice(run.id());
        run.wait_with_output().expect("it ended");
    }
}

/// Whether the process has handlers of the three signals that stop it, as it has for good when it waits.
fn follows(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
    let caught = u64::from_str_radix(caught.trim(), 16).unwrap_or_default();
    [2, 3, 15].iter().all(|signal| caught & 1 << (signal - 1) != 0)
}

#[test]
fn what_waits_too_long_is_given_up_and_kept_in_failed() {
    let site = Site::new("exit=75", "retry = { first = \"1s\", max = \"1s\", expire = \"1s\" }");
    let id = site.submit(1, &["r1@example.net"]);
    wait_until("it is given up", || {
        site.ok(&["run"]);
        site.ids("failed") == [id.clone()]
    });
    let row = &site.list()[0];
    let reason = row["reason"].as_str().expect("a reason");
    assert!(row["state"] == "failed" && reason.starts_with("given up after ") && reason.contains("75"), "{row}");
    let verdicts: Vec<String> =
        site.events().iter().map(|event| event["verdict"].as_str().expect("text").to_owned()).collect();
    assert!(verdicts.len() >= 2 && verdicts.last().is_some_and(|last| last == "failed"), "{verdicts:?}");
    assert!(verdicts[..verdicts.len() - 1].iter().all(|verdict| verdict == "deferred"), "{verdicts:?}");
    // It is kept, and not tried again.
    site.set_sink("ok", "", "30s");
    site.ok(&["flush", "-q"]);
    assert!(site.deliveries().is_empty() && site.ids("failed").len() == 1);
    assert!(site.ok(&["list", "--failed"]).contains(&id));
    site.assert_clean();
}

#[test]
fn each_recipient_and_verdict_is_one_event() {
    let site = Site::new("digits", "max_recipients = 1\nretry = { first = \"1d\", max = \"1d\" }");
    let id = site.submit(1, &["r0@x.org", "r67@x.org", "r75@x.org"]);
    site.ok(&["run"]);
    let events = site.events();
    assert_eq!(events.len(), 3, "{events:?}");
    for (recipient, verdict) in [("r0@x.org", "delivered"), ("r67@x.org", "failed"), ("r75@x.org", "deferred")] {
        let event = events.iter().find(|event| event["recipient"] == recipient).expect("an event");
        assert!(event["verdict"] == verdict && event["id"] == id.as_str() && event["queue"] == "outbound", "{event}");
        assert!(
            event["at"].as_str().is_some_and(|at| at.ends_with('Z')) && event["sender"] == "sender@example.org",
            "{event}"
        );
        assert_eq!(event["reason"].is_null(), verdict == "delivered", "{event}");
    }
}

#[test]
fn config_check_and_show() {
    let site = Site::new("ok", "workers = 3");
    let said = site.ok(&["config", "check"]);
    assert!(said.ends_with("ok\n"), "{said}");
    let (shown, file) = (site.ok(&["config", "show"]), site.path("bulkmailer.toml"));
    assert!(shown.contains("workers = 3") && shown.contains(&format!("# {}:5", file.display())), "{shown}");
    assert_eq!(site.json(&["config", "show", "--json"])["values"]["queue.outbound.workers"]["value"], 3);
    site.configure("[queue.outbound]\nworkers = 0\ncolor = 1\nlinger = \"x\"\n");
    let output = site.try_run(&["config", "check"]);
    assert!(
        output.status.code() == Some(78) && String::from_utf8_lossy(&output.stdout).contains(":3: unknown key `color`")
    );
    site.configure("[queue.outbound]\nworkers = 0\nlinger = \"x\"\n");
    let told = site.json(&["config", "check", "--json"]);
    assert!(told["ok"] == false && told["problems"].as_array().is_some_and(|problems| problems.len() == 2), "{told}");
    assert!(!site.path("spool").exists(), "a look makes nothing");
}
