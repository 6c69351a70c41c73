//! What the tests that run the real program share: a site of its own for each test, and a sink that records.
//! Each test program uses some of it, and none all.
#![allow(dead_code)]

pub mod clock;
pub mod crash;
pub mod drop;
pub mod hosts;
pub mod posts;
pub mod random;
pub mod server;
pub mod trace;

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The recording sink, built once a test program.
pub fn sink() -> &'static Path {
    static SINK: OnceLock<PathBuf> = OnceLock::new();
    SINK.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (new, path) = (folder.join(format!("sink-{}", std::process::id())), folder.join("sink"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/sink.c");
        let built =
            Command::new("cc").arg("-O1").arg("-o").arg(&new).arg(source).status().expect("cc, as Rust needs it");
        assert!(built.success(), "the sink must compile");
        // Test programs run at the same time; each puts the same thing there, in one step.
        std::fs::rename(&new, &path).expect("the sink is put in place");
        path
    })
}

/// A spool and a configuration of a test's own. They are printed if the test fails.
pub struct Site {
    pub dir: tempfile::TempDir,
}

impl Site {
    /// The outbound queue goes through the sink in `mode` (see sink.c). `extra` are more lines of the queue's table. Nobody
    /// is told of failures, unless it says so.
    pub fn new(mode: &str, extra: &str) -> Site {
        let site = Site { dir: tempfile::tempdir().expect("a temporary folder") };
        site.set_sink(mode, extra, "30s");
        site
    }

    /// Writes the configuration anew.
    pub fn set_sink(&self, mode: &str, extra: &str, timeout: &str) {
        let notices = if extra.contains("notices") { "" } else { "notices = false\n" };
        let text = format!(
            "[limits]\nmin_free = \"0\"\n[queue.outbound]\ntransport = \"sink\"\n{notices}{extra}\n[transport.sink]\nkind = \"pipe\"\ncommand = [{:?}, {mode:?}, {:?}, \
             \"-oi\", \"-f\", \"{{sender}}\", \"--\", \"{{recipients}}\"]\nprofile = \"postfix\"\ntimeout = \"{timeout}\"\n",
            sink().display().to_string(),
            self.path("log").display().to_string()
        );
        self.configure(&text);
    }

    pub fn configure(&self, text: &str) {
        std::fs::write(self.path("bulkmailer.toml"), text).expect("a configuration");
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    /// The program with this site's spool and configuration.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkmailer"));
        command.arg("--spool").arg(self.path("spool")).arg("--config").arg(self.path("bulkmailer.toml")).args(args);
        command.env_remove("BULKMAILER_FAULT").stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn try_run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program starts")
    }

    /// Runs the program, which must succeed; its standard output.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.try_run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    pub fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    /// Runs the program with `input` on its standard input.
    pub fn feed(&self, args: &[&str], input: &[u8]) -> Output {
        feed(self.command(args), input)
    }

