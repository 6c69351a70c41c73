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

/// A run of some queues against `--version`, which shows what it takes to start, and against what no such run can do without;
/// and its system calls.
fn nothing_waits(tools: &Tools, limit: &Path, queues: &[&str]) {
    let dir = tools.place(true);
    let site = Site::into_sink(&tools.ours, dir.path(), tools, "");
    make(&site, queues);
    let run = || site.command(&["run"]);
    settle(&run);
    let name = format!("an empty run, {} queues", queues.len());
    let version = || quiet(tools.ours.command(), &["--version".into()]);
    let folders: Vec<PathBuf> = queues.iter().map(|name| site.spool().join(name)).collect();
    let least = || quiet(Command::new(limit), &folders);
    pairs(tools, &format!("{name} / --version"), &run, &mut &version, Some(1.5));
    pairs(tools, &format!("{name} / its looks in C"), &run, &mut &least, None);
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
