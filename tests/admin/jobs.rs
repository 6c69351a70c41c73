//! List posts: one message to many, as a job that appears as a whole; how it is paused, resumed and cancelled; and what
//! kills in its middle leave.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::support::random::{Random, number_from};
use crate::support::{self, Site, message};

/// Writes a list; its path.
fn list(site: &Site, name: &str, text: &str) -> PathBuf {
    let path = site.path(name);
    std::fs::write(&path, text).expect("written");
    path
}

/// Submits message `n` to the list `text`; what `--json` says.
fn post(site: &Site, n: u32, text: &str, more: &[&str]) -> serde_json::Value {
    let list = list(site, "list", text);
    let head = ["submit", "-f", "list@example.org", "--json", "--recipients", list.to_str().expect("a path")];
    let output = site.feed(&[&head[..], more].concat(), message(n).as_bytes());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn id(posted: &serde_json::Value) -> &str {
    posted["job"].as_str().expect("an id")
}

/// `r0@d0.example` and so on, a few domains among them.
fn recipients(count: u32) -> Vec<String> {
    (0..count).map(|n| format!("r{n}@d{}.example", n % 7)).collect()
}

fn lines(recipients: &[String]) -> String {
    recipients.join("\n") + "\n"
}

fn shown(site: &Site, job: &str) -> serde_json::Value {
    serde_json::from_str(&site.ok(&["jobs", "show", job, "--json"])).expect("JSON")
}

/// Sender and recipients of each hand-over.
fn handed(site: &Site) -> Vec<(String, Vec<String>)> {
    let log = std::fs::read_to_string(site.path("log")).unwrap_or_default();
    let hand = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        (words.nth(1).expect("a sender"), words.skip(1).collect())
    };
    log.lines().map(hand).collect()
}

/// How many recipients were handed over, repeats counted.
fn delivered(site: &Site) -> usize {
    handed(site).iter().map(|(_, recipients)| recipients.len()).sum()
}

fn assert_each_once(site: &Site, recipients: &[String]) {
    let found = site.deliveries();
    let once: BTreeSet<String> =
        found.iter().filter(|(_, times)| **times == 1).map(|((_, to), _)| to.clone()).collect();
    assert_eq!((found.len(), once), (recipients.len(), recipients.iter().cloned().collect()));
}

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

#[test]
fn what_failed_is_given_another_chance_as_a_whole() {
    let site = Site::new("digits", "workers = 2\njob_recipients = 2\nmax_recipients = 1");
    let text = "a0@x.example\nb67@x.example\nc0@x.example\nd67@y.example\ne75@y.example\n";
    let posted = post(&site, 1, text, &[]);
    site.ok(&["run"]);
    let job = shown(&site, id(&posted));
    assert_eq!((&job["done"], &job["failed"], &job["left"]), (&2.into(), &2.into(), &1.into()), "{job}");
    site.set_sink("ok", "", "30s");
    site.ok(&["requeue", "-y", "--job", id(&posted)]);
    site.ok(&["flush", "-q", "--job", id(&posted)]);
    let job = shown(&site, id(&posted));
    assert_eq!((&job["state"], &job["done"]), (&"done".into(), &5.into()), "{job}");
    assert!(site.deliveries().values().all(|&times| times == 1));
    site.assert_clean();
}

#[test]
fn an_entry_that_cannot_be_read_is_set_aside_and_comes_back_when_it_is_mended() {
    let site = Site::new("ok", "workers = 1\njob_recipients = 1");
    let posted = post(&site, 1, "a@x.example\nb@x.example\n", &[]);
    site.ok(&["hold", &format!("{}.0.1", id(&posted))]);
    let line = site.tree().into_iter().find(|line| line.contains(".0.0 ")).expect("an entry");
    let file = PathBuf::from(line.split(' ').next().expect("a path"));
    let whole = std::fs::read(&file).expect("read");
    std::fs::write(&file, &whole[..whole.len() - 3]).expect("cut");
    assert_eq!(site.try_run(&["check"]).status.code(), Some(1));
    site.try_run(&["run"]);
    assert!(site.deliveries().is_empty());
    let corrupt = site.path("spool/outbound/corrupt").join(file.file_name().expect("a name"));
    std::fs::write(&corrupt, &whole).expect("mended");
    let shown = site.ok(&["show", "-m", &format!("{}.0.0", id(&posted))]);
    assert!(shown.contains("X-Number: 1"), "{shown}");
    site.ok(&["requeue", &format!("{}.0.0", id(&posted))]);
    site.ok(&["release", &format!("{}.0.1", id(&posted))]);
    site.ok(&["run"]);
    assert_each_once(&site, &["a@x.example".to_owned(), "b@x.example".to_owned()]);
    // A message that is not whole goes to nobody.
    let posted = post(&site, 2, "a@x.example\n", &[]);
    let message = site.path("spool/outbound/jobs").join(id(&posted)).join("message");
    let bytes = std::fs::read(&message).expect("read");
    std::fs::write(&message, &bytes[..bytes.len() / 2]).expect("cut");
    let output = site.try_run(&["run"]);
    assert_eq!((output.status.code(), delivered(&site)), (Some(74), 2), "{output:?}");
    let check = site.try_run(&["check"]);
    assert!(check.status.code() == Some(1) && String::from_utf8_lossy(&check.stdout).contains("/message"), "{check:?}");
    std::fs::write(&message, &bytes).expect("mended");
    site.ok(&["run"]);
    assert_eq!(delivered(&site), 3);
}

