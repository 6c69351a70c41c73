//! A host that is connected now and then: a laptop and its relay, each in a network of its own with a cable between them,
//! a real msmtp, and the script that NetworkManager, ifupdown and ppp call.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use crate::support::{self, Site, message, wait_until};

/// The relay's side. `$LAPTOP` is a process in the laptop's network; the cable is unplugged at the beginning.
const NETWORK: &str = "\
    trap 'kill $LAPTOP $SMTP 2>/dev/null' EXIT\n\
    ip link set lo up || exit 9\n\
    unshare -n sleep 3600 </dev/null >/dev/null 2>&1 & LAPTOP=$!\n\
    until [ \"$(readlink /proc/$LAPTOP/ns/net)\" != \"$(readlink /proc/$$/ns/net)\" ]; do kill -0 $LAPTOP || exit 9; done\n\
    ip link add relay0 type veth peer name lap0 netns $LAPTOP || exit 9\n\
    ip addr add 10.77.7.1/24 dev relay0 && ip link set relay0 up || exit 9\n\
    nsenter -t $LAPTOP -n ip addr add 10.77.7.2/24 dev lap0 || exit 9\n\
    \"$@\" </dev/null & SMTP=$!\n\
    echo $LAPTOP >&2\n\
    while read -r script; do ( eval \"$script\" ) >/dev/null && echo yes || echo no; done\n";

struct Network {
    shell: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    laptop: String,
}

impl Network {
    /// `None`, and a line, where this system cannot have it.
    fn new(log: &Path) -> Option<Network> {
        let built = log.with_file_name("smtp");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/smtp.c");
        assert!(Command::new("cc").arg("-o").arg(&built).arg(source).status().expect("cc").success());
        // A plain user stays himself: who is root there, on a host of another's files, can trust no configuration.
        let flags: &[&str] = if nix::unistd::geteuid().is_root() { &["-n"] } else { &["-cn", "--keep-caps"] };
        let mut unshare = Command::new("unshare");
        unshare.args(flags).args(["sh", "-c", NETWORK, "sh"]).arg(&built).arg(log);
        unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut shell = unshare.spawn().ok()?;
        let (input, output) = (shell.stdin.take(), BufReader::new(shell.stdout.take()?));
        let mut network = Network { shell, input, output, laptop: String::new() };
        let mut ready = String::new();
        network.output.read_line(&mut ready).ok()?;
        let mut first = String::new();
        let mut said = BufReader::new(network.shell.stderr.take()?);
        said.read_line(&mut first).ok()?;
        if ready != "ready\n" || first.trim().parse::<u32>().is_err() {
            eprintln!("skipped: 'unshare {}' and ip(8) give no network here: {first}", flags.join(" "));
            return None;
        }
        network.laptop = first.trim().to_owned();
        Some(network)
    }

    /// Runs a script on the relay's side, where the laptop's network is entered; whether it succeeded.
    fn sh(&mut self, script: &str) -> bool {
        let input = self.input.as_mut().expect("it lives");
        writeln!(input, "{script}").and_then(|()| input.flush()).expect("it listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it answers");
        line == "yes\n"
    }

    fn plug(&mut self, state: &str) {
        let enter = format!("nsenter -t {} -n", self.laptop);
        assert!(self.sh(&format!("{enter} ip link set lap0 {state}")));
    }

    /// A command on the laptop.
    fn on_laptop(&self, site: &Site, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("-t").arg(&self.laptop);
        if nix::unistd::geteuid().is_root() {
            command.arg("-n");
        } else {
            command.args(["-U", "-n", "--preserve-credentials"]);
        }
        command.arg(program).args(args).stdin(Stdio::null());
        let path = format!("{}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", site.path("bin").display());
        command.env_remove("BULKMAILER_FAULT").env("PATH", path);
        command.env("BULKMAILER_SPOOL", site.path("spool")).env("BULKMAILER_CONFIG", site.path("bulkmailer.toml"));
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.shell.wait();
    }
}

fn contrib(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(inside)
}

