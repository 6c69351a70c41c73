//! First in, first out, as the sink sees it: by one worker exactly, whichever way mail came in and whatever a person did with
//! it. With several workers and very long queues: `order_at_length`.
//!
//! The sink logs a line when it has taken a message, so the log of one worker is the order of its hand-overs.

use std::collections::HashSet;

use bulkmailer::spool::names::EntryName;

use crate::support::drop::{MARA, NILS, dropped, folder};
use crate::support::hosts::{self, Plain};
use crate::support::posts::{handed, post, recipients};
use crate::support::{Site, children, feed, message, signal, wait_until};

const ONE: &str = "workers = 1";
/// Nothing of the schedule comes by itself while a test runs.
const SLOW: &str = "workers = 1\nretry = { first = \"1d\", max = \"1d\" }";

/// The numbers of the messages that the sink took, in its order.
fn taken(site: &Site) -> Vec<u32> {
    let log = std::fs::read_to_string(site.path("log")).unwrap_or_default();
    log.lines().map(|line| line.split(' ').next().expect("a word").parse().expect("a number")).collect()
}

#[track_caller]
fn assert_taken(site: &Site, expected: impl IntoIterator<Item = u32>) {
    assert_eq!(taken(site), Vec::from_iter(expected));
}

fn submit(site: &Site, n: u32, recipient: &str, more: &[&str]) -> String {
    let output = site.feed(&[&["submit", "-f", "s@example.org", recipient], more].concat(), message(n).as_bytes());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("an id").trim().to_owned()
}

fn submit_box(site: &Site, name: &str, numbers: std::ops::Range<u32>) {
    site.ok(&["submit", "-q", "--mbox", site.mbox(name, numbers).to_str().expect("a path")]);
}

/// Message numbers in the order of the names in `state`: by due time, then by submission.
fn by_name(site: &Site, state: &str) -> Vec<u32> {
    let mut names: Vec<(EntryName, u32)> = Vec::new();
    for path in site.files(&format!("/{state}/")) {
        let name = EntryName::parse(&path.file_name().expect("a name").to_string_lossy()).expect("an entry");
        let text = std::fs::read_to_string(&path).expect("text");
        let number = text.lines().find_map(|line| line.strip_prefix("X-Number: ")).expect("a number");
        names.push((name, number.parse().expect("a number")));
    }
    names.sort_by(|(a, _), (b, _)| (a.due, &a.id).cmp(&(b.due, &b.id)));
    names.into_iter().map(|(_, number)| number).collect()
}

