//! `make bench AGAINST=REV`: this checkout's binary beside another commit's, in one run.
//!
//! A row alternates the two, and changes each time who is first. Its ratios are medians of the pairs' ratios, of time and of
//! the processors' time, both turned so that more is better: at 1 or above this checkout is not slower. A machine on which
//! others work changes the time more than the processors' time. The system calls come from runs of their own, since strace
//! makes everything slow; they are what the program and all that it starts do for a message.

use std::path::Path;
use std::process::{Command, Stdio};

use super::bounces;
use super::program::{Cost, Outcome, Program, calls_in};
use super::site::{to_sink, to_smtp};
use super::smtp::Sink;
use super::tasks::{self, Face};
use super::tools::{Short, Tools, median};

/// Pairs of a row: odd, so that a median is one of them.
const PAIRS: usize = 11;
/// A ratio below this is named at the end.
const NOTED: f64 = 0.97;
/// Under strace a row does this part of its work: enough that what a run does once counts for little.
const COUNTED: u32 = 4;

/// What is measured. The number is how many messages, or launches for a typical one.
struct Row {
    /// What WHAT selects.
    what: &'static str,
    name: &'static str,
    unit: Unit,
    count: u32,
    task: fn(&Tools, &Program, u32) -> Outcome,
}

#[derive(Clone, Copy)]
enum Unit {
    /// A second.
    Rate(&'static str),
    Milliseconds,
}

impl Unit {
    fn of(self, cost: &Cost) -> f64 {
        match self {
            Unit::Rate(_) => cost.rate(),
            Unit::Milliseconds => cost.each(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Unit::Rate(name) => name,
            Unit::Milliseconds => "ms",
        }
    }
}

const fn launch(what: &'static str, name: &'static str, count: u32, task: fn(&Tools, &Program, u32) -> Outcome) -> Row {
    Row { what, name, unit: Unit::Milliseconds, count, task }
}

const fn many(what: &'static str, name: &'static str, count: u32, task: fn(&Tools, &Program, u32) -> Outcome) -> Row {
    Row { what, name, unit: Unit::Rate("messages/s"), count, task }
}

const ROWS: [Row; 17] = [
    launch("start", "--version", 50, |_, program, times| tasks::version(program, times)),
    launch("sendmail", "sendmail, one message, memory", 50, |tools, program, times| {
        tasks::one_message(tools, program, Face::Sendmail, true, times)
    }),
    launch("sendmail", "sendmail, one message, disk", 50, |tools, program, times| {
        tasks::one_message(tools, program, Face::Sendmail, false, times)
    }),
    launch("submit", "submit, one message, memory", 50, |tools, program, times| {
        tasks::one_message(tools, program, Face::Submit, true, times)
    }),
    launch("submit", "submit, one message, disk", 50, |tools, program, times| {
        tasks::one_message(tools, program, Face::Submit, false, times)
    }),
    launch("empty", "run, nothing to do", 50, tasks::empty_run),
    many("mbox", "submit --mbox, disk", 10_000, tasks::mbox),
    many("drain-memory", "run, pipe, memory, 1 worker", 3_000, |tools, program, count| {
        drain(tools, program, true, 1, count)
    }),
    many("drain-memory", "run, pipe, memory, 4 workers", 5_000, |tools, program, count| {
        drain(tools, program, true, 4, count)
    }),
    many("drain-disk", "run, pipe, disk, 1 worker", 3_000, |tools, program, count| {
        drain(tools, program, false, 1, count)
    }),
    many("drain-disk", "run, pipe, disk, 4 workers", 5_000, |tools, program, count| {
        drain(tools, program, false, 4, count)
    }),
    many("drain-smtp", "run, SMTP, memory, 1 worker", 10_000, |tools, program, count| {
        drain_smtp(tools, program, true, 1, count)
    }),
    many("drain-smtp", "run, SMTP, disk, 4 workers", 10_000, |tools, program, count| {
        drain_smtp(tools, program, false, 4, count)
    }),
    many("post", "a list post, SMTP, disk", 200_000, |tools, program, count| post(tools, program, false, count)),
    many("post", "a list post, VERP, SMTP, disk", 200_000, |tools, program, count| post(tools, program, true, count)),
    many("smtp-in", "sendmail -bs, one session, disk", 1_000, tasks::smtp_in),
    many("bounces", "bounces read, disk", 5_000, bounces::read_first),
];

fn drain(tools: &Tools, program: &Program, memory: bool, workers: u32, count: u32) -> Outcome {
    tasks::drain(tools, program, memory, &to_sink(tools), workers, count).map(|(cost, _)| cost)
}

fn drain_smtp(tools: &Tools, program: &Program, memory: bool, workers: u32, count: u32) -> Outcome {
    let sink = Sink::own(tools);
    tasks::drain(tools, program, memory, &to_smtp(sink.port), workers, count).map(|(cost, _)| cost)
}

fn post(tools: &Tools, program: &Program, verp: bool, count: u32) -> Outcome {
    tasks::post(tools, program, Sink::own(tools).port, verp, count)
}

/// Both sides of something.
struct Both<T> {
    this: T,
    that: T,
}

impl Both<Program> {
    /// One after the other; `turn` says who is first.
    fn pair(&self, turn: usize, mut play: impl FnMut(&Program) -> Outcome) -> Result<Both<Cost>, String> {
        let mut play = |program: &Program, who: &str| {
            // What one side leaves for the disk to do must not slow the other.
            nix::unistd::sync();
            play(program).map_err(|why| format!("{who}: {why}"))
        };
        if turn.is_multiple_of(2) {
            let this = play(&self.this, "this")?;
            return Ok(Both { this, that: play(&self.that, "that")? });
        }
        let that = play(&self.that, "that")?;
        Ok(Both { this: play(&self.this, "this")?, that })
    }
}

impl Row {
    /// Prints the row's line. Returns its ratios, of time and of the processors' time, or why there are none.
    fn compare(&self, tools: &Tools, programs: &Both<Program>) -> Result<(f64, f64), String> {
        let count = tools.scale(self.count).max(1);
        // These runs also fill the caches.
        let calls = self.calls(tools, programs)?;
        let pairs = if tools.is_quick() { 1 } else { PAIRS };
        let play = |turn| programs.pair(turn, |program| (self.task)(tools, program, count));
        let pairs: Vec<Both<Cost>> = (0..pairs).map(play).collect::<Result<_, _>>()?;
        let of = |value: &dyn Fn(&Both<Cost>) -> f64| median(pairs.iter().map(value).collect());
        let wall = of(&|pair| pair.that.wall.as_secs_f64() / pair.this.wall.as_secs_f64());
        let cpu = of(&|pair| pair.that.cpu.as_secs_f64() / pair.this.cpu.as_secs_f64());
        let this = Short(of(&|pair| self.unit.of(&pair.this)));
        let that = Short(of(&|pair| self.unit.of(&pair.that)));
        let unit = self.unit.name();
        let calls =
            calls.map_or(["-".to_owned(), "-".to_owned()], |calls| [calls.this, calls.that].map(|n| format!("{n:.1}")));
        println!(
            "{:<34} {this:>9} {that:>9} {unit:<10} {wall:>6.3} {cpu:>6.3} {:>9} {:>9}",
            self.name, calls[0], calls[1]
        );
        Ok((wall, cpu))
    }

