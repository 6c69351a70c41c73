//! The processor time of the hand-over, and what a busy machine makes of it.
//!
//! Each row alternates ours and the limit eleven times and prints the medians, the median of the ratios, and the target.

use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bulkmailer::spool::Spool;
use bulkmailer::sys::clock;

use super::program::Meter;
use super::rows::envelope;
use super::site::{BYTES, Site, message, to_smtp};
use super::smtp::{Sink, is_missing, source_command};
use super::tools::{Short, Tools, median, number_of, time_of};

const PAIRS: usize = 11;

/// Beside a ratio to a program that does for each message what no queue can do without.
const LEAST: &str = "the least that a queue costs";

/// How often the processes of a run are looked at.
const LOOK: Duration = Duration::from_millis(4);

/// Alternates both sides and prints them, with the most that the ratio may be.
fn judge(
    tools: &Tools,
    name: &str,
    unit: &str,
    target: &str,
    mut ours: impl FnMut() -> f64,
    mut limit: impl FnMut() -> f64,
) {
    let pairs: Vec<(f64, f64)> = (0..if tools.is_quick() { 1 } else { PAIRS }).map(|_| (ours(), limit())).collect();
    let ratio = median(pairs.iter().map(|(ours, limit)| ours / limit).collect());
    let ours = median(pairs.iter().map(|pair| pair.0).collect());
    let limit = median(pairs.iter().map(|pair| pair.1).collect());
    println!("{name:<52} {:>8.5} {:>8.5} {unit:<5} ratio {ratio:.2} ({target})", Short(ours), Short(limit));
}

/// Eight workers that wait for a sendmail of 50 ms: the processors' time of our processes for a message, without the
/// sendmail's, against that of processes that only start it and wait, and of such that open, lock, read and remove a file
/// for each.
pub fn slow_sink(tools: &Tools) {
    let count = tools.scale(1_000);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(count);
    let sink = tools.program("slow_sink").display().to_string();
    let ours = || {
        let dir = tools.place(true);
        let command = [&sink, "-oi", "-f", "{sender}", "--", "{recipients}"];
        let site = Site::new(&tools.ours, dir.path(), &command, "");
        time_of(&mut site.submit(&site.mbox(count)));
        each(own_time(&mut site.command(&["run", "--workers", "8"])))
    };
    let spawns = || {
        let mut command = Command::new(tools.program("spawn_limit"));
        command.args(["8", &count.to_string(), "file", &BYTES.to_string(), &sink]);
        each(own_time(&mut command))
    };
    let queue = || {
        let dir = tools.place(true);
        let waiting = files(dir.path(), count);
        each(own_time(Command::new(tools.program("queue_spawn")).arg("8").arg(waiting).arg(&sink)))
    };
    judge(tools, "processors, 8 workers, sink of 50 ms / spawn_limit", "us", "it has no queue", ours, spawns);
    judge(tools, "processors, 8 workers, sink of 50 ms / queue_spawn", "us", LEAST, ours, queue);
}

/// Single entries over SMTP, from memory: the processors' time of a message, start and end of the run included, against that
/// of smtp-source, which has no queue; and of a program that opens, locks, reads and removes a file for each.
pub fn smtp_cpu(tools: &Tools) {
    if is_missing("smtp-cpu", super::smtp::SOURCE, false) {
        return;
    }
    let sink = Sink::start();
    let count = tools.scale(20_000);
    let micros = |meter: Meter| meter.stop(count).cpu.as_secs_f64() * 1e6 / f64::from(count);
    for sessions in [1, 4] {
        let ours = || {
            let dir = tools.place(true);
            let site = Site::through(&tools.ours, dir.path(), &to_smtp(sink.port), "");
            singles(&site, count);
            let meter = Meter::start();
            time_of(&mut site.command(&["run", "--workers", &sessions.to_string()]));
            micros(meter)
        };
        let theirs = || {
            let meter = Meter::start();
            time_of(&mut source_command(sink.port, sessions, count));
            micros(meter)
        };
        let name = format!("processors, SMTP, {sessions} sessions / smtp-source");
        judge(tools, &name, "us", "at most 1.20", ours, theirs);
    }
    let ours = || {
        let dir = tools.place(true);
        let site = Site::through(&tools.ours, dir.path(), &to_smtp(sink.port), "");
        singles(&site, count);
        let meter = Meter::start();
        time_of(&mut site.command(&["run", "--workers", "1"]));
        micros(meter)
    };
    let limit = || {
        let dir = tools.place(true);
        let waiting = files(dir.path(), count);
        let meter = Meter::start();
        time_of(Command::new(tools.program("queue_source")).arg(sink.port.to_string()).arg(waiting));
        micros(meter)
    };
    judge(tools, "processors, SMTP, 1 session / queue_source", "us", LEAST, ours, limit);
}

