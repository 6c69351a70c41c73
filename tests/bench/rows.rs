//! What is measured against what this machine can do.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Instant;

use bulkmailer::model::envelope::Origin;
use bulkmailer::model::{EntryId, Envelope, Micros};
use bulkmailer::spool::Spool;
use bulkmailer::sys::clock;

use super::bounces;
use super::drain;
use super::empty;
use super::merge;
use super::million;
use super::order;
use super::program::{Cost, Outcome};
use super::render;
use super::site::{BYTES, Site, message, to_sink};
use super::smtp;
use super::start;
use super::tasks;
use super::tools::{Tools, median, memory_of, number_of, time_of};

/// A benchmark's name, and itself.
type Row = (&'static str, fn(&Tools));

pub const ALL: [Row; 20] = [
    ("drain-memory", |tools| drained(tools, true)),
    ("drain-disk", |tools| drained(tools, false)),
    ("publish", publish),
    ("smtp-in", smtp_in),
    ("mbox", mbox),
    ("million", million::million),
    ("order", order::order),
    ("empty", empty::empty),
    ("start", start::start),
    ("rate", rates),
    ("smtp-sink", smtp::sink),
    ("slow-sink", drain::slow_sink),
    ("smtp-cpu", drain::smtp_cpu),
    ("loaded", drain::loaded),
    ("postfix", smtp::postfix),
    ("verp", smtp::verp),
    ("bounces", bounces::bounces),
    ("queues", bounces::queues),
    ("render", render::render),
    ("merge", merge::merge),
];

/// A second; this checkout's program knows its own commands.
fn rate(outcome: Outcome) -> f64 {
    outcome.as_ref().map(Cost::rate).expect("measured")
}

/// Draining a queue into the cheapest sendmail, against starting that sendmail as often with nothing else to do; on disk
/// also against that and the removal of as many synced files, which is what a disk asks for besides.
fn drained(tools: &Tools, memory: bool) {
    let count = tools.scale(20_000);
    let place = if memory { "memory" } else { "disk" };
    for workers in [1, 2, 4, 8] {
        let number = workers.to_string();
        let (mut lost, mut claims) = (0.0, 0.0);
        let ours = || {
            let (cost, sum) =
                tasks::drain(tools, &tools.ours, memory, &to_sink(tools), workers, count).expect("drained");
            lost += sum["contended"].as_f64().unwrap_or(0.0);
            claims += sum["claims"].as_f64().unwrap_or(0.0);
            cost.rate()
        };
        let mut removals = Vec::new();
        let limit = || {
            removals.push(removals_of(tools, memory, workers, count));
            let mut command = Command::new(tools.program("spawn_limit"));
            command.args([&number, &count.to_string(), "file", &BYTES.to_string()]).arg(tools.program("sink"));
            number_of(&mut command)
        };
        let (ours, spawns) =
            tools.compare(&format!("drain, {place}, {workers} workers / spawn_limit"), "messages/s", ours, limit);
        println!("{:<44} {:.2} % of the claims", "    locks that another worker had", 100.0 * lost / claims);
        print_both("spawn_limit", ours, spawns, removals);
    }
}

/// Files a second that `workers` processes open, lock and remove, which were synced.
pub fn removals_of(tools: &Tools, memory: bool, workers: u32, count: u32) -> f64 {
    let dir = tools.place(memory);
    let mut command = Command::new(tools.program("remove_limit"));
    number_of(command.arg(dir.path()).args([workers.to_string(), count.to_string()]))
}

/// What remains of the limit `name` where as many files are removed besides.
pub fn print_both(name: &str, ours: f64, limit: f64, removals: Vec<f64>) {
    let both = 1.0 / (1.0 / limit + 1.0 / median(removals));
    println!("{:<44} {both:>19.0} messages/s ratio {:.2}", format!("    / {name} and remove_limit"), ours / both);
}

/// Publishing entries one by one through the library, each of them durable.
fn publish(tools: &Tools) {
    let count = tools.scale(2_000);
    for processes in [1, 8] {
        let ours = || {
            let dir = tools.place(false);
            Spool::create(&dir.path().join("spool")).and_then(|spool| spool.queue("outbound")).expect("a queue");
            let begun = Instant::now();
            let some = |_| {
                let mut command = Command::new(std::env::current_exe().expect("our own path"));
                command.arg("--publish").arg(dir.path().join("spool")).arg((count / processes).to_string());
                command.spawn().expect("it starts")
            };
            let children: Vec<Child> = (0..processes).map(some).collect();
            for mut child in children {
                assert!(child.wait().expect("it ends").success());
            }
            f64::from(count) / begun.elapsed().as_secs_f64()
        };
        let limit = || {
            let dir = tools.place(false);
            let mut command = Command::new(tools.program("fs_limit"));
            number_of(command.arg(dir.path().join("x")).args([&processes.to_string(), &count.to_string(), "fsync_dir"]))
        };
        tools.compare(&format!("publish, {processes} processes / fs_limit fsync_dir"), "entries/s", ours, limit);
    }
}

/// What a publishing process does.
pub fn publish_some(spool: &Path, count: u32) {
    let spool = Spool::open(spool).expect("readable").expect("made before");
    let queue = spool.queue("outbound").expect("a queue");
    let text = message(0);
    for _ in 0..count {
        let now = clock::now();
        let mut draft = queue.draft(&envelope(now)).expect("a draft");
        draft.write_all(text.as_bytes()).expect("written");
        draft.publish(now).expect("published");
    }
}

/// Messages that come in over SMTP in one session, a client that waits for each, against the limit of publishing.
fn smtp_in(tools: &Tools) {
    let count = tools.scale(2_000);
    let ours = || rate(tasks::smtp_in(tools, &tools.ours, count));
    let limit = || {
        let dir = tools.place(false);
        let mut command = Command::new(tools.program("fs_limit"));
        number_of(command.arg(dir.path().join("x")).args(["1", &count.to_string(), "fsync_dir"]))
    };
    tools.compare("smtp-in, one session / fs_limit fsync_dir", "entries/s", ours, limit);
}

/// An envelope of an entry that was submitted at `now`.
pub fn envelope(now: Micros) -> Envelope {
    let origin = Origin { submitted: now, uid: 0, body: None, notify: None, ret: None, envid: None, verp: None };
    let address = |text: &str| text.parse().expect("an address");
    let recipients = vec![address("r@example.net")];
    Envelope {
        id: EntryId::new(now),
        sender: Some(address("s@example.org")),
        recipients,
        fields: bulkmailer::model::Fields::default(),
        origin,
    }
}

/// Queueing an mbox, all of it durable, against creating as many files with no sync at all.
fn mbox(tools: &Tools) {
    let count = tools.scale(20_000);
    let ours = || rate(tasks::mbox(tools, &tools.ours, count));
    let limit = || {
        let dir = tools.place(false);
        let mut command = Command::new(tools.program("fs_limit"));
        number_of(command.arg(dir.path().join("x")).args(["1", &count.to_string(), "create"]))
    };
    tools.compare("submit --mbox / fs_limit create", "entries/s", ours, limit);
    let dir = tools.place(false);
    let site = Site::into_sink(&tools.ours, dir.path(), tools, "");
    let memory = memory_of(&mut site.submit(&site.mbox(count)));
    println!("{:<44} {:.1} MiB", "    its memory", memory as f64 / 1024.0);
}

/// What a rate lets through in a minute with eight workers, by the times at which the command began, and by how much any
/// stretch of time has more than a burst and the rate.
fn rates(tools: &Tools) {
    let seconds = tools.scale(60);
    for (text, a_second, burst) in [("200/s", 200.0, 200), ("2000/min", 2000.0 / 60.0, 33), ("50/s", 50.0, 1)] {
        let dir = tools.place(true);
        let (arrival, log) = (tools.program("arrival").display().to_string(), dir.path().join("log"));
        let queue = format!("workers = 8\nrate = \"{text}\"\nburst = {burst}");
        let site = Site::new(&tools.ours, dir.path(), &[&arrival, &log.display().to_string(), "{recipients}"], &queue);
        let allowed = f64::from(burst) + a_second * f64::from(seconds);
        time_of(&mut site.submit(&site.mbox((allowed * 1.2) as u32 + 100)));
        time_of(&mut site.command(&["run", "--max-runtime", &format!("{seconds}s")]));
        let text_of = std::fs::read_to_string(&log).expect("a log");
        let mut times: Vec<f64> = text_of.lines().map(|line| line.parse::<f64>().expect("a time") / 1e6).collect();
        times.sort_by(f64::total_cmp);
        let span = times.last().expect("arrivals") - times[0];
        // The most that a stretch has more than the rate: how far the count rises above a line of that slope.
        let (mut least, mut most) = (f64::MAX, f64::MIN);
        for (n, at) in times.iter().enumerate() {
            let above = n as f64 - a_second * at;
            least = least.min(above);
            most = most.max(above + 1.0 - least);
        }
        let name = format!("rate = {text}, burst = {burst}, 8 workers");
        let (got, steady) = (times.len() as f64, (times.len() as f64 - f64::from(burst)) / (a_second * span));
        println!(
            "{name:<44} {got:.0} in {span:.2} s: {:.4} of the rate, {steady:.4} without the first burst; \
             the most at once {:.1} bursts ({:+.1} messages)",
            got / (a_second * f64::from(seconds)),
            most / f64::from(burst),
            most - f64::from(burst)
        );
    }
}
