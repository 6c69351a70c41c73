//! Feeding servers over SMTP, against the fastest client that there is beside them.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::rows::{print_both, removals_of};
use super::site::{BYTES, Site, to_smtp};
use super::tasks;
use super::tools::{Tools, time_of, wait_until};

pub const SINK: &str = "/usr/sbin/smtp-sink";
pub const SOURCE: &str = "/usr/sbin/smtp-source";
pub const POSTFIX: &str = "/usr/sbin/postfix";

/// Whether a row can be measured here; says so if not.
pub fn is_missing(row: &str, program: &str, needs_root: bool) -> bool {
    let missing = !Path::new(program).exists() || (needs_root && !nix::unistd::geteuid().is_root());
    if missing {
        let root = if needs_root { ", as root" } else { "" };
        println!("{row:<44} not measured: it needs {program}{root}");
    }
    missing
}

/// A port of the loopback that is free now.
fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("bound").port()
}

fn wait_for(port: u16) {
    wait_until("the server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
}

/// A server that takes everything and forgets it.
pub struct Sink {
    child: Child,
    pub port: u16,
}

impl Sink {
    /// The one of limits.c, which is there on every machine.
    pub fn own(tools: &Tools) -> Sink {
        let mut command = Command::new(tools.program("smtp_sink"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        Sink { child, port: line.trim().parse().expect("a port") }
    }

    /// That of Postfix.
    pub fn start() -> Sink {
        let port = free_port();
        let mut command = Command::new(SINK);
        if nix::unistd::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        let child = command.arg(format!("127.0.0.1:{port}")).arg("1024").stdin(Stdio::null()).spawn();
        let sink = Sink { child: child.expect("it starts"), port };
        wait_for(port);
        sink
    }

    /// Time of processors that it has used since its start.
    pub fn used(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        // Behind the name, which may have blanks: the state is the first, the times are the 12th and 13th (proc_pid_stat(5)).
        let behind = text.rsplit_once(") ").expect("a name").1;
        let ticks: u32 = behind.split(' ').skip(11).take(2).map(|word| word.parse::<u32>().expect("a number")).sum();
        // A tick has 10 ms everywhere that Linux counts so (times(2)).
        Duration::from_millis(10) * ticks
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Messages a second of smtp-source, over `sessions` that it keeps. Each has a recipient of its own (-N), as ours have: a
/// real server's caches would know a single one.
fn source(port: u16, sessions: u32, count: u32) -> f64 {
    f64::from(count) / time_of(&mut source_command(port, sessions, count)).as_secs_f64()
}

pub fn source_command(port: u16, sessions: u32, count: u32) -> Command {
    source_of(port, sessions, count, &["-l", &BYTES.to_string()])
}

/// The same with what these options say that a message is.
pub fn source_of(port: u16, sessions: u32, count: u32, message: &[&str]) -> Command {
    let mut command = Command::new(SOURCE);
    command.args(["-N", "-d", "-s", &sessions.to_string(), "-m", &count.to_string()]).args(message);
    command.args(["-f", "s@example.org", "-t", "r@example.net"]).arg(format!("127.0.0.1:{port}"));
    command
}

/// Messages a second of ours, out of a spool in memory or on the disk.
fn ours(tools: &Tools, memory: bool, transport: &str, workers: u32, count: u32) -> f64 {
    tasks::drain(tools, &tools.ours, memory, transport, workers, count).expect("drained").0.rate()
}

/// Into a server that costs almost nothing; from the disk also against that and the removal of as many synced files, which is
/// what a disk asks for besides.
pub fn sink(tools: &Tools) {
    if is_missing("smtp-sink", SOURCE, false) {
        return;
    }
    let sink = Sink::start();
    let count = tools.scale(20_000);
    for (memory, place) in [(true, "memory"), (false, "disk")] {
        for sessions in [1, 2, 4, 8] {
            let mut removals = Vec::new();
            let ours = || ours(tools, memory, &to_smtp(sink.port), sessions, count);
            let theirs = || {
                removals.push(removals_of(tools, memory, sessions, count));
                source(sink.port, sessions, count)
            };
            let name = format!("smtp-sink, {place}, {sessions} sessions / smtp-source");
            let (ours, theirs) = tools.compare(&name, "messages/s", ours, theirs);
            print_both("smtp-source", ours, theirs, removals);
        }
    }
}

/// A list post with a sender for each recipient, against as many separate messages; queued and drained, both.
pub fn verp(tools: &Tools) {
    if is_missing("verp", SINK, false) {
        return;
    }
    let sink = Sink::start();
    let count = tools.scale(100_000);
    let verp = || tasks::post(tools, &tools.ours, sink.port, true, count).expect("delivered").wall.as_secs_f64();
    let separate = || {
        let dir = tools.place(false);
        let site = Site::through(&tools.ours, dir.path(), &to_smtp(sink.port), "workers = 4");
        let one = |n| format!("From l@example.org Tue\n{}To: {}\n\nSmall.\n\n", tasks::LETTER, tasks::reader(n));
        let mbox = dir.path().join("box");
        std::fs::write(&mbox, (0..count).map(one).collect::<String>()).expect("written");
        (time_of(&mut site.submit(&mbox)) + time_of(&mut site.command(&["run"]))).as_secs_f64()
    };
    tools.compare("VERP / separate messages (at most 1.5)", "s", verp, separate);
}

/// A Postfix of its own that throws away what it takes.
pub struct Postfix<'t> {
    folder: PathBuf,
    pub port: u16,
    _tools: &'t Tools,
}

impl Postfix<'_> {
    pub fn start<'t>(tools: &'t Tools) -> Postfix<'t> {
        let folder = tools.place(false).path().to_owned();
        let (port, config) = (free_port(), folder.join("etc"));
        for name in ["etc", "spool", "data"] {
            std::fs::create_dir(folder.join(name)).expect("a folder");
        }
        let owner = nix::unistd::User::from_name("postfix").expect("users").expect("Postfix's own");
        nix::unistd::chown(&folder.join("data"), Some(owner.uid), None).expect("as root");
        // Postfix's own processes pass through.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&folder, open).expect("ours");
        let at = folder.display();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {at}/spool\ndata_directory = {at}/data\n\
             myhostname = bench.example.org\nmydestination =\nmynetworks = 127.0.0.0/8\ninet_protocols = ipv4\n\
             inet_interfaces = loopback-only\ndefault_transport = discard:\nalias_maps =\nlocal_recipient_maps =\n\
             maillog_file = {at}/log\nmaillog_file_prefixes = {at}\nsmtpd_client_connection_count_limit = 0\n"
        );
        std::fs::write(config.join("main.cf"), main).expect("written");
        let services = [
            &format!("127.0.0.1:{port} inet n - n - 100 smtpd"),
            "pickup unix n - n 1 1 pickup",
            "cleanup unix n - n - 0 cleanup",
            "qmgr unix n - n 300 1 qmgr",
            "rewrite unix - - n - - trivial-rewrite",
            "bounce unix - - n - 0 bounce",
            "defer unix - - n - 0 bounce",
            "trace unix - - n - 0 bounce",
            "discard unix - - n - - discard",
            "error unix - - n - - error",
            "retry unix - - n - - error",
            "proxymap unix - - n - - proxymap",
            "anvil unix - - n - 1 anvil",
            "scache unix - - n - 1 scache",
            "showq unix n - n - - showq",
            "flush unix n - n 1000? 0 flush",
            "postlog unix-dgram n - n - 1 postlogd",
        ];
        std::fs::write(config.join("master.cf"), services.map(|line| format!("{line}\n")).concat()).expect("written");
        Postfix::tell(&config, "start");
        wait_for(port);
        Postfix { folder, port, _tools: tools }
    }

    fn tell(config: &Path, what: &str) {
        let output = Command::new(POSTFIX).arg("-c").arg(config).arg(what).output().expect("it starts");
        assert!(output.status.success() || what == "stop", "{output:?}");
    }

    fn pipe(&self) -> String {
        let config = self.folder.join("etc").display().to_string();
        let command = ["/usr/sbin/sendmail", "-C", &config, "-oi", "-f", "{sender}", "--", "{recipients}"];
        format!("kind = \"pipe\"\nprofile = \"postfix\"\ncommand = {command:?}\n")
    }

    /// Waits until nothing is in its queue, so that what is measured next is alone.
    pub fn rest(&self) {
        let waits = |name: &str| {
            let folders = std::fs::read_dir(self.folder.join("spool").join(name)).into_iter().flatten().flatten();
            folders.count() > 0
        };
        wait_until("Postfix has thrown all away", || {
            !["maildrop", "incoming", "active"].iter().any(|name| waits(name))
        });
    }
}

impl Drop for Postfix<'_> {
    fn drop(&mut self) {
        Postfix::tell(&self.folder.join("etc"), "stop");
    }
}

/// Into a real Postfix, over SMTP and through its sendmail command.
pub fn postfix(tools: &Tools) {
    if is_missing("postfix", POSTFIX, true) {
        return;
    }
    let postfix = Postfix::start(tools);
    let count = tools.scale(5_000);
    // What suits it best is found first.
    let best = [4, 8, 16].map(|sessions| {
        postfix.rest();
        (source(postfix.port, sessions, count), sessions)
    });
    let (_, best) = best.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).expect("three");
    let theirs = || {
        postfix.rest();
        source(postfix.port, best, count)
    };
    let through = |transport: String, workers| {
        postfix.rest();
        ours(tools, false, &transport, workers, count)
    };
    let smtp = || through(to_smtp(postfix.port), best);
    tools.compare(&format!("Postfix, {best} sessions / smtp-source"), "messages/s", smtp, theirs);
    let pipe = || through(postfix.pipe(), 2);
    tools.compare(&format!("Postfix, {best} sessions / its sendmail command"), "messages/s", smtp, pipe);
}
