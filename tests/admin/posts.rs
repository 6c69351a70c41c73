//! List posts: one message to many, queued as a whole or not at all, stored once, and each of its recipients once.

use crate::support::posts::{assert_each_once, delivered, handed, id, lines, list, post, recipients, shown};
use crate::support::random::{Random, number_from};
use crate::support::{self, Site, message};
use std::fmt::Write as _;

#[test]
fn a_post_is_stored_once_and_each_domain_is_together() {
    let site = Site::new("ok", "workers = 1\njob_recipients = 4\nmax_recipients = 4");
    let text = "# a list\r\nb@x.example\r\n\r\na@X.example\n a@x.example \n<c@y.org>\nd@m.x.example\ne@x.example\nb@x.example\n";
    let posted = post(&site, 1, text, &["--job-name", "news"]);
    let of = |name: &str| posted[name].as_u64().expect("a number");
    assert_eq!((of("recipients"), of("entries"), of("duplicates"), of("suppressed")), (5, 2, 2, 0), "{posted}");
    let files = site.tree().into_iter().filter(|line| line.contains("/message ")).count();
    assert_eq!(files, 1);
    let mut rows = site.list();
    rows.sort_by_key(|row| row["id"].to_string());
    assert_eq!(rows[0]["recipients"].as_array().map(Vec::len), Some(4), "{rows:?}");
    let show = site.ok(&["show", rows[0]["id"].as_str().expect("an id")]);
    assert!(show.contains("a@X.example") && show.contains("X-Number: 1"), "{show}");
    let whole = site.ok(&["show", "--message", rows[1]["id"].as_str().expect("an id")]);
    assert!(whole.starts_with("Received: by ") && whole.ends_with(&message(1)[60..]), "{whole}");
    assert_eq!(whole.matches("Received:").count(), 1);
    site.assert_clean();
    site.ok(&["run"]);
    let mut groups: Vec<String> = handed(&site).into_iter().map(|(_, to)| to.join(" ")).collect();
    groups.sort();
    // Those of one domain come in one hand-over, wherever the entries part.
    assert_eq!(groups, ["c@y.org", "d@m.x.example a@X.example b@x.example e@x.example"]);
    let job = shown(&site, id(&posted));
    assert_eq!((&job["state"], &job["name"], &job["done"]), (&"done".into(), &"news".into(), &5.into()), "{job}");
    site.assert_clean();
}

#[test]
fn a_line_that_is_no_address_is_named_and_refuses_all_of_it() {
    let site = Site::new("ok", "");
    let list = list(&site, "list", "a@x.example\n\nnobody here\nb@x.example\n");
    let path = list.to_str().expect("a path");
    let refused = site.feed(&["submit", "--recipients", path], message(1).as_bytes());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(65), "{said}");
    assert!(said.contains("list:3:") && said.contains("--skip-bad"), "{said}");
    assert!(site.list().is_empty() && refused.stdout.is_empty());
    let skipped = site.feed(&["submit", "--recipients", path, "--skip-bad", "--json"], message(1).as_bytes());
    let said = String::from_utf8_lossy(&skipped.stderr).into_owned();
    assert!(skipped.status.success() && said.contains("list:3:"), "{skipped:?}");
    let posted: serde_json::Value = serde_json::from_slice(&skipped.stdout).expect("JSON");
    assert_eq!((&posted["recipients"], &posted["bad"]), (&2.into(), &1.into()));
    for (text, status) in [("# nobody\n\n", 65), ("x@y.example\n\u{0}\n", 65)] {
        std::fs::write(&list, text).expect("written");
        let refused = site.feed(&["submit", "--recipients", path], message(1).as_bytes());
        assert_eq!(refused.status.code(), Some(status), "{refused:?}");
    }
    let missing = site.feed(&["submit", "--recipients", "/nowhere/list"], message(1).as_bytes());
    assert_eq!(missing.status.code(), Some(66), "{missing:?}");
    assert_eq!(site.list().len(), 1);
}

#[test]
fn the_list_may_come_on_the_standard_input_and_the_message_from_a_file() {
    let site = Site::new("ok", "");
    let input = b"a@x.example\nb@x.example\n";
    let refused = site.feed(&["submit", "--recipients", "-"], input);
    assert_eq!(refused.status.code(), Some(64), "{refused:?}");
    let path = list(&site, "message", &message(3));
    let taken = site.feed(&["submit", "--recipients", "-", "--message", path.to_str().expect("a path")], input);
    assert!(taken.status.success(), "{taken:?}");
    for other in [&["a@x.example"][..], &["--maildir", "m"], &["-t"], &["--mbox", "m"]] {
        let refused = site.feed(&[&["submit", "--recipients", "list"], other].concat(), b"");
        assert_eq!(refused.status.code(), Some(64), "{other:?}: {refused:?}");
    }
    site.ok(&["run"]);
    assert_eq!(site.deliveries().keys().map(|(n, _)| *n).collect::<Vec<_>>(), [3, 3]);
}

