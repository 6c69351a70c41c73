//! Merges: queued, sent into servers, ten million in one go, and beside what people use for this today.
//!
//! A mail has 3.7 KB, text and HTML with eleven fields of its row ([`super::render`]).

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::program::{Cost, Meter, cost_of, done};
use super::render::{FIELDS, values, write_template};
use super::site::{Site, to_smtp};
use super::smtp::{Postfix, SINK, Sink, is_missing, source_of};
use super::tasks;
use super::tools::{Short, Tools, median, memory_of};

const SESSIONS: u32 = 8;

/// Everything but the ten million, which WHAT=campaign names.
pub fn merge(tools: &Tools) {
    if is_missing("merge", SINK, false) {
        return;
    }
    for kind in [Kind::Csv, Kind::Sqlite, Kind::Jsonl] {
        queued(tools, kind);
    }
    sent(tools);
    beside_verp(tools);
    into_postfix(tools);
    super::merge_beside::beside(tools);
}

/// Where rows come from.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Csv,
    Sqlite,
    Jsonl,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Csv => "CSV",
            Kind::Sqlite => "SQLite",
            Kind::Jsonl => "JSON lines",
        }
    }

    /// Writes `count` rows into `folder`; what `--data` and what follows it name.
    fn write(self, folder: &Path, count: u32) -> Vec<String> {
        let path = |name: &str| folder.join(name);
        let file = |name: &str| BufWriter::with_capacity(1 << 20, fs::File::create(path(name)).expect("a file"));
        let rows = (1..=u64::from(count)).map(values);
        match self {
            Kind::Csv => {
                let mut out = file("rows.csv");
                writeln!(out, "{}", FIELDS.join(",")).expect("written");
                for row in rows {
                    let cells: Vec<String> = row.iter().map(|cell| format!("\"{cell}\"")).collect();
                    writeln!(out, "{}", cells.join(",")).expect("written");
                }
                out.flush().expect("written");
                vec![path("rows.csv").display().to_string()]
            }
            Kind::Jsonl => {
                let mut out = file("rows.jsonl");
                for row in rows {
                    let row: serde_json::Map<String, serde_json::Value> =
                        FIELDS.iter().map(|name| (*name).to_owned()).zip(row.into_iter().map(Into::into)).collect();
                    writeln!(out, "{}", serde_json::Value::Object(row)).expect("written");
                }
                out.flush().expect("written");
                vec![path("rows.jsonl").display().to_string()]
            }
            Kind::Sqlite => {
                let mut base = rusqlite::Connection::open(path("rows.db")).expect("a database");
                base.execute_batch(&format!(
                    "create table readers ({})",
                    FIELDS.map(|name| format!("\"{name}\" text")).join(",")
                ))
                .expect("a table");
                let all = base.transaction().expect("a transaction");
                let mut insert = all
                    .prepare(&format!("insert into readers values ({})", FIELDS.map(|_| "?").join(",")))
                    .expect("a statement");
                for row in rows {
                    insert.execute(rusqlite::params_from_iter(row)).expect("inserted");
                }
                drop(insert);
                all.commit().expect("committed");
                let query = ["--query".to_owned(), "select * from readers".to_owned()];
                [vec![format!("sqlite:{}", path("rows.db").display())], query.to_vec()].concat()
            }
        }
    }
}

/// A template and rows, in a folder of their own.
pub struct Merge {
    pub template: PathBuf,
    pub data: Vec<String>,
}

impl Merge {
    pub fn new(folder: &Path, kind: Kind, count: u32) -> Merge {
        let template = folder.join("template");
        fs::create_dir(&template).expect("a folder");
        write_template(&template, "greetings");
        Merge { template, data: kind.write(folder, count) }
    }

    /// The mail of the first row in a file, for one who sends it without change, and its bytes.
    pub fn constant(&self, tools: &Tools) -> (String, usize) {
        let place = tools.place(true);
        let site = Site::into_sink(&tools.ours, place.path(), tools, "");
        let template = self.template.display().to_string();
        let mut command =
            site.command(&["merge", "--preview", "1", "-f", "shop@x.org", "--template", &template, "--data"]);
        let mail = done(command.args(&self.data)).expect("shown").stdout;
        let path = self.template.with_file_name("constant");
        fs::write(&path, String::from_utf8(mail).expect("text").replace('\r', "")).expect("written");
        let bytes = fs::metadata(&path).expect("it is there").len();
        (path.display().to_string(), usize::try_from(bytes).expect("some thousand"))
    }