/// Three messages in one session of SMTP.
fn three_by_smtp(site: &Site, from: u32) {
    let transaction = |n: u32| {
        let text = message(n).replace('\n', "\r\n");
        format!("MAIL FROM:<s@example.org>\r\nRCPT TO:<r@example.net>\r\nDATA\r\n{text}.\r\n")
    };
    let text: String = (from..from + 3).map(transaction).collect();
    let output = site.feed(&["sendmail", "-bs"], format!("EHLO c.example.org\r\n{text}QUIT\r\n").as_bytes());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn all_ways_in_keep_one_order() {
    let site = Site::new("ok", ONE);
    for from in (0..300).step_by(6) {
        submit(&site, from, "r@example.net", &[]);
        let face = site.feed(&["sendmail", "-f", "s@example.org", "r@example.net"], message(from + 1).as_bytes());
        assert!(face.status.success(), "{face:?}");
        three_by_smtp(&site, from + 2);
        // An id of a key sorts by nothing, but its time does.
        submit(&site, from + 5, "r@example.net", &["--key", &from.to_string()]);
    }
    site.ok(&["run"]);
    assert_taken(&site, 0..300);
}

#[test]
fn mail_of_other_users_has_its_place_among_the_rest() {
    if !hosts::is_root() {
        eprintln!("skipped: only root can become other users");
        return;
    }
    let site = Site::new("ok", ONE);
    for path in [site.path("bulkmailer.toml"), site.path("")] {
        let mode = if path.is_dir() { 0o711 } else { 0o644 };
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("a mode");
    }
    folder(&site.path("spool"), 0o711, 0);
    folder(&site.path("spool/drop"), 0o3733, 0);
    let users = [Plain::with_uid(MARA), Plain::with_uid(NILS)];
    let as_user = |n: u32, args: &[&str]| {
        let mut command = users[n as usize % 2].bare(args);
        command.env("BULKMAILER_SPOOL", site.path("spool")).env("BULKMAILER_CONFIG", site.path("bulkmailer.toml"));
        let output = feed(command, message(n).as_bytes());
        assert!(output.status.success(), "{output:?}");
    };
    // What is asked for a time that has passed comes first; all of it at one instant.
    let at = ["--at", "2001-01-01 08:00"];
    for n in 0..10 {
        match n % 3 {
            0 => drop(submit(&site, n, "r@example.net", &at)),
            _ => as_user(n, &["submit", at[0], at[1], "r@example.net"]),
        }
    }
    for n in 10..60 {
        match n % 4 {
            0 => drop(submit(&site, n, "r@example.net", &[])),
            1 => as_user(n, &["sendmail", "r@example.net"]),
            _ => as_user(n, &["submit", "r@example.net"]),
        }
    }
    assert!(dropped(&site).len() > 40);
    site.ok(&["run"]);
    assert_taken(&site, 0..60);
}

#[test]
fn a_box_keeps_its_order_over_the_borders_of_its_batches() {
    let site = Site::new("ok", ONE);
    submit_box(&site, "box", 0..2_500);
    site.ok(&["run"]);
    assert_taken(&site, 0..2_500);
}

#[test]
fn a_post_goes_out_as_it_was_sorted() {
    let site = Site::new("ok", "workers = 1\nmax_recipients = 6");
    let list = recipients(200);
    post(&site, 1, &list.join("\n"), &[]);
    site.ok(&["run"]);
    let groups: Vec<Vec<String>> = handed(&site).into_iter().map(|(_, recipients)| recipients).collect();
    assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), 200);
    let domain = |recipient: &String| recipient.split_once('@').expect("an address").1.to_owned();
    let mut domains: Vec<String> = groups.iter().flatten().map(domain).collect();
    domains.dedup();
    assert_eq!(domains.iter().collect::<HashSet<_>>().len(), domains.len(), "a domain comes once: {domains:?}");
}

#[test]
fn a_time_that_was_asked_for_is_the_order_and_submission_is_its_tie() {
    let site = Site::new("ok", ONE);
    for n in 0..40 {
        submit(&site, n, "r@example.net", &["--at", if n % 2 == 0 { "2001-01-01 08:00" } else { "2000-12-31 08:00" }]);
    }
    submit(&site, 40, "r@example.net", &[]);
    assert_eq!(by_name(&site, "ready").len(), 41);
    site.ok(&["run"]);
    assert_taken(&site, (1..40).step_by(2).chain((0..40).step_by(2)).chain([40]));
}

#[test]
fn what_is_deferred_keeps_no_other_back_and_is_flushed_in_order() {
    let site = Site::new("digits", SLOW);
    let recipient = |n: u32| if n.is_multiple_of(3) { "r75@example.net" } else { "r0@example.net" };
    (0..60).for_each(|n| drop(submit(&site, n, recipient(n), &[])));
    submit_box(&site, "box", 60..90);
    site.set_sink("digits", SLOW, "30s");
    site.ok(&["run", "-q"]);
    let first: Vec<u32> = taken(&site).into_iter().filter(|&n| n < 60).collect();
    assert_eq!(first, (0..60).filter(|n| n % 3 != 0).collect::<Vec<_>>());
    // They wait for as long as chance had it, and keep that order when all are due at once.
    let waits = by_name(&site, "ready");
    assert!(waits.len() >= 20, "{waits:?}");
    std::fs::remove_file(site.path("log")).expect("a log");
    site.set_sink("ok", SLOW, "30s");
    site.ok(&["flush", "--no-run"]);
    assert_eq!(by_name(&site, "ready"), waits);
    // What is flushed while it is due keeps its place, before what came meanwhile.
    submit(&site, 90, "r@example.net", &[]);
    site.ok(&["flush", "-q"]);
    let singles = |numbers: Vec<u32>| numbers.into_iter().filter(|n| !(60..90).contains(n)).collect::<Vec<_>>();
    assert_eq!(singles(taken(&site)), singles(waits.into_iter().chain([90]).collect()));
}