    /// System calls a message; none where strace is missing or may not trace.
    fn calls(&self, tools: &Tools, programs: &Both<Program>) -> Result<Option<Both<f64>>, String> {
        let may = may_trace();
        let counted = |program: &Program| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let program = if may { program.counted(folder.path()) } else { program.clone() };
            // Launches are alike, so one will do.
            let count = match self.unit {
                Unit::Rate(_) => (tools.scale(self.count) / COUNTED).max(1),
                Unit::Milliseconds => 1,
            };
            let cost = (self.task)(tools, &program, count)?;
            Ok(calls_in(folder.path()) / f64::from(cost.count))
        };
        let this = counted(&programs.this).map_err(|why: String| format!("this: {why}"))?;
        let that = counted(&programs.that).map_err(|why: String| format!("that: {why}"))?;
        Ok(may.then_some(Both { this, that }))
    }
}

fn may_trace() -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-c", "-f", "-o", "/dev/null", "true"]).stderr(Stdio::null());
    strace.status().is_ok_and(|status| status.success())
}

/// Compares with the binary `other`, in the rows that are `wanted`: all, or by their words.
pub fn run(tools: &Tools, wanted: &str, other: &Path) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let copied = |path: &Path, name: &str| Program::copied(path, folder.path(), name);
    let programs = Both { this: copied(&tools.ours.path, "this"), that: copied(other, "that") };
    let words: Vec<&str> = wanted.split_whitespace().collect();
    for word in words.iter().filter(|word| !ROWS.iter().any(|row| row.what == **word)) {
        println!("no row is called {word}: tests/bench/ratios.rs lists them");
    }
    if !may_trace() {
        println!("system calls are not counted: strace is missing or may not trace here");
    }
    println!(
        "{:<34} {:>9} {:>9} {:<10} {:>6} {:>6} {:>9} {:>9}",
        "ratios: more is better for this", "this", "that", "unit", "wall", "cpu", "calls", "that's"
    );
    let mut below = Vec::new();
    for row in ROWS.iter().filter(|row| words.is_empty() || words.contains(&row.what)) {
        match row.compare(tools, &programs) {
            Ok((wall, cpu)) => {
                let low = [("wall", wall), ("cpu", cpu)].into_iter().filter(|(_, ratio)| *ratio < NOTED);
                let low: Vec<String> = low.map(|(of, ratio)| format!("{of} {ratio:.3}")).collect();
                below.extend((!low.is_empty()).then(|| format!("{} ({})", row.name, low.join(", "))));
            }
            Err(why) => println!("{:<34} not measured: {why}", row.name),
        }
    }
    let below = if below.is_empty() { "none".to_owned() } else { below.join("; ") };
    println!("below {NOTED}: {below}");
}
