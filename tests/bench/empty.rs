//! Launches that find nothing to do, each minute: with nothing waiting, with a million entries of which none is due, and while
//! another run is at work. A launch lasts about a millisecond, so ours and the limit's alternate one by one.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bulkmailer::model::EntryId;
use bulkmailer::spool::Spool;
use bulkmailer::spool::names::{EntryName, Spot, State};
use bulkmailer::sys::clock;

use super::program::calls_in;
use super::site::Site;
use super::tools::{Tools, median, pairs, time_of, wait_until};

/// The queues that always exist.
const QUEUES: [&str; 3] = ["bounce", "inbound", "outbound"];

pub fn empty(tools: &Tools) {
    let limit = limit(tools);
    for queues in [&QUEUES[2..], &QUEUES] {
        nothing_waits(tools, &limit, queues);
    }
    million(tools);
    overlap(tools, &limit);
}

/// Builds the limit program.
fn limit(tools: &Tools) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/empty.c");
    let program = tools.program("empty");
    let built = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(source).status();
    assert!(built.expect("cc, as Rust needs it").success(), "the limit must compile");
    program
}

/// What one round took, in microseconds.
struct Round {
    run: f64,
    version: f64,
    /// `--version`, and what no run can do without besides, in C.
    least: f64,
}

/// A run of some queues against `--version`, which shows what it takes to start; the same and what no such run can do without
/// besides, in C; and the system calls. The four alternate.
fn nothing_waits(tools: &Tools, limit: &Path, queues: &[&str]) {
    let dir = tools.place(true);
    let site = Site::into_sink(&tools.ours, dir.path(), tools, "");
    make(&site, queues);
    let run = || site.command(&["run"]);
    wait_until("what is known of the folders is noted", || {
        time_of(&mut run());
        queues.iter().all(|name| site.spool().join(name).join("quiet").exists())
    });
    let mut least = vec![dir.path().join("bulkmailer.toml")];
    least.extend(queues.iter().map(|name| site.spool().join(name)));
    let took = |mut command: Command| time_of(&mut command).as_secs_f64() * 1e6;
    let round = |_| {
        let looks = took(quiet(Command::new(limit), &least)) - took(quiet(Command::new(limit), &[]));
        let version = took(quiet(tools.ours.command(), &["--version".into()]));
        Round { run: took(run()), version, least: version + looks }
    };
    // What was written before must not slow the first.
    nix::unistd::sync();
    let rounds: Vec<Round> = (0..tools.scale(500)).map(round).collect();
    let name = format!("an empty run, {} queues", queues.len());
    let print = |what: &str, one: fn(&Round) -> f64, other: fn(&Round) -> f64, target: &str| {
        let ratio = median(rounds.iter().map(|round| one(round) / other(round)).collect());
        let (one, other) = (median(rounds.iter().map(one).collect()), median(rounds.iter().map(other).collect()));
        println!("{what:<44} {one:>9.0} {other:>9.0} µs         ratio {ratio:.2}{target}");
    };
    print(&format!("{name} / --version"), |round| round.run, |round| round.version, " (at most 1.50)");
    print("    --version and its looks in C / --version", |round| round.least, |round| round.version, "");
    print("    the run / --version and its looks in C", |round| round.run, |round| round.least, " (at most 1.11)");
    let counts = tempfile::tempdir().expect("a folder");
    let counted = tools.ours.counted(counts.path());
    let status = Site::into_sink(&counted, dir.path(), tools, "").measured(&["run"]).status();
    if status.is_ok_and(|status| status.success()) {
        let each = calls_in(counts.path()) / queues.len() as f64;
        println!("{:<44} {each:.0} system calls a queue (at most 356)", format!("    {name}"));
    }
}

/// A run where very much waits and nothing is due.
fn million(tools: &Tools) {
    let (dir, count) = (tools.place(true), tools.scale(1_000_000));
    let site = Site::into_sink(&tools.ours, dir.path(), tools, "");
    make(&site, &["outbound"]);
    let due = clock::now().plus(Duration::from_secs(86_400));
    for _ in 0..count {
        let name = EntryName { due, at: true, id: EntryId::new(clock::now()), log: None };
        let path = Spot { state: State::Ready, name }.path();
        File::create(site.spool().join("outbound").join(path)).expect("made");
    }
    let run = || site.command(&["run"]);
    let first = time_of(&mut run()).as_secs_f64() * 1e3;
    settle(&run);
    let took = median((0..11).map(|_| time_of(&mut run()).as_secs_f64() * 1e3).collect());
    println!("{:<44} {took:.1} ms (at most 50), the first {first:.0} ms", format!("a run, {count} wait, none is due"));
}

/// A launch that meets another at work, against the start of a program that does nothing.
fn overlap(tools: &Tools, limit: &Path) {
    let dir = tools.place(true);
    let sink = ["/bin/sh", "-c", "exec sleep 600", "sh", "{recipients}"];
    let site = Site::new(&tools.ours, dir.path(), &sink, "workers = 1");
    time_of(&mut site.submit(&site.mbox(1)));
    let mut holder = site.command(&["run"]).spawn().expect("it starts");
    wait_until("the run is at work", || site.spool().join("outbound/run.json").exists());
    let nothing = || quiet(Command::new(limit), &[]);
    pairs(tools, "an overlapping launch / an empty program", &|| site.command(&["run"]), &mut &nothing, Some(1.5));
    for _ in 0..2 {
        Command::new("kill").arg(holder.id().to_string()).status().expect("kill(1)");
    }
    holder.wait().expect("it ends");
}

fn make(site: &Site<'_>, queues: &[&str]) {
    let spool = Spool::create(&site.spool()).expect("a spool");
    queues.iter().for_each(|name| drop(spool.queue(name).expect("a queue")));
}

/// Runs until the times of all folders lie far enough back, and what is known of them is noted.
fn settle(run: &dyn Fn() -> Command) {
    for _ in 0..5 {
        time_of(&mut run());
    }
}

fn quiet(mut command: Command, args: &[PathBuf]) -> Command {
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
    command
}
