//! The limit programs, places to work in, and how rounds become a row.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::program::Program;

/// Where the benchmarks work, and what they compare with.
pub struct Tools {
    folder: tempfile::TempDir,
    quick: bool,
    /// This checkout's binary.
    pub ours: Program,
    /// Places on the disk, removed at the end: for some seconds ext4 looks at each inode that was freed before it takes
    /// another, which would be counted for whoever makes many files next.
    kept: RefCell<Vec<tempfile::TempDir>>,
}

/// A folder to work in.
pub struct Place {
    path: PathBuf,
    _memory: Option<tempfile::TempDir>,
}

impl Place {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Tools {
    /// Builds the limit programs.
    pub fn build(quick: bool) -> Tools {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench");
        let given = std::env::var_os("LIMITS").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        for name in [
            "sink",
            "slow_sink",
            "arrival",
            "spawn_limit",
            "fs_limit",
            "remove_limit",
            "one_rename",
            "nothing",
            "smtp_sink",
            "queue_source",
            "queue_spawn",
        ] {
            let alone = sources.join(name).with_extension("c");
            let own = if alone.exists() { alone } else { sources.join("limits.c") };
            let theirs = given.as_ref().map(|dir| dir.join(name).with_extension("c")).filter(|path| path.exists());
            let mut cc = Command::new("cc");
            cc.arg("-O2").arg("-o").arg(folder.path().join(name)).arg(theirs.as_ref().unwrap_or(&own));
            // The cheapest sendmail, and what start-up is held against, have no libraries to load.
            cc.args(
                ["sink", "slow_sink", "arrival", "one_rename", "nothing", "smtp_sink"]
                    .contains(&name)
                    .then_some("-static"),
            );
            assert!(cc.status().expect("cc, as Rust needs it").success(), "{name} must compile");
        }
        let ours = Program::ours(folder.path());
        Tools { folder, quick, ours, kept: RefCell::default() }
    }

    /// Builds the limit program `name` of a C file of its own.
    pub fn compile(&self, source: &str, name: &str) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench").join(source);
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-pthread", "-o"]).arg(self.program(name)).arg(source);
        assert!(cc.status().expect("cc, as Rust needs it").success(), "{name} must compile");
        self.program(name)
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `count`, or a tenth of it.
    pub fn scale(&self, count: u32) -> u32 {
        if self.quick { count / 10 } else { count }
    }

    pub fn is_quick(&self) -> bool {
        self.quick
    }

    /// An empty folder in memory, or on a disk: in the folder that DISK names, else where the build lies.
    pub fn place(&self, memory: bool) -> Place {
        let named = std::env::var_os("DISK").filter(|disk| !disk.is_empty());
        let disk = named.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
        let parent = if memory { PathBuf::from("/dev/shm") } else { PathBuf::from(disk) };
        // Where one side has removed its files the other would be slow to make some.
        bulkmailer::sys::speed::apart::keep_apart(&std::fs::File::open(&parent).expect("a folder"));
        let dir = tempfile::tempdir_in(&parent).expect("a folder to work in");
        let path = dir.path().to_owned();
        if memory {
            return Place { path, _memory: Some(dir) };
        }
        self.kept.borrow_mut().push(dir);
        Place { path, _memory: None }
    }

    /// Alternates both sides, and prints the median of the ratios of ours to the limit. Returns the median of each side.
    pub fn compare(
        &self,
        name: &str,
        unit: &str,
        mut ours: impl FnMut() -> f64,
        mut limit: impl FnMut() -> f64,
    ) -> (f64, f64) {
        let rounds = if self.quick { 1 } else { 5 };
        // What one side leaves for the disk to do must not slow the other.
        let mut round = || {
            nix::unistd::sync();
            let mine = ours();
            nix::unistd::sync();
            (mine, limit())
        };
        let pairs: Vec<(f64, f64)> = (0..rounds).map(|_| round()).collect();
        let ratio = median(pairs.iter().map(|(ours, limit)| ours / limit).collect());
        let mine = median(pairs.iter().map(|pair| pair.0).collect());
        let theirs = median(pairs.iter().map(|pair| pair.1).collect());
        println!("{name:<44} {:>9.5} {:>9.5} {unit:<10} ratio {ratio:.2}", Short(mine), Short(theirs));
        (mine, theirs)
    }
}

/// A number for a table.
pub struct Short(pub f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = if self.0 < 100.0 { 2 } else { 0 };
        f.pad(&format!("{:.digits$}", self.0))
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The first number that a command prints; it must succeed.
pub fn number_of(command: &mut Command) -> f64 {
    let output = command.stderr(Stdio::inherit()).output().expect("it starts");
    assert!(output.status.success(), "{command:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("no number in {text:?}"))
}

/// How long a command takes, which must succeed.
pub fn time_of(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.status().expect("it starts");
    let took = start.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    took
}

/// Runs a command to its end, which must be a success; the most memory (resident, in KiB) that it or a process below it
/// had, as far as a look each few milliseconds can tell.
pub fn memory_of(command: &mut Command) -> u64 {
    let mut child = command.spawn().expect("it starts");
    let mut most = 0;
    while child.try_wait().expect("it can be waited for").is_none() {
        most = most.max(peak(child.id()));
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let status = child.wait().expect("it has ended");
    assert!(status.success(), "{command:?}: {status}");
    most
}

/// Looks each millisecond whether `condition` holds; one that takes minutes never will.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(120);
    while !condition() {
        assert!(Instant::now() < limit, "waited too long until {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// The highest resident memory of the process and those below it, but not of the commands that they have started.
fn peak(pid: u32) -> u64 {
    let read = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
    if !read("comm").starts_with("bulkmailer") {
        return 0;
    }
    let status = read("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("");
    let own = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let below = read(&format!("task/{pid}/children"));
    below.split_whitespace().filter_map(|pid| pid.parse().ok()).map(peak).fold(own, u64::max)
}

/// Starts ours and the limit in turn, and prints the typical time of each, the median of the ratios of the pairs, and the
/// target.
pub fn pairs(
    tools: &Tools,
    name: &str,
    ours: &dyn Fn() -> Command,
    limit: &mut dyn FnMut() -> Command,
    most: Option<f64>,
) {
    // What was written before must not slow the first.
    nix::unistd::sync();
    let mut one = || (time_of(&mut ours()).as_secs_f64() * 1e6, time_of(&mut limit()).as_secs_f64() * 1e6);
    one();
    let pairs: Vec<(f64, f64)> = (0..tools.scale(500)).map(|_| one()).collect();
    let ratio = median(pairs.iter().map(|(ours, limit)| ours / limit).collect());
    let mine = median(pairs.iter().map(|pair| pair.0).collect());
    let theirs = median(pairs.iter().map(|pair| pair.1).collect());
    let target = most.map_or_else(String::new, |most| format!(" (at most {most:.2})"));
    println!("{name:<44} {mine:>9.0} {theirs:>9.0} µs         ratio {ratio:.2}{target}");
}