/// What NetworkManager tells its dispatcher's scripts.
fn dispatched(network: &Network, site: &Site, action: &str) -> Command {
    let mut command = network.on_laptop(site, &contrib("network/bulkmailer"), &["lap0", action]);
    command.env("NM_DISPATCHER_ACTION", action).env("CONNECTIVITY_STATE", "FULL");
    command
}

fn silent(output: &Output) {
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

/// A laptop's site: two accounts, of which msmtp chooses by the From field; `extra` is more of its configuration.
fn laptop(extra: &str) -> Site {
    let site = Site::new("ok", "");
    std::fs::create_dir(site.path("bin")).expect("a folder");
    symlink(env!("CARGO_BIN_EXE_bulkmailer"), site.path("bin/bulkmailer")).expect("a link");
    // What goes to the log of the real host is of no interest there.
    support::program(&site.path("bin/logger"), "#!/bin/sh\nexec cat >&2\n");
    let account = |name: &str, from: &str| format!("account {name}\nhost 10.77.7.1\nport 2525\nfrom {from}\n");
    let (home, work) = (account("home", "mara@home.example"), account("work", "mara@work.example"));
    std::fs::write(site.path("msmtprc"), format!("defaults\ntimeout 20\n{home}{work}account default : home\n"))
        .expect("written");
    std::fs::set_permissions(site.path("msmtprc"), PermissionsExt::from_mode(0o600)).expect("a mode");
    site.configure(&format!(
        "[limits]\nmin_free = \"0\"\n[queue.outbound]\ntransport = \"msmtp\"\nworkers = 2\n{extra}\n[transport.msmtp]\n\
         kind = \"pipe\"\ncommand = [\"/usr/bin/msmtp\", \"-C\", {:?}, \"-f\", \"{{sender}}\", \"--\", \
         \"{{recipients}}\"]\n",
        site.path("msmtprc")
    ));
    site
}

fn taken(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    lines.sort();
    lines
}

fn is_here() -> bool {
    let there = Path::new("/usr/bin/msmtp").exists();
    if !there {
        eprintln!("skipped: msmtp is not here; tests/setup installs it");
    }
    there
}

#[test]
fn unplugged_nothing_is_lost_or_ages_and_one_launch_sends_all_of_it_when_the_cable_is_plugged_in() {
    through_an_outage("");
}

#[test]
fn the_same_where_the_configuration_says_how_to_find_out() {
    // Nothing that is tried could wait for longer.
    through_an_outage(
        "retry = { first = \"1s\", max = \"1s\", expire = \"1s\" }\n[online]\nconnect = \"10.77.7.1:2525\"",
    );
}

fn through_an_outage(extra: &str) {
    if !is_here() {
        return;
    }
    let site = laptop(extra);
    let log = site.path("relay");
    let Some(mut network) = Network::new(&log) else { return };
    let from = |n: u32| ["mara@home.example", "mara@work.example", "mara@elsewhere.example"][n as usize % 3];
    for n in 0..6 {
        let mut submit =
            network.on_laptop(&site, &contrib("laptop/msmtpq"), &["-a", "home", "--read-recipients", "-oi"]);
        submit.stdin(Stdio::piped());
        let mail = message(n).replace("From: s@example.org", &format!("From: {}\nTo: r{n}@example.net", from(n)));
        silent(&support::feed(submit, mail.as_bytes()));
    }
    let queued = names(&site);
    assert_eq!(queued.len(), 6);
    // Unplugged: the script comes several times at once, and for what is no network; so do cron and the timer.
    let mut at_once: Vec<Child> = ["up", "up", "up", "down", "pre-up", "dhcp4-change"]
        .iter()
        .map(|action| dispatched(&network, &site, action).spawn().expect("it starts"))
        .collect();
    at_once.extend((0..2).map(|_| {
        let mut run = network.on_laptop(&site, &site.path("bin/bulkmailer"), &["run"]);
        run.stderr(Stdio::null()).spawn().expect("it starts")
    }));
    for child in &mut at_once {
        child.wait().expect("it ends");
    }
    // What the script started in the background has ended, too.
    wait_until("nobody works there", || !is_at_work(&site));
    // One that the script was about to start may have the queue once more; then this launch ends at once, with 0.
    let launch = || network.on_laptop(&site, &site.path("bin/bulkmailer"), &["run"]).output().expect("it starts");
    let run = std::iter::repeat_with(launch).take(50).find(|run| run.status.code() != Some(0));
    assert_eq!(run.as_ref().and_then(|run| run.status.code()), Some(75), "{run:?}");
    assert_eq!(names(&site), queued, "an entry has moved");
    assert!(site.list().iter().all(|row| row["attempts"] == 0 && row["state"] == "ready"), "{:?}", site.list());
    assert!(taken(&log).is_empty());
    // Plugged in, and the script is called once.
    network.plug("up");
    silent(&dispatched(&network, &site, "up").output().expect("it starts"));
    wait_until("all of it has left", || site.list().is_empty());
    let expected: Vec<String> = (0..6).map(|n| format!("{n} {} r{n}@example.net", from(n))).collect();
    assert_eq!(taken(&log), expected);
    wait_until("nobody works there", || !is_at_work(&site));
    site.assert_clean();
}

/// The names of the entries, which tell when each is due.
fn names(site: &Site) -> Vec<String> {
    site.tree().into_iter().filter(|line| line.contains("/ready/") || line.contains("/journal/")).collect()
}

/// Whether a process has this site's spool in its environment and is the program.
fn is_at_work(site: &Site) -> bool {
    let spool = site.path("spool").display().to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.into_iter().any(|process| {
        let read = |file: &str| std::fs::read(process.path().join(file)).unwrap_or_default();
        let own = process.file_name().to_str() == Some(&std::process::id().to_string());
        !own && read("comm").starts_with(b"bulkmailer") && String::from_utf8_lossy(&read("environ")).contains(&spool)
    })
}

#[test]
fn the_script_passes_over_what_is_no_new_network() {
    let site = laptop("");
    let run = |vars: &[(&str, &str)], args: &[&str]| {
        let called = site.path("called");
        let _ = std::fs::remove_file(&called);
        let text = format!("#!/bin/sh\necho \"$@\" > {0}.new && mv {0}.new {0}\n", called.display());
        support::program(&site.path("bin/bulkmailer"), &text);
        let mut command = Command::new(contrib("network/bulkmailer"));
        let path = format!("{}:/usr/bin:/bin", site.path("bin").display());
        silent(&command.args(args).env_clear().env("PATH", path).envs(vars.iter().copied()).output().expect("sh"));
        called
    };
    // NetworkManager, ifupdown, ppp.
    for (vars, args) in [
        (&[("NM_DISPATCHER_ACTION", "up")][..], &["eth0", "up"][..]),
        (&[("NM_DISPATCHER_ACTION", "vpn-up")], &["tun0", "vpn-up"]),
        (
            &[("NM_DISPATCHER_ACTION", "connectivity-change"), ("CONNECTIVITY_STATE", "FULL")],
            &["none", "connectivity-change"],
        ),
        (&[("IFACE", "eth0"), ("MODE", "start")], &[]),
        (&[("PPP_IFACE", "ppp0")], &["ppp0", "/dev/ttyS0", "115200", "10.0.0.1", "10.0.0.2", ""]),
    ] {
        let called = run(vars, args);
        wait_until("the flush is started", || called.exists());
        assert_eq!(std::fs::read_to_string(called).expect("text"), "flush --quiet\n");
    }
    for (vars, args) in [
        (&[("NM_DISPATCHER_ACTION", "down")][..], &["eth0", "down"][..]),
        (
            &[("NM_DISPATCHER_ACTION", "connectivity-change"), ("CONNECTIVITY_STATE", "NONE")],
            &["none", "connectivity-change"],
        ),
        (&[("NM_DISPATCHER_ACTION", "up")], &["lo", "up"]),
        (&[("IFACE", "lo")], &[]),
        (&[("IFACE", "--all")], &[]),
    ] {
        assert!(!run(vars, args).exists(), "{vars:?} {args:?}");
    }
}