#[test]
fn each_recipient_has_a_sender_of_his_own() {
    let site = Site::new("ok", "workers = 1\nverp = \"b-{rlocal}={rdomain}@{domain}\"");
    let text = "u@x.example\nv@y.example\n\"no good\"@z.example\n";
    let job = post(&site, 1, text, &["--verp={local}+{rlocal}={rdomain}@{domain}"]);
    post(&site, 2, "w@x.example\n", &["--verp"]);
    site.ok(&["run"]);
    let mut found: Vec<_> = handed(&site).into_iter().map(|(from, to)| format!("{from} {}", to.join(" "))).collect();
    found.sort();
    let expected = [
        "b-w=x.example@example.org w@x.example",
        "list+u=x.example@example.org u@x.example",
        "list+v=y.example@example.org v@y.example",
    ];
    assert_eq!(found, expected);
    let failed = site.list();
    assert!(failed.len() == 1 && failed[0]["reason"].as_str().is_some_and(|r| r.contains("VERP")), "{failed:?}");
    let shown = shown(&site, id(&job));
    assert_eq!((&shown["done"], &shown["failed"], &shown["state"]), (&2.into(), &1.into(), &"ended".into()));
    for bad in [&["--verp=all@x.example"][..], &["--verp={rlocal}{rdomain}{x}@y.example"], &["--verp", "-f", "<>"]] {
        let path = list(&site, "list", text);
        let refused = site
            .feed(&[&["submit", "--recipients", path.to_str().expect("a path")], bad].concat(), message(1).as_bytes());
        assert!(matches!(refused.status.code(), Some(64 | 65)), "{bad:?}: {refused:?}");
    }
    site.assert_clean();
}

#[test]
fn whom_the_suppression_list_has_gets_nothing() {
    let site = Site::new("ok", "");
    let path = list(&site, "unwanted", "# they wrote\nBOB@x.example\nnobody@x.example\n");
    site.set_sink("ok", &format!("[suppress]\nfile = {:?}", path.display().to_string()), "30s");
    let posted = post(&site, 1, "al@x.example\nbob@X.example\n", &[]);
    assert_eq!((&posted["recipients"], &posted["suppressed"]), (&1.into(), &1.into()));
    site.ok(&["run"]);
    assert_each_once(&site, &["al@x.example".to_owned()]);
    let only = list(&site, "only", "bob@x.example\n");
    let refused = site.feed(&["submit", "--recipients", only.to_str().expect("a path")], message(1).as_bytes());
    assert_eq!(refused.status.code(), Some(65), "{refused:?}");
    // A list that cannot be read suppresses nobody, so nothing goes out.
    for text in [None, Some("who is this\n")] {
        let _ = std::fs::remove_file(&path);
        text.inspect(|text| std::fs::write(&path, text).expect("written"));
        let refused = site.feed(&["submit", "--recipients", only.to_str().expect("a path")], message(1).as_bytes());
        assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    }
    assert!(site.list().is_empty());
}

/// Whatever becomes of the first, and of whoever submitted it.
#[test]
fn a_post_with_the_same_key_is_queued_once() {
    let site = Site::new("ok", "workers = 1\njob_recipients = 2\nfailed_keep = \"0\"");
    let all = recipients(5);
    let again = || post(&site, 1, &lines(&all), &["--key", "november"]);
    let first = again();
    assert_eq!((&first["new"], again()["new"].as_bool()), (&true.into(), Some(false)));
    site.ok(&["jobs", "pause", id(&first)]);
    assert_eq!((&again()["new"], again()["job"].as_str()), (&false.into(), Some(id(&first))));
    site.ok(&["jobs", "resume", id(&first)]);
    site.ok(&["run"]);
    assert_each_once(&site, &all);
    // Nothing is left of it but its key.
    std::fs::remove_file(site.path("spool/outbound/swept")).expect("swept");
    site.submit(2, &["z@x.example"]);
    site.ok(&["run"]);
    assert_eq!(site.ok(&["jobs", "list"]), "There is no job.\n");
    assert_eq!(again()["new"], false);
    assert_eq!(delivered(&site), 6);
    site.assert_clean();
}

#[cfg(feature = "faults")]
#[test]
fn a_post_that_is_submitted_again_after_a_kill_is_queued_once() {
    use crate::support::crash::{self, Trap};
    for point in crash::points(&["batch.", "key.", "post."]).iter().filter(|point| point.name != "batch.entry") {
        let what = format!("killed at {}", point.name);
        let site = Site::new("ok", "workers = 1\njob_recipients = 2");
        let all = recipients(5);
        let list = list(&site, "list", &lines(&all));
        let args = ["submit", "--key", "k", "--recipients", list.to_str().expect("a path")];
        let trap = Trap::new(&site, &point.name);
        let output = support::feed(trap.set(site.command(&args)), message(1).as_bytes());
        assert!(trap.was_met() && crash::was_killed(&output), "{what}: {output:?}");
        let again = site.feed(&args, message(1).as_bytes());
        assert!(again.status.success(), "{what}: {again:?}");
        site.ok(&["run"]);
        assert!(site.feed(&args, message(1).as_bytes()).status.success(), "{what}");
        site.ok(&["run"]);
        assert_each_once(&site, &all);
        site.assert_clean();
    }
}