#[test]
fn release_and_requeue_keep_order_whatever_the_order_of_their_arguments() {
    let site = Site::new("exit=67", SLOW);
    let ids: Vec<String> = (0..30).map(|n| submit(&site, n, "r@example.net", &[])).collect();
    site.ok(&["run", "-q"]);
    let failed = by_name(&site, "failed");
    assert_eq!(failed, Vec::from_iter(0..30));
    site.set_sink("ok", SLOW, "30s");
    let backwards: Vec<&str> = ids.iter().rev().map(String::as_str).collect();
    let named = |verb: &'static str| [&[verb, "--yes"][..], &backwards].concat();
    for round in [named("requeue"), named("hold"), named("release"), named("requeue"), named("flush --no-run")] {
        let args: Vec<&str> = match round[0] {
            "flush --no-run" => [&["flush", "--no-run"][..], &backwards].concat(),
            _ => round,
        };
        site.ok(&args);
        let state = if args[0] == "hold" { "hold" } else { "ready" };
        assert_eq!(by_name(&site, state), Vec::from_iter(0..30), "{args:?}");
    }
    for args in [&["hold", "--yes", "--queue", "outbound"][..], &["release", "--yes", "--queue", "outbound"]] {
        site.ok(args);
    }
    site.ok(&["run"]);
    assert_taken(&site, 0..30);
}

#[test]
fn workers_that_are_killed_change_nothing_of_it() {
    let site = Site::new("wait=2", ONE);
    submit_box(&site, "box", 0..150);
    (150..200).for_each(|n| drop(submit(&site, n, "r@example.net", &[])));
    let mut run = site.start(&["run", "-q"]);
    let workers = || children(run.id()).into_iter().flat_map(children).collect::<Vec<u32>>();
    for round in 1..=4 {
        wait_until("some more were taken", || taken(&site).len() >= round * 30);
        workers().into_iter().for_each(|pid| signal("KILL", pid));
    }
    let _ = run.wait();
    crate::support::crash::wait_for_the_lock(&site);
    site.try_run(&["run", "-q"]);
    // What a dead worker had in hand came once more, at once.
    let mut met = HashSet::new();
    let first: Vec<u32> = taken(&site).into_iter().filter(|n| met.insert(*n)).collect();
    let (jobs, singles): (Vec<u32>, Vec<u32>) = first.iter().partition(|&&n| n < 150);
    assert!(jobs.is_sorted() && singles.is_sorted(), "{first:?}");
    assert!(first.len() >= 192, "{} of 200", first.len());
}

/// How many the sink has taken when this returns; the run is at work.
fn at_work(site: &Site, least: usize) -> usize {
    wait_until("some were taken", || taken(site).len() >= least);
    taken(site).len()
}

#[test]
fn one_mail_waits_for_few_of_a_job_and_a_small_batch_for_few_of_a_large_one() {
    let site = Site::new("wait=5", ONE);
    submit_box(&site, "large", 0..600);
    let run = site.start(&["run", "-q"]);
    at_work(&site, 10);
    submit(&site, 1_000, "r@example.net", &[]);
    let before = taken(&site).len();
    wait_until("the mail was taken", || taken(&site).contains(&1_000));
    let place = taken(&site).iter().position(|&n| n == 1_000).expect("it was taken");
    // One in hand and one claimed, and what was handed out before the queue was looked at.
    assert!(place <= before + 6, "{place} of {before}");
    submit_box(&site, "small", 2_000..2_003);
    let before = taken(&site).len();
    wait_until("the small batch was taken", || taken(&site).contains(&2_002));
    let place = taken(&site).iter().position(|&n| n == 2_002).expect("it was taken");
    assert!(place <= before + 16, "{place} of {before}");
    signal("TERM", run.id());
    drop(run.wait_with_output());
    let large: Vec<u32> = taken(&site).into_iter().filter(|&n| n < 600).collect();
    assert!(large.is_sorted() && large.len() < 600, "the large one was not held up for long, and keeps its order");
}

#[test]
fn a_campaign_goes_on_in_spite_of_ever_more_small_batches() {
    let site = Site::new("ok", ONE);
    (0..5).for_each(|n| submit_box(&site, "small", 1_000 + 2 * n..1_002 + 2 * n));
    submit_box(&site, "campaign", 0..300);
    let run = site.start(&["run", "-q"]);
    let mut next = 1_010;
    wait_until("much of the campaign is out", || {
        submit_box(&site, "small", next..next + 2);
        next += 2;
        taken(&site).iter().filter(|&&n| n < 300).count() >= 60
    });
    signal("TERM", run.id());
    drop(run.wait_with_output());
    let campaign: Vec<u32> = taken(&site).into_iter().filter(|&n| n < 300).collect();
    assert!(campaign.is_sorted());
}