    /// One run that ends by itself: its status, and its standard error.
    pub fn run_once(&self) -> (i32, String) {
        let output = self.try_run(&["run"]);
        (output.status.code().expect("it ended by itself"), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// What the program prints as JSON, whatever its status.
    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_slice(&self.try_run(args).stdout).expect("JSON")
    }

    /// Queues message number `n` with one command; its id.
    pub fn submit(&self, n: u32, recipients: &[&str]) -> String {
        self.submit_from("sender@example.org", n, recipients)
    }

    pub fn submit_from(&self, sender: &str, n: u32, recipients: &[&str]) -> String {
        let args = [&["submit", "-f", sender, "--"], recipients].concat();
        let output = self.feed(&args, message(n).as_bytes());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("an id").trim().to_owned()
    }

    /// An mbox with these messages, each to r<n>@example.net.
    pub fn mbox(&self, name: &str, numbers: std::ops::Range<u32>) -> PathBuf {
        let path = self.path(name);
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
        for n in numbers {
            write!(file, "From sender@example.org Tue\nTo: r{n}@example.net\n{}\n", message(n)).expect("written");
        }
        path
    }

    /// What `list --json` has.
    pub fn list(&self) -> Vec<serde_json::Value> {
        self.ok(&["list", "--json"]).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// The heartbeat of a queue's run, if there is one.
    pub fn beat(&self, queue: &str) -> Option<bulkmailer::runner::Beat> {
        let text = std::fs::read(self.path(&format!("spool/{queue}/run.json"))).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Entries of a state, by their ids.
    pub fn ids(&self, state: &str) -> Vec<String> {
        let rows = self.list().into_iter().filter(|row| row["state"] == state);
        rows.map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// What the sink recorded: how often each message went to each recipient, and that none was cut.
    pub fn deliveries(&self) -> HashMap<(u32, String), u32> {
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        let mut found = HashMap::new();
        for line in log.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[2], "whole", "a message was cut: {line}");
            for recipient in &words[3..] {
                *found.entry((words[0].parse().expect("a number"), (*recipient).to_owned())).or_default() += 1;
            }
        }
        found
    }

    /// Asserts that messages `numbers`, each to r<n>@example.net, arrived once.
    pub fn assert_each_once(&self, numbers: std::ops::Range<u32>) {
        let found = self.deliveries();
        let wrong: Vec<_> = (numbers.clone())
            .map(|n| (n, found.get(&(n, format!("r{n}@example.net"))).copied().unwrap_or(0)))
            .filter(|(_, times)| *times != 1)
            .collect();
        assert!(wrong.is_empty(), "not once: {wrong:?}");
        assert_eq!(found.len(), numbers.len(), "something else arrived");
    }

    pub fn assert_clean(&self) {
        let output = self.try_run(&["check"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// The files of the spool with their sizes, to compare.
    pub fn tree(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.path("spool"), &mut found);
        found.sort();
        found
    }

    /// The files of the spool whose paths contain `part`, sorted.
    pub fn files(&self, part: &str) -> Vec<PathBuf> {
        let lines = self.tree().into_iter().filter(|line| line.contains(part));
        lines.map(|line| PathBuf::from(line.rsplit_once(' ').expect("a size").0)).collect()
    }

    /// The only such file.
    pub fn file(&self, part: &str) -> PathBuf {
        let mut found = self.files(part);
        assert_eq!(found.len(), 1, "{part}: {found:?}");
        found.remove(0)
    }

    /// The lines of the events, each of which the program's own reader reads back whole. An empty line tells nothing.
    pub fn events(&self) -> Vec<serde_json::Value> {
        let mut lines = Vec::new();
        for file in std::fs::read_dir(self.path("spool/events")).into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(file.path()).expect("text");
            let told = text.lines().filter(|line| !line.is_empty());
            lines.extend(told.map(event));
        }
        lines
    }

    /// The sinks of this site that live: each worker has one when it has something in hand.
    pub fn sinks(&self) -> Vec<u32> {
        let log = self.path("log").display().to_string();
        let ours = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut words = line.split(|&b| b == 0);
            words.next().unwrap_or_default().ends_with(b"/sink") && words.nth(1) == Some(log.as_bytes())
        };
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(ours).collect()
    }

    /// Since when the oldest entry of the first queue waits, in seconds.
    pub fn oldest_age(&self) -> u64 {
        self.json(&["status", "--json"])["queues"][0]["oldest_age"].as_u64().expect("a number")
    }

    pub fn busy(&self) -> usize {
        self.sinks().len()
    }
}

/// A line of the events.
fn event(line: &str) -> serde_json::Value {
    let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let read = serde_json::to_value(bulkmailer::events::read(line).expect("a line of the events")).expect("JSON");
    let mut known = value.clone();
    known.as_object_mut().expect("an object").remove("v");
    assert_eq!(read, known, "the reader knows another line than the writer");
    value
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let tree = self.tree();
            eprintln!("the spool, {} files:\n{}", tree.len(), tree[..tree.len().min(500)].join("\n"));
        }
    }
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), found),
            _ => found.push(format!("{} {}", entry.path().display(), entry.metadata().map_or(0, |meta| meta.len()))),
        }
    }
}

/// Runs `command` with `input`; one that does not read it all is no fault.
pub fn feed(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let _ = child.stdin.take().expect("piped").write_all(input);
    child.wait_with_output().expect("it ends")
}

/// Makes `path` a program with this text, in one step. Another process writes it: a descriptor that is open for writing
/// here would be inherited by what other tests start, and until those have executed, this program is busy.
pub fn program(path: &Path, text: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat > \"$1.new\" && chmod 755 \"$1.new\" && mv \"$1.new\" \"$1\"", "sh"]).arg(path);
    let output = feed(shell, text.as_bytes());
    assert!(output.status.success(), "{output:?}");
}

/// A message that tells when it is cut.
pub fn message(n: u32) -> String {
    let filling = "All mail that waits in a queue arrives in the end.\n".repeat((n % 50) as usize);
    format!(
        "From: s@example.org\nDate: Tue, 24 Nov 2026 12:00:00 +0000\nMessage-ID: <{n}@example.org>\nX-Number: {n}\n\n{filling}END\n"
    )
}

/// Waits until `condition` holds; a test that waits too long has failed.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(120);
    while !condition() {
        assert!(Instant::now() < limit, "waited too long until {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Runs `child` to its end, which must be a success without a word.
pub fn assert_silent(child: Child) {
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

/// The children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Sends a signal, as kill(1) does.
pub fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).stderr(Stdio::null()).status();
}

/// Sends TERM twice. Two that are pending at the same time would count as one, so the second waits for the first to be
/// taken.
pub fn term_twice(pid: u32) {
    signal("TERM", pid);
    wait_until("the first TERM is taken", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap_or("0").trim().to_owned();
        u64::from_str_radix(&pending, 16).is_ok_and(|set| set & (1 << 14) == 0)
    });
    signal("TERM", pid);
}