#[test]
fn a_post_for_a_time_waits_for_it() {
    let site = Site::new("ok", "");
    let posted = post(&site, 1, "a@x.example\nb@x.example\n", &["--at", "+2h"]);
    site.ok(&["run"]);
    assert!(site.deliveries().is_empty());
    assert_eq!(shown(&site, id(&posted))["state"], "waiting");
    site.ok(&["flush", "-q", "--job", id(&posted)]);
    assert_each_once(&site, &["a@x.example".to_owned(), "b@x.example".to_owned()]);
}

/// `BULKMAILER_SEED` chooses other instants; a failure prints it.
#[test]
fn a_post_to_twenty_thousand_with_killed_workers_reaches_each() {
    const KILLS: usize = 12;
    const GROUP: usize = 25;
    let seed = number_from("BULKMAILER_SEED", 8);
    let mut random = Random(seed);
    let site = Site::new("ok", &format!("workers = 4\njob_recipients = 50\nmax_recipients = {GROUP}"));
    let all = recipients(20_000);
    // In any order, some of them twice.
    let mut text = String::new();
    let mut order: Vec<u32> = (0..20_000).chain((0..3_000).map(|n| n * 5)).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, random.below(i as u64 + 1) as usize);
    }
    for n in order {
        writeln!(text, "{}", all[n as usize]).expect("memory");
    }
    let posted = post(&site, 1, &text, &[]);
    let of = |name: &str| posted[name].as_u64().expect("a number");
    assert_eq!((of("recipients"), of("duplicates"), of("entries")), (20_000, 3_000, 400), "seed {seed}");
    let mut killed = 0;
    let mut run = site.start(&["run"]);
    while killed < KILLS && run.try_wait().expect("ours").is_none() {
        let more = delivered(&site) + random.below(1_000) as usize;
        support::wait_until("some more are delivered", || {
            delivered(&site) >= more || run.try_wait().expect("ours").is_some()
        });
        let supervisors = support::children(run.id());
        let workers: Vec<u32> = supervisors.into_iter().flat_map(support::children).collect();
        if let Some(&pid) = workers.get(random.below(workers.len().max(1) as u64) as usize) {
            support::signal("KILL", pid);
            killed += 1;
        }
    }
    let output = run.wait_with_output().expect("it ends");
    assert!(matches!(output.status.code(), Some(0 | 70)), "seed {seed}: {output:?}");
    // An entry on which two workers of one run died is held.
    site.try_run(&["release", "-y", "-Q", "outbound"]);
    support::crash::drain(&site);
    let found = site.deliveries();
    assert_eq!(found.len(), all.len(), "seed {seed}");
    let surplus: u32 = support::crash::surplus(&site).values().sum();
    assert!(surplus as usize <= killed * GROUP, "seed {seed}: {killed} killed, {surplus} twice");
    assert!(killed > KILLS / 2, "seed {seed}: only {killed} were killed");
    assert_eq!(shown(&site, id(&posted))["done"], 20_000);
    site.assert_clean();
}

/// Over SMTP, where the next envelope is on its way before a message was answered; the server is our own.
#[test]
fn over_smtp_each_recipient_has_a_sender_of_his_own() {
    let (site, server) = (Site::new("ok", ""), Site::new("ok", ""));
    let exec = format!(
        "exec:/usr/bin/env BULKMAILER_SPOOL={} BULKMAILER_CONFIG={} {} sendmail -bs",
        server.path("spool").display(),
        server.path("bulkmailer.toml").display(),
        env!("CARGO_BIN_EXE_bulkmailer")
    );
    site.configure(&format!(
        "[limits]\nmin_free = \"0\"\n[queue.outbound]\ntransport = \"sink\"\nworkers = 2\njob_recipients = 7\nnotices = false\n\
         [transport.sink]\nkind = \"smtp\"\nconnect = {exec:?}\n"
    ));
    let all = recipients(30);
    let posted = post(&site, 1, &lines(&all), &["--verp"]);
    site.ok(&["run"]);
    assert_eq!(shown(&site, id(&posted))["state"], "done");
    let rows = server.list();
    let word = |row: &serde_json::Value| row.as_str().map(str::to_owned).expect("text");
    let mut found: Vec<(String, String)> =
        rows.iter().map(|row| (word(&row["sender"]), word(&row["recipients"][0]))).collect();
    found.sort();
    let sender = |to: &String| (format!("list+{}@example.org", to.replace('@', "=")), to.clone());
    let mut expected: Vec<_> = all.iter().map(sender).collect();
    expected.sort();
    assert_eq!(found, expected);
}
