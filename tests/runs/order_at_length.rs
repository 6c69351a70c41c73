//! First in, first out with eight workers, and at any number of waiting entries.
//!
//! The events have a line for each message, in the order in which they were settled. A worker has one message in hand and has
//! claimed one more, so however the kernel runs them: when a message is settled, all before it are, but for two of each
//! worker. One that is settled late proves nothing: its worker had to wait for the processor.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use bulkmailer::model::{EntryId, Micros};
use bulkmailer::spool::Spool;
use bulkmailer::sys::clock;

use crate::support::{Site, message, signal, wait_until};

const WORKERS: usize = 8;
const IN_HAND: usize = 2 * WORKERS;
/// One process has this much memory at most, in KiB.
const ROOM: u64 = 16 << 10;

/// A site in memory, where there is room for it, whose mail ends in a Maildir.
fn site() -> Site {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let site = Site { dir: dir.expect("a temporary folder") };
    site.configure(&format!(
        "[limits]\nmin_free = \"0\"\n[queue.outbound]\ntransport = \"m\"\nworkers = {WORKERS}\nnotices = false\n\
         [transport.m]\nkind = \"maildir\"\npath = {:?}\n",
        site.path("Maildir")
    ));
    site
}

/// Puts `count` entries into the queue that are due already, in no order of their places: their ids in the order of due time
/// and submission. As fast as files can be made: a durable one each would take minutes.
fn fill(site: &Site, count: u64) -> Vec<EntryId> {
    Spool::create(&site.path("spool")).and_then(|spool| spool.queue("outbound")).expect("a queue");
    let began = clock::now().0 - 3_600_000_000;
    let mut text = String::new();
    // Ten to an instant, so that submission is the tie of nine in ten.
    let entries = (0..count).map(|n| (Micros(began + n / 10), EntryId::new(Micros(began - 86_400_000_000 + n))));
    let ids = entries.map(|(due, id)| {
        text.clear();
        let _ = write!(text, "{{\"size\":{:>20},\"v\":1,\"id\":\"{id}\",\"sender\":\"s@x.org\",", 12);
        let _ = write!(text, "\"recipient\":\"r@x.org\",\"submitted\":{},\"uid\":0}}\n\nSubject: x\n\n", due.0);
        let path = site.path(&format!("spool/outbound/ready/{:02x}/{due}-{id}", id.bucket()));
        std::fs::write(path, &text).expect("written");
        id
    });
    ids.collect()
}

/// The places of the settled messages in the order of submission, in the order in which they were settled.
fn settled(site: &Site, ids: &[EntryId]) -> Vec<usize> {
    let places: HashMap<&str, usize> = ids.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
    let mut found = Vec::new();
    for file in std::fs::read_dir(site.path("spool/events")).expect("a folder").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("text");
        let id = |line: &str| {
            line.split_once("\"id\":\"").and_then(|(_, rest)| rest.split_once('"')).map(|(id, _)| places[id])
        };
        found.extend(text.lines().filter_map(id));
    }
    found
}

/// All that are settled before a message's own place are those before it, but for what is in hand.
#[track_caller]
fn assert_in_order(settled: &[usize]) {
    let early = settled.iter().enumerate().find(|(count, place)| **place > count + IN_HAND);
    assert_eq!(early, None, "one came before others that nobody had in hand, of {}", settled.len());
}

/// Fewer than 2 % of the locks that workers tried were another's.
#[track_caller]
fn assert_no_contention(run: &serde_json::Value) {
    let count = |what: &str| run["queues"][0][what].as_u64().expect("a number");
    let (claims, contended) = (count("claims"), count("contended"));
    assert!(claims > 0 && contended * 50 < claims, "{contended} of {claims}");
}

/// Runs the queue for `seconds` at most; what the run says at its end.
fn run(site: &Site, seconds: u64) -> serde_json::Value {
    let mut child = site.start(&["run", "--json", "--max-runtime", &format!("{seconds}s")]);
    let (pid, mut most) = (child.id(), 0);
    wait_until("the run ends", || {
        most = most.max(peak(pid));
        child.try_wait().expect("it can be waited for").is_some()
    });
    assert!(most < ROOM, "a process had {most} KiB");
    serde_json::from_slice(&child.wait_with_output().expect("it ended").stdout).expect("JSON")
}

/// The most memory that a process of the run has, in KiB: its own and what it shares with the others, but not the program.
fn peak(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    crate::support::children(pid).into_iter().map(peak).fold(value("RssAnon:") + value("RssShmem:"), u64::max)
}

#[test]
fn eight_workers_take_what_is_next() {
    let site = site();
    let ids = fill(&site, 3_000);
    let told = run(&site, 60);
    let order = settled(&site, &ids);
    assert_eq!(order.len(), 3_000);
    assert_in_order(&order);
    assert_no_contention(&told);
}

#[test]
fn they_do_so_of_a_hundred_and_fifty_thousand() {
    let site = site();
    let ids = fill(&site, 150_000);
    let told = run(&site, 12);
    let order = settled(&site, &ids);
    assert!(order.len() > 1_000, "{}", order.len());
    assert_in_order(&order);
    assert_no_contention(&told);
    let left = site.path("spool/outbound/ready");
    let left: usize =
        (0..256).map(|n| std::fs::read_dir(left.join(format!("{n:02x}"))).expect("a folder").count()).sum();
    assert_eq!(left + order.len(), 150_000, "nothing else happened");
}

#[test]
#[ignore = "takes minutes: make slow WHAT=million"]
fn they_do_so_of_a_million() {
    let site = site();
    let ids = fill(&site, 1_000_000);
    let mut done = 0;
    while done < ids.len() {
        let told = run(&site, 100);
        let order = settled(&site, &ids);
        assert!(order.len() > done, "{done}");
        done = order.len();
        assert_in_order(&order);
        assert_no_contention(&told);
    }
    assert_eq!(done, ids.len());
}

#[test]
fn they_do_not_trip_over_one_another_when_mail_trickles_in() {
    let site = site();
    let text = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(&text.replace("notices = false", "notices = false\nlinger = \"1h\""));
    Spool::create(&site.path("spool")).and_then(|spool| spool.queue("outbound")).expect("a queue");
    let run = site.start(&["run", "--json"]);
    let mut ids: Vec<EntryId> = Vec::new();
    for n in 0..150 {
        let output = site.feed(&["submit", "r@x.org"], message(n).as_bytes());
        ids.push(String::from_utf8(output.stdout).expect("an id").trim().parse().expect("an id"));
    }
    wait_until("all are delivered", || site.path("spool/events").exists() && settled(&site, &ids).len() == 150);
    signal("TERM", run.id());
    let told = serde_json::from_slice(&run.wait_with_output().expect("it ends").stdout).expect("JSON");
    assert_in_order(&settled(&site, &ids));
    assert_no_contention(&told);
}
