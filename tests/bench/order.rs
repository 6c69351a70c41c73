//! First in, first out: how near the order of delivery comes to that of submission, and what it costs where very much waits.

use std::collections::HashMap;
use std::io::Write;
use std::process::Stdio;

use bulkmailer::model::{EntryId, Micros};
use bulkmailer::spool::Spool;
use bulkmailer::sys::clock;

use super::rows::envelope;
use super::site::Site;
use super::tools::{Tools, memory_of, time_of};

/// What waits in a short queue, and in a long one.
const SHORT: u32 = 20_000;
const LONG: u32 = 150_000;

pub fn order(tools: &Tools) {
    for (workers, target) in [(1, "1.0000"), (8, "at least 0.9990")] {
        let dir = tools.place(true);
        let site = maildir(tools, dir.path(), workers);
        let ids = fill(&site, tools.scale(SHORT));
        time_of(site.command(&["run", "-q"]).stdout(Stdio::null()));
        let name = format!("order of submission and delivery, {workers} workers");
        println!("{name:<50} rank correlation {:.4} ({target})", correlation(&delivered(&site, &ids)));
    }
    let (mut claims, mut contended) = (0.0, 0.0);
    let mut drain = |count: u32| {
        let dir = tools.place(true);
        let site = maildir(tools, dir.path(), 8);
        fill(&site, count);
        let begun = std::time::Instant::now();
        let output = site.command(&["run", "--json"]).output().expect("it starts");
        let took = begun.elapsed().as_secs_f64();
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        claims += told["queues"][0]["claims"].as_f64().expect("a number");
        contended += told["queues"][0]["contended"].as_f64().expect("a number");
        f64::from(count) / took
    };
    let drain = std::cell::RefCell::new(&mut drain);
    let (long, short) = (tools.scale(LONG), tools.scale(SHORT));
    let name = format!("drain of {long} / of {short} (at least 0.90)");
    tools.compare(&name, "messages/s", || drain.borrow_mut()(long), || drain.borrow_mut()(short));
    println!("{:<50} {:.2} % (under 2 %)", "    locks that another worker had", 100.0 * contended / claims);
    let dir = tools.place(true);
    let site = maildir(tools, dir.path(), 8);
    fill(&site, long);
    let most = memory_of(site.command(&["run", "--max-runtime", "5s"]).stdout(Stdio::null()));
    println!("{:<50} {:.1} MiB (at most 16)", "    memory of a process", most as f64 / 1024.0);
}

/// A queue whose mail ends in a Maildir: the cheapest sink in memory.
fn maildir<'d>(tools: &'d Tools, dir: &'d std::path::Path, workers: u32) -> Site<'d> {
    let transport = format!("kind = \"maildir\"\npath = {:?}\n", dir.join("Maildir"));
    Site::through(&tools.ours, dir, &transport, &format!("workers = {workers}"))
}

/// Puts `count` entries into the queue that are due already, ten to an instant; their ids in order.
fn fill(site: &Site<'_>, count: u32) -> Vec<EntryId> {
    let queue = Spool::create(&site.spool()).and_then(|spool| spool.queue("outbound")).expect("a queue");
    let began = clock::now().0 - 3_600_000_000;
    let entries = (0..u64::from(count)).map(|n| {
        let envelope = envelope(Micros(began + n));
        let mut draft = queue.draft(&envelope).expect("a draft");
        write!(draft, "Subject: {n}\n\nx\n").expect("written");
        draft.publish(Micros(began + n / 10)).expect("published");
        envelope.id
    });
    entries.collect()
}

/// The places of the delivered messages in the order of submission, in that of delivery.
fn delivered(site: &Site<'_>, ids: &[EntryId]) -> Vec<f64> {
    let places: HashMap<&str, usize> = ids.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
    let mut found = Vec::new();
    for file in std::fs::read_dir(site.spool().join("events")).expect("a folder").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("text");
        let lines = text.lines().filter_map(|line| line.split_once("\"id\":\"")?.1.split_once('"'));
        found.extend(lines.map(|(id, _)| places[id] as f64));
    }
    found
}

/// Spearman's rank correlation of a permutation with the order in which it stands.
fn correlation(places: &[f64]) -> f64 {
    let count = places.len() as f64;
    let squares: f64 = places.iter().enumerate().map(|(n, place)| (place - n as f64).powi(2)).sum();
    1.0 - 6.0 * squares / (count * (count * count - 1.0))
}