    /// The command that checks the rows and queues them.
    pub fn queue(&self, site: &Site<'_>) -> Command {
        let template = self.template.display().to_string();
        let mut command = site.measured(&["merge", "--yes", "-f", "shop@x.org", "--template", &template, "--data"]);
        command.args(&self.data).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// A cost in microseconds of a processor for one.
pub fn micros(cost: &Cost) -> f64 {
    cost.cpu.as_secs_f64() * 1e6 / f64::from(cost.count)
}

/// Rows that are read, rendered, compared and durable on a disk: the processors' time of one, and how many in a second.
fn queued(tools: &Tools, kind: Kind) {
    let count = tools.scale(500_000);
    let dir = tools.place(false);
    let merge = Merge::new(dir.path(), kind, count);
    let mut costs = Vec::new();
    for _ in 0..if tools.is_quick() { 1 } else { 5 } {
        let place = tools.place(false);
        let site = Site::into_sink(&tools.ours, place.path(), tools, "");
        nix::unistd::sync();
        costs.push(cost_of(&mut merge.queue(&site), count).expect("queued"));
    }
    let place = tools.place(false);
    let site = Site::into_sink(&tools.ours, place.path(), tools, "");
    let memory = memory_of(&mut merge.queue(&site)) / 1_024;
    let each = median(costs.iter().map(micros).collect());
    let rate = median(costs.iter().map(Cost::rate).collect());
    println!(
        "{:<44} {each:>9.2} µs of a processor a row (at most 16), {rate:.0} rows/s (at least 100000), {memory} MiB (below 32)",
        format!("merge, {count} rows of {}, queued", kind.name())
    );
}

/// A queue in memory with a merge of `count` rows, for a server on `port`.
fn filled<'d>(tools: &'d Tools, place: &'d Path, merge: &Merge, port: u16) -> Site<'d> {
    let site = Site::through(&tools.ours, place, &to_smtp(port), &format!("workers = {SESSIONS}"));
    done(&mut merge.queue(&site)).expect("queued");
    site
}

/// Eight sessions into smtp-sink from memory, against smtp-source with the mail of one row for all.
fn sent(tools: &Tools) {
    let sink = Sink::start();
    let count = tools.scale(200_000);
    let dir = tools.place(true);
    let merge = Merge::new(dir.path(), Kind::Csv, count);
    let (constant, _) = merge.constant(tools);
    let mut pairs = Vec::new();
    for _ in 0..if tools.is_quick() { 1 } else { 5 } {
        let place = tools.place(true);
        let site = filled(tools, place.path(), &merge, sink.port);
        let ours = with_sink(&sink, || cost_of(&mut site.command(&["run"]), count).expect("sent"));
        let theirs = with_sink(&sink, || {
            let meter = Meter::start();
            super::tools::time_of(&mut source_of(sink.port, SESSIONS, count, &["-F", &constant]));
            meter.stop(count)
        });
        pairs.push((ours, theirs));
    }
    let of = |value: &dyn Fn(&(Both, Both)) -> f64| median(pairs.iter().map(value).collect());
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(count);
    println!(
        "{:<44} {:>9} {:>9} messages/s, ratio {:.2}",
        "merge, smtp-sink, 8 sessions / smtp-source",
        Short(of(&|(ours, _)| ours.0.rate())),
        Short(of(&|(_, theirs)| theirs.0.rate())),
        of(&|(ours, theirs)| ours.0.rate() / theirs.0.rate())
    );
    println!(
        "{:<44} {:>9.1} {:>9.1} µs of a processor a message, with the sink's {:.1} and {:.1}: ratio {:.2} (at least 0.97)",
        "    with the sink that shares the machine",
        of(&|(ours, _)| micros(&ours.0)),
        of(&|(_, theirs)| micros(&theirs.0)),
        of(&|(ours, _)| micros(&ours.0) + each(ours.1)),
        of(&|(_, theirs)| micros(&theirs.0) + each(theirs.1)),
        of(&|(ours, theirs)| (micros(&theirs.0) + each(theirs.1)) / (micros(&ours.0) + each(ours.1)))
    );
}

/// What a program costs, and a sink beside it.
type Both = (Cost, Duration);

fn with_sink(sink: &Sink, play: impl FnOnce() -> Cost) -> Both {
    nix::unistd::sync();
    let before = sink.used();
    let cost = play();
    (cost, sink.used().saturating_sub(before))
}

/// The processors' time of a mail that is rendered for each, beside a post whose message is the same for all and whose sender
/// is not; both of one size, sent only.
fn beside_verp(tools: &Tools) {
    let sink = Sink::start();
    let count = tools.scale(200_000);
    let dir = tools.place(true);
    let merge = Merge::new(dir.path(), Kind::Csv, count);
    let (_, bytes) = merge.constant(tools);
    let mut pairs = Vec::new();
    for _ in 0..if tools.is_quick() { 1 } else { 5 } {
        let run = |site: &Site<'_>| micros(&cost_of(&mut site.command(&["run"]), count).expect("sent"));
        let place = tools.place(true);
        let ours = run(&filled(tools, place.path(), &merge, sink.port));
        let place = tools.place(true);
        let site = Site::through(&tools.ours, place.path(), &to_smtp(sink.port), &format!("workers = {SESSIONS}"));
        tasks::queue_post(&site, place.path(), true, count, bytes).expect("queued");
        pairs.push((ours, run(&site)));
    }
    let ours = median(pairs.iter().map(|pair| pair.0).collect());
    let post = median(pairs.iter().map(|pair| pair.1).collect());
    let more = median(pairs.iter().map(|pair| pair.0 - pair.1).collect());
    println!(
        "{:<44} {ours:>9.1} {post:>9.1} µs of a processor a message: {more:.1} more (at most 8.0)",
        "merge / VERP post of that size, 8 sessions"
    );
}

/// Into a real Postfix that discards, against smtp-source with the mail of one row for all.
fn into_postfix(tools: &Tools) {
    if is_missing("merge, Postfix", super::smtp::POSTFIX, true) {
        return;
    }
    let postfix = Postfix::start(tools);
    let count = tools.scale(8_000);
    let dir = tools.place(true);
    let merge = Merge::new(dir.path(), Kind::Csv, count);
    let (constant, _) = merge.constant(tools);
    let ours = || {
        let place = tools.place(true);
        let site = filled(tools, place.path(), &merge, postfix.port);
        postfix.rest();
        cost_of(&mut site.command(&["run"]), count).expect("sent").rate()
    };
    let theirs = || {
        postfix.rest();
        let meter = Meter::start();
        super::tools::time_of(&mut source_of(postfix.port, SESSIONS, count, &["-F", &constant]));
        meter.stop(count).rate()
    };
    let (ours, _) = tools.compare("merge, Postfix, 8 sessions / smtp-source", "messages/s", ours, theirs);
    println!("{:<44} {:>9.0} an hour (ratio at least 0.97, more than 1000000)", "    that is", ours * 3_600.0);
}

/// As many rows as ROWS says, else ten million, end to end: queued, and sent to two sinks.
pub fn campaign(tools: &Tools) {
    if is_missing("campaign", SINK, false) {
        return;
    }
    // More than processors, so that they go on while a worker waits for its disk.
    let sessions: u32 = std::env::var("SESSIONS").ok().and_then(|sessions| sessions.parse().ok()).unwrap_or(16);
    let rows = std::env::var("ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(tools.scale(10_000_000));
    let dir = tools.place(false);
    let merge = Merge::new(dir.path(), Kind::Csv, rows);
    let source = fs::metadata(&merge.data[0]).expect("rows").len();
    let sinks = [Sink::start(), Sink::start()];
    let connect: Vec<String> = sinks.iter().map(|sink| format!("\"tcp:127.0.0.1:{}\"", sink.port)).collect();
    let transport = format!("kind = \"smtp\"\nconnect = [{}]\n", connect.join(", "));
    let place = tools.place(false);
    let site = Site::through(&tools.ours, place.path(), &transport, &format!("workers = {sessions}"));
    nix::unistd::sync();
    let meter = Meter::start();
    let memory = memory_of(&mut merge.queue(&site)) / 1_024;
    let queued = meter.stop(rows);
    println!(
        "{:<44} {:>9.1} s (below 120), {:.1} µs of a processor a row, {memory} MiB (below 32)",
        format!("campaign, {rows} rows of CSV, queued"),
        queued.wall.as_secs_f64(),
        micros(&queued)
    );
    let used = || sinks.iter().map(Sink::used).sum::<Duration>();
    let (before, meter) = (used(), Meter::start());
    let memory = memory_of(site.command(&["run"]).stdout(Stdio::null())) / 1_024;
    let (sent, theirs) = (meter.stop(rows), used().saturating_sub(before));
    let least = (sent.cpu + theirs).as_secs_f64() / 2.0;
    println!(
        "{:<44} {:>9.1} s, {:.0}/s; processors {:.1} s and the sinks' {:.1}, half of both {least:.1} s: ratio {:.2} (at most 1.15)",
        format!("    sent to two sinks, {sessions} sessions"),
        sent.wall.as_secs_f64(),
        sent.rate(),
        sent.cpu.as_secs_f64(),
        theirs.as_secs_f64(),
        sent.wall.as_secs_f64() / least
    );
    println!("{:<44} {memory:>9} MiB a process (below 16)", "    memory of the run");
    let bytes = disk_bytes(&site.spool());
    println!(
        "{:<44} {:>9.1} bytes on disk a recipient beyond the row's {:.1} (at most 96)",
        "    what stays in the spool",
        (bytes as f64 - source as f64) / f64::from(rows),
        source as f64 / f64::from(rows)
    );
}

/// Bytes of the blocks of all files below `folder`.
fn disk_bytes(folder: &Path) -> u64 {
    let mut du = Command::new("du");
    let output = du.args(["-s", "-B1"]).arg(folder).output().expect("du");
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .expect("a number")
}
