//! A very long queue: how soon a person sees what is in it, in how much memory, and how soon a run delivers from it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bulkmailer::model::envelope::Origin;
use bulkmailer::model::{EntryId, Envelope, Fields, Micros};
use bulkmailer::spool::names::{EntryName, Spot, State};
use bulkmailer::spool::{Spool, entry};
use bulkmailer::sys::clock;

use super::site::Site;
use super::tools::{Tools, median, memory_of, number_of, time_of, wait_until};

/// The most that a command may take of what the limit takes.
const RATIO: f64 = 1.3;

/// `list`, `check` and `jobs list` of a million entries, against two threads that open and read as many files and look up
/// their journals; then the first delivery.
pub fn million(tools: &Tools) {
    let count = tools.scale(1_000_000);
    let limit = tools.compile("million.c", "glance_limit");
    let look = |site: &Site<'_>| {
        let queue = site.spool().join("outbound");
        for (name, args) in [
            ("list", &["list"][..]),
            ("list --json", &["list", "--json"]),
            ("list --unsorted", &["list", "--unsorted"]),
            ("list --recipient", &["list", "--recipient", "nobody@*"]),
            ("check", &["check"]),
        ] {
            against(tools, name, site, args, &limit, &queue);
        }
        first_line(tools, "the first line of list", site, &["list"], 500.0);
        let names = || number_of(Command::new(&limit).arg(&queue).arg("names")) * 1e3;
        println!("{:<44} {:>9.1} ms", "    glance_limit of the names alone", median((0..5).map(|_| names()).collect()));
        first_line(tools, "the first line of list --unsorted", site, &["list", "--unsorted"], 50.0);
        first_line(tools, "the first of list --json --unsorted", site, &["list", "--json", "--unsorted"], 50.0);
        first_line(tools, "jobs list", site, &["jobs", "list"], 50.0);
    };
    {
        println!("{count} single entries:");
        let dir = tools.place(true);
        let site = Site::into_sink(&tools.ours, dir.path(), tools, "");
        fill(&site, count);
        look(&site);
    }
    {
        println!("{count} entries of an mbox:");
        let dir = tools.place(true);
        let site = Site::into_sink(&tools.ours, dir.path(), tools, "");
        time_of(&mut site.submit(&small_mbox(dir.path(), count)));
        look(&site);
    }
    for count in [1_000, count] {
        first_delivery(tools, count);
    }
}

/// A command against the limit, in turn, and its memory.
fn against(tools: &Tools, name: &str, site: &Site<'_>, args: &[&str], limit: &Path, queue: &Path) {
    let rounds = if tools.is_quick() { 3 } else { 11 };
    let ours = || time_of(quiet(&mut site.command(args))).as_secs_f64();
    let theirs = || number_of(Command::new(limit).arg(queue));
    let pairs: Vec<(f64, f64)> = (0..rounds).map(|_| (ours(), theirs())).collect();
    let ratio = median(pairs.iter().map(|(ours, limit)| ours / limit).collect());
    let [ours, limit] =
        [|pair: &(f64, f64)| pair.0, |pair: &(f64, f64)| pair.1].map(|side| median(pairs.iter().map(side).collect()));
    let memory = memory_of(quiet(&mut site.command(args))) / 1_024;
    let name = format!("  {name} / glance_limit");
    println!("{name:<44} {ours:>9.2} {limit:>9.2} s          ratio {ratio:.2} (at most {RATIO}), {memory} MiB");
}

/// How long a command takes to its first line, in milliseconds.
fn first_line(tools: &Tools, name: &str, site: &Site<'_>, args: &[&str], most: f64) {
    let rounds = if tools.is_quick() { 3 } else { 11 };
    let once = || {
        let begun = Instant::now();
        let mut child = site.command(args).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        let took = begun.elapsed();
        drop(lines);
        assert!(child.wait().expect("it ends").success() && !line.is_empty(), "{args:?}");
        took.as_secs_f64() * 1e3
    };
    let took = median((0..rounds).map(|_| once()).collect());
    println!("{:<44} {took:>9.1} ms (at most {most})", format!("  {name}"));
}

fn quiet(command: &mut Command) -> &mut Command {
    // One that finds nothing says so there.
    command.stdout(Stdio::null())
}

/// How soon a run delivers where all is due, and in how much memory.
fn first_delivery(tools: &Tools, count: u32) {
    let dir = tools.place(true);
    // With such a short retry the due times lie too far off to be honest, and count as due.
    let site = Site::into_sink(&tools.ours, dir.path(), tools, "workers = 8\nretry = { first = \"1s\", max = \"1s\" }");
    fill(&site, count);
    let begun = Instant::now();
    let mut run = site.command(&["run", "--max-runtime", "4s"]);
    let mut child = run.spawn().expect("it starts");
    let written = |file: std::fs::DirEntry| file.metadata().is_ok_and(|meta| meta.len() > 0);
    let events = || std::fs::read_dir(site.spool().join("events")).into_iter().flatten().flatten();
    wait_until("something is delivered", || events().any(written));
    let first = begun.elapsed();
    child.wait().expect("it ends");
    let busy = memory_of(&mut run);
    let name = format!("the first delivery, {count} entries due");
    println!("{name:<44} {:.0} ms, {busy} KiB a process", first.as_secs_f64() * 1e3);
}

/// Puts `count` entries that wait for an hour into the queue, as a publisher does, but for its syncs.
pub fn fill(site: &Site<'_>, count: u32) {
    let queue = Spool::create(&site.spool()).and_then(|spool| spool.queue("outbound")).expect("a queue");
    let begun = clock::now();
    let due = begun.plus(Duration::from_secs(3_600));
    for n in 0..count {
        let message = format!("Subject: {n}\n\nwaits\n");
        let submitted = Micros(begun.0 + u64::from(n));
        let origin = Origin { submitted, uid: 0, body: None, notify: None, ret: None, envid: None, verp: None };
        let id = EntryId::new(submitted);
        let sender = "s@example.org".parse().ok();
        let recipients = vec![format!("r{n}@d{}.example.net", n % 20_000).parse().expect("an address")];
        let envelope = Envelope { id: id.clone(), sender, recipients, fields: Fields::default(), origin };
        let mut bytes = entry::head(&envelope).expect("a head");
        let at = entry::SIZE_AT as usize;
        bytes[at..at + entry::SIZE_WIDTH].copy_from_slice(entry::size_field(message.len() as u64).as_bytes());
        bytes.extend_from_slice(message.as_bytes());
        let spot = Spot { state: State::Ready, name: EntryName::new(due, id) };
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), 0o600);
        let mut file = options.open(queue.path(&spot.path())).expect("a new file");
        file.write_all(&bytes).expect("written");
    }
}

/// An mbox of `count` small messages.
fn small_mbox(dir: &Path, count: u32) -> std::path::PathBuf {
    let path = dir.join("box");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
    for n in 0..count {
        writeln!(file, "From s@example.org Tue\nTo: r{n}@d{}.example.net\n\nwaits\n", n % 20_000).expect("written");
    }
    file.flush().expect("written");
    path
}