/// One worker over SMTP on a machine whose processors are all busy, against Python's smtplib in one session.
pub fn loaded(tools: &Tools) {
    if is_missing("loaded", super::smtp::SOURCE, false) || is_missing("loaded", "/usr/bin/python3", false) {
        return;
    }
    let sink = Sink::start();
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let _busy: Vec<Busy> = (0..processors).map(|_| Busy::start()).collect();
    for (memory, place) in [(true, "memory"), (false, "disk")] {
        for count in [300, 1_000] {
            let ours = || {
                let dir = tools.place(memory);
                let site = Site::through(&tools.ours, dir.path(), &to_smtp(sink.port), "");
                singles(&site, count);
                time_of(&mut site.command(&["run", "--workers", "1"])).as_secs_f64() * 1e3
            };
            let theirs = || {
                let mut command = Command::new("/usr/bin/python3");
                let arguments = [sink.port.to_string(), count.to_string(), message(1)];
                1e3 * number_of(command.args(["-c", SMTPLIB]).args(arguments))
            };
            let name = format!("time, busy machine, {place}, {count} messages / smtplib");
            let target = if memory { "at most 1.00" } else { "it removes no files" };
            judge(tools, &name, "ms", target, ours, theirs);
        }
    }
}

/// Sends messages in one session, and prints how long that took without the interpreter's start.
const SMTPLIB: &str = "\
import smtplib, sys, time
port, count, text = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
began = time.monotonic()
server = smtplib.SMTP('127.0.0.1', port)
for n in range(count):
    server.sendmail('s@example.org', [f'r{n}@example.net'], text)
server.quit()
print(time.monotonic() - began)
";

/// A process that does nothing and never waits.
struct Busy(Child);

impl Busy {
    fn start() -> Busy {
        let mut command = Command::new("/bin/sh");
        Busy(command.args(["-c", "while :; do :; done"]).arg0("busy").spawn().expect("it starts"))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// A folder in `dir` with a file for each of `count` messages.
fn files(dir: &Path, count: u32) -> PathBuf {
    let folder = dir.join("waiting");
    std::fs::create_dir(&folder).expect("a folder");
    for n in 0..count {
        std::fs::write(folder.join(n.to_string()), message(n)).expect("written");
    }
    folder
}

/// Queues `count` single entries.
fn singles(site: &Site<'_>, count: u32) {
    let queue = Spool::create(&site.spool()).and_then(|spool| spool.queue("outbound")).expect("a queue");
    for n in 0..count {
        let now = clock::now();
        let mut draft = queue.draft(&envelope(now)).expect("a draft");
        std::io::Write::write_all(&mut draft, message(n).as_bytes()).expect("written");
        draft.publish(now).expect("published");
    }
}

/// The processors' time of a command and of all processes below it that bear its name, as far as a look each few
/// milliseconds can tell; what it starts by another name is left out.
fn own_time(command: &mut Command) -> Duration {
    let program =
        Path::new(command.get_program()).file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    let mut child = command.stdout(Stdio::null()).spawn().expect("it starts");
    let mut times = HashMap::new();
    let limit = Instant::now() + Duration::from_secs(600);
    let status = loop {
        look(child.id(), &program, &mut times);
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        assert!(Instant::now() < limit, "{program} does not end");
        std::thread::park_timeout(LOOK);
    };
    assert!(status.success(), "{command:?}: {status}");
    Duration::from_nanos(times.values().sum())
}

/// Notes the time of each process from `pid` down that is called `program`, in nanoseconds.
fn look(pid: u32, program: &str, times: &mut HashMap<u32, u64>) {
    let read = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
    // The kernel keeps fifteen bytes of a name.
    if read("comm").trim_end() != &program[..program.len().min(15)] {
        times.remove(&pid);
        return;
    }
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of_thread = |thread: std::fs::DirEntry| -> Option<u64> {
        std::fs::read_to_string(thread.path().join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    let time: u64 = threads.filter_map(of_thread).sum();
    let known = times.entry(pid).or_default();
    *known = time.max(*known);
    let below = read(&format!("task/{pid}/children"));
    below.split_whitespace().filter_map(|pid| pid.parse().ok()).for_each(|pid| look(pid, program, times));
}