#[test]
fn a_paused_job_hands_nothing_over_until_it_is_resumed_and_a_cancelled_one_never() {
    const WORKERS: usize = 2;
    let site = Site::new("wait=10", "workers = 2\njob_recipients = 10\nmax_recipients = 1");
    let all = recipients(300);
    let posted = post(&site, 1, &lines(&all), &[]);
    let begin = |before: usize| {
        let run = site.start(&["run"]);
        support::wait_until("some are delivered", || delivered(&site) >= before + 20);
        run
    };
    let run = begin(0);
    site.ok(&["jobs", "pause", id(&posted)]);
    let at_pause = delivered(&site);
    support::assert_silent(run);
    let after = delivered(&site);
    // What was in a worker's hand was finished.
    assert!(after <= at_pause + WORKERS && after < all.len(), "{at_pause}, then {after}");
    let job = shown(&site, id(&posted));
    assert_eq!((&job["state"], job["done"].as_u64()), (&"paused".into(), Some(after as u64)), "{job}");
    assert_eq!(job["left"].as_u64(), Some((all.len() - after) as u64), "{job}");
    assert!(site.list().is_empty());
    site.ok(&["run"]);
    assert_eq!(delivered(&site), after);
    site.assert_clean();
    // Resumed while a run is busy with another job, it goes on in that run.
    let other: Vec<String> = (0..100).map(|n| format!("o{n}@other.example")).collect();
    post(&site, 2, &lines(&other), &[]);
    let run = begin(after);
    site.ok(&["jobs", "resume", id(&posted)]);
    support::assert_silent(run);
    assert_each_once(&site, &[all, other].concat());
    assert_eq!(shown(&site, id(&posted))["state"], "done");
    site.assert_clean();

    let more: Vec<String> = (0..300).map(|n| format!("m{n}@more.example")).collect();
    let posted = post(&site, 3, &lines(&more), &[]);
    let run = begin(400);
    let unsure = site.try_run(&["jobs", "cancel", id(&posted)]);
    assert_eq!(unsure.status.code(), Some(64), "{unsure:?}");
    site.ok(&["jobs", "cancel", "--yes", id(&posted)]);
    let at_cancel = delivered(&site);
    support::assert_silent(run);
    let after = delivered(&site);
    assert!(after <= at_cancel + WORKERS && after < 700, "{at_cancel}, then {after}");
    assert_eq!(shown(&site, id(&posted))["state"], "cancelled");
    let again = site.try_run(&["jobs", "resume", id(&posted)]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    site.ok(&["run"]);
    assert_eq!((delivered(&site), site.list().len()), (after, 0));
    assert!(site.deliveries().values().all(|&times| times == 1));
    site.assert_clean();
    let events = site.events();
    let told = events.iter().find(|event| event["verdict"] == "cancelled").expect("an event");
    // What was in hand then was delivered.
    assert!(told["left"].as_u64().is_some_and(|left| left >= 700 - after as u64), "{told}");
}

/// A person who is killed while he moves a job has moved it or not; the workers of a run that goes on lose nothing.
#[cfg(feature = "faults")]
#[test]
fn a_job_that_is_moved_by_one_who_is_killed_lies_in_one_place() {
    use crate::support::crash::{self, Trap};
    for point in crash::points(&["shift."]) {
        for verb in ["pause", "resume", "cancel"] {
            for action in ["kill", "eio"].into_iter().filter(|action| point.fails || *action == "kill") {
                let what = format!("{verb}: {action} at {}", point.name);
                let site = Site::new("ok", "workers = 2\njob_recipients = 2");
                let all = recipients(7);
                let posted = post(&site, 1, &lines(&all), &[]);
                if verb == "resume" {
                    site.ok(&["jobs", "pause", id(&posted)]);
                }
                let trap = Trap::new(&site, &format!("{}={action}", point.name));
                let yes = if verb == "cancel" { &["--yes"][..] } else { &[] };
                let output = trap.run(&site, &[&["jobs", verb, id(&posted)], yes].concat());
                assert!(trap.was_met() && !output.status.success(), "{what}: {output:?}");
                site.assert_clean();
                let state = shown(&site, id(&posted))["state"].clone();
                let moved = point.name != "shift.rename";
                let expected = match (verb, moved) {
                    ("pause", true) | ("resume", false) => "paused",
                    ("cancel", true) => "cancelled",
                    _ => "at work",
                };
                assert_eq!(state, expected, "{what}");
                if state == "paused" {
                    site.ok(&["jobs", "resume", id(&posted)]);
                }
                site.ok(&["run"]);
                match expected {
                    "cancelled" => assert!(site.deliveries().is_empty(), "{what}"),
                    _ => assert_each_once(&site, &all),
                }
            }
        }
    }
}

/// What a worker has in hand when its job is paused is settled where the job lies then, at whatever step it was.
#[cfg(feature = "faults")]
#[test]
fn an_entry_in_hand_is_settled_in_a_job_that_was_paused_meanwhile() {
    use crate::support::crash::{self, Trap};
    for point in ["claim.taken", "worker.handing", "worker.handed", "worker.answered", "settle.unlink", "settle.rename"]
    {
        for state in ["resume", "cancel"] {
            let what = format!("stopped at {point}, {state}");
            let site = Site::new("digits", "workers = 1\njob_recipients = 2\nmax_recipients = 1");
            let posted = post(&site, 1, "a0@x.example\nb0@x.example\nc75@y.example\nd67@z.example\n", &[]);
            let trap = Trap::new(&site, &format!("{point}=stop"));
            let run = trap.set(site.command(&["run"])).spawn().expect("it starts");
            support::wait_until("a worker has come there", || trap.was_met());
            let worker = || support::children(run.id()).into_iter().flat_map(support::children).next();
            site.ok(&["jobs", "pause", id(&posted)]);
            if state == "cancel" {
                site.ok(&["jobs", "cancel", "-y", id(&posted)]);
            }
            support::signal("CONT", worker().expect("a worker"));
            let output = run.wait_with_output().expect("it ends");
            assert!(output.status.success() && output.stderr.is_empty(), "{what}: {output:?}");
            site.assert_clean();
            let before = delivered(&site);
            site.ok(&["run"]);
            assert_eq!(delivered(&site), before, "{what}");
            if state == "resume" {
                site.ok(&["jobs", "resume", id(&posted)]);
                site.ok(&["run"]);
                site.set_sink("ok", "", "30s");
                crash::drain(&site);
                let job = shown(&site, id(&posted));
                assert_eq!((&job["done"], &job["failed"]), (&3.into(), &1.into()), "{what}: {job}");
            }
            assert!(site.deliveries().values().all(|&times| times == 1), "{what}: {:?}", site.deliveries());
            site.assert_clean();
        }
    }
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

/// Whoever was killed, or failed, in the middle gives the command again.
#[test]
fn a_job_may_be_moved_once_more_to_where_it_is() {
    let site = Site::new("ok", "");
    let posted = post(&site, 1, "a@x.example\nb@x.example\n", &[]);
    for (verb, already) in [("pause", "paused"), ("resume", "at work"), ("cancel", "cancelled")] {
        let args = if verb == "cancel" { &["--yes", id(&posted)][..] } else { &[id(&posted)] };
        let args = [&["jobs", verb], args].concat();
        site.ok(&args);
        let events = site.events().len();
        assert_eq!(site.ok(&args), format!("{} is {already} already; 2 are left of it\n", id(&posted)));
        assert_eq!(site.events().len(), events, "what was recorded once is not recorded again");
    }
    assert_eq!(site.try_run(&["jobs", "resume", id(&posted)]).status.code(), Some(1));
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

/// A worker that waits for its rate does not hand over what was paused meanwhile, and does not wait on for it.
#[test]
fn a_job_that_is_paused_while_its_turn_is_waited_for_is_left_at_once() {
    for yes in [&["pause"][..], &["cancel", "--yes"]] {
        let site = Site::new("ok", "workers = 1\nmax_recipients = 1\nrate = \"1/h\"\nburst = 1");
        let posted = post(&site, 1, "a@x.example\nb@x.example\n", &[]);
        let run = site.start(&["run"]);
        support::wait_until("the first is delivered", || delivered(&site) == 1);
        site.ok(&[&["jobs"], yes, &[id(&posted)]].concat());
        support::assert_silent(run);
        assert_eq!((delivered(&site), shown(&site, id(&posted))["left"].as_u64()), (1, Some(1)));
        site.assert_clean();
    }
}
