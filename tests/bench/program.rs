//! The binary that is measured, and what its commands cost.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// A binary of this program.
#[derive(Clone)]
pub struct Program {
    pub path: PathBuf,
    /// Where strace counts the system calls of what is measured, a file a command.
    counts: Option<PathBuf>,
}

/// A cost, or the reason why there is none: an older binary may not know a command.
pub type Outcome = Result<Cost, String>;

impl Program {
    /// That of this checkout, as install(1) leaves it in a new folder below `folder`. The pages of a file that a linker has
    /// written lie one by one in memory, and starting it costs a fifth more.
    pub fn ours(folder: &Path) -> Program {
        Program::copied(env!("CARGO_BIN_EXE_bulkmailer").as_ref(), folder, "ours")
    }

    /// A copy of the binary at `path` in a new folder `name` of `folder`. Two that are compared have names of one length:
    /// the kernel's text about a process has the path, and a longer text takes one more read.
    pub fn copied(path: &Path, folder: &Path, name: &str) -> Program {
        let copy = folder.join(name).join("bulkmailer");
        std::fs::create_dir(folder.join(name)).expect("a folder");
        std::fs::copy(path, &copy).expect("a program");
        Program { path: copy, counts: None }
    }

    /// The same binary with its system calls counted, in `folder`.
    pub fn counted(&self, folder: &Path) -> Program {
        Program { path: self.path.clone(), counts: Some(folder.to_owned()) }
    }

    /// A command that prepares something.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.stdin(Stdio::null());
        command
    }

    /// A command whose cost counts.
    pub fn measured(&self) -> Command {
        let Some(counts) = &self.counts else { return self.command() };
        let number = std::fs::read_dir(counts).expect("a folder").count();
        let mut command = Command::new("strace");
        command.args(["-c", "-f", "-o"]).arg(counts.join(number.to_string())).arg("--").arg(&self.path);
        command.stdin(Stdio::null());
        command
    }
}

/// System calls that strace counted in the files of `folder`.
pub fn calls_in(folder: &Path) -> f64 {
    let total = |text: String| {
        let line = text.lines().find(|line| line.ends_with(" total"))?.to_owned();
        line.split_whitespace().nth(3)?.parse::<f64>().ok()
    };
    let files = std::fs::read_dir(folder).expect("a folder").flatten();
    files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).filter_map(total).sum()
}

/// What `count` messages, or launches, took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub count: u32,
    pub wall: Duration,
    /// Time of processors, the program's and that of all processes below it that it waited for.
    pub cpu: Duration,
}

impl Cost {
    /// A second.
    pub fn rate(&self) -> f64 {
        f64::from(self.count) / self.wall.as_secs_f64()
    }

    /// Milliseconds for one.
    pub fn each(&self) -> f64 {
        self.wall.as_secs_f64() * 1e3 / f64::from(self.count)
    }

    pub fn plus(&self, more: &Cost) -> Cost {
        Cost { wall: self.wall + more.wall, cpu: self.cpu + more.cpu, ..*self }
    }
}

/// Measures what is started and waited for between its two ends.
pub struct Meter {
    began: Instant,
    used: Duration,
}

impl Meter {
    pub fn start() -> Meter {
        Meter { used: used_below(), began: Instant::now() }
    }

    pub fn stop(self, count: u32) -> Cost {
        let wall = self.began.elapsed();
        Cost { count, wall, cpu: used_below().saturating_sub(self.used) }
    }
}

/// Time of processors that the children used which were waited for, and theirs.
fn used_below() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage(2)");
    let time = |value: nix::sys::time::TimeVal| {
        Duration::from_secs(value.tv_sec().unsigned_abs()) + Duration::from_micros(value.tv_usec().unsigned_abs())
    };
    time(usage.user_time()) + time(usage.system_time())
}

/// Runs a command to its end; an error unless it succeeds.
pub fn done(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let first = stderr.lines().next().unwrap_or_default();
    Err(format!("{}: {first}", output.status))
}

/// What a command costs, which does `count` things.
pub fn cost_of(command: &mut Command, count: u32) -> Outcome {
    let meter = Meter::start();
    done(command)?;
    Ok(meter.stop(count))
}

/// The typical cost of one launch of `times`.
pub fn launches(times: u32, mut command: impl FnMut() -> Command) -> Outcome {
    let all: Vec<Cost> = (0..times.max(1)).map(|_| cost_of(&mut command(), 1)).collect::<Result<_, _>>()?;
    let median = |value: fn(&Cost) -> Duration| {
        let mut values: Vec<Duration> = all.iter().map(value).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    Ok(Cost { count: 1, wall: median(|cost| cost.wall), cpu: median(|cost| cost.cpu) })
}
