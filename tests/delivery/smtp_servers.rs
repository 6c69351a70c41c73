//! Delivery to servers that others wrote, as Debian packages them: Postfix's smtp-sink with its faults, Python's aiosmtpd,
//! Dovecot by LMTP. Whole MTAs have their turn in the rig. What is not installed is skipped, with a line.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::server::letters::{FIRST, queue, recipients, text, verdicts};
use crate::support::server::{ends, lead_to};
use crate::support::{self, Site, wait_until};

const LATER: &str = "retry = { first = \"1d\", max = \"1d\" }";

/// A server that is ended with its test.
struct Foreign {
    child: Child,
    connect: String,
}

impl Drop for Foreign {
    fn drop(&mut self) {
        support::signal("TERM", self.child.id());
        let _ = self.child.wait();
    }
}

fn is_there(path: &str, what: &str) -> bool {
    let there = Path::new(path).exists();
    if !there {
        eprintln!("skipped: {path} is not here, so nothing is delivered to {what}; tests/setup installs it");
    }
    there
}

fn new_site() -> Site {
    Site { dir: tempfile::tempdir().expect("a temporary folder") }
}

fn lead(site: &Site, kind: &str, server: &Foreign, queue: &str) {
    lead_to(site, kind, &[&server.connect], queue, "timeout = \"20s\"");
}

fn connects(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

/// Every file below `folder` whose path has `part`.
fn files(folder: &Path, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path, part)),
            path if path.to_string_lossy().contains(part) => found.push(path),
            _ => {}
        }
    }
    found
}

/// smtp-sink with these options; what it takes goes into the folder `sink` of the site.
fn sink(site: &Site, options: &[&str]) -> Foreign {
    let socket = site.path("sink.socket");
    let _ = std::fs::remove_file(&socket);
    std::fs::create_dir_all(site.path("sink")).expect("a folder");
    let connect = format!("unix:{}", socket.display());
    let mut command = Command::new("/usr/sbin/smtp-sink");
    if nix::unistd::geteuid().is_root() {
        command.args(["-u", "root"]);
    }
    command.arg("-d").arg(site.path("sink/m.")).args(options).arg(&connect).arg("64");
    let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("smtp-sink");
    wait_until("smtp-sink listens", || connects(&socket));
    Foreign { child, connect }
}

/// How often smtp-sink got a message for each recipient, whole.
fn sunk(site: &Site) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    for path in files(&site.path("sink"), "/m.") {
        let text = std::fs::read_to_string(&path).expect("text");
        // One that it did not take is there as well, without its end.
        if !text.contains("\nEND\n") {
            continue;
        }
        for line in text.lines().filter(|line| line.starts_with("X-Rcpt-Args: ")) {
            let to = line.split(['<', '>']).nth(1).expect("an address").to_owned();
            *found.entry(to).or_default() += 1;
        }
    }
    found
}

#[test]
fn smtp_sink_gets_everything_once() {
    if !is_there("/usr/sbin/smtp-sink", "smtp-sink") {
        return;
    }
    for (kind, options) in
        [("smtp", &[][..]), ("smtp", &["-p"]), ("smtp", &["-e"]), ("smtp", &["-8", "-E"]), ("lmtp", &["-L"])]
    {
        let site = new_site();
        let server = sink(&site, options);
        lead(&site, kind, &server, "workers = 4");
        queue(&site, 200);
        assert_eq!(ends(&site, &["run"]), (0, String::new()), "{options:?}");
        let found = sunk(&site);
        let all: Vec<String> = (FIRST..FIRST + 200).flat_map(recipients).collect();
        assert!(all.iter().all(|to| found.get(to) == Some(&1)) && found.len() == all.len(), "{options:?}");
        assert!(site.list().is_empty());
        site.assert_clean();
    }
}

#[test]
fn smtp_sinks_faults_are_judged_as_they_are_meant() {
    if !is_there("/usr/sbin/smtp-sink", "smtp-sink") {
        return;
    }
    // "" is no verdict at all: the sink is down.
    for (options, verdict) in [
        (["-f", "connect"], ""),
        (["-r", "connect"], ""),
        (["-q", "connect"], ""),
        (["-q", "ehlo"], ""),
        (["-r", "ehlo"], ""),
        (["-Q", "ehlo"], ""),
        (["-q", "mail"], ""),
        (["-Q", "mail"], ""),
        (["-r", "mail"], ""),
        (["-f", "mail"], "failed"),
        (["-q", "rcpt"], ""),
        (["-r", "rcpt"], "deferred"),
        (["-f", "rcpt"], "failed"),
        (["-q", "data"], ""),
        (["-r", "data"], "deferred"),
        (["-f", "data"], "failed"),
        (["-q", "."], "unknown"),
        (["-r", "."], "deferred"),
        (["-Q", "."], "deferred"),
        (["-f", "."], "failed"),
        (["-q", "quit"], "delivered"),
        (["-f", "ehlo"], "delivered"),
        (["-f", "quit"], "delivered"),
    ] {
        let site = new_site();
        let server = sink(&site, &options);
        lead(&site, "smtp", &server, LATER);
        queue(&site, 5);
        let (status, said) = ends(&site, &["run"]);
        let told = verdicts(&site);
        let wanted = if verdict.is_empty() { (75, 0) } else { (0, 10) };
        assert_eq!((status, told.len()), wanted, "{options:?}: {said} {told:?}");
        assert!(told.values().all(|told| told == &[verdict]), "{options:?}: {told:?}");
        if verdict.is_empty() {
            assert!(site.list().iter().all(|row| row["attempts"] == 0), "{options:?}");
        }
        drop(server);
        let server = sink(&site, &[]);
        lead(&site, "smtp", &server, LATER);
        assert_eq!(ends(&site, &["flush", "-q"]).0, 0, "{options:?}");
        assert!(site.ids("ready").is_empty(), "{options:?}");
        // It writes a message down even where it says that it did not take it.
        let twice = options == ["-q", "."] || options == ["-r", "."] || options == ["-Q", "."];
        let (found, most) = (sunk(&site), if twice { 2 } else { 1 });
        assert!(verdict == "failed" || found.len() == 10, "{options:?}: {found:?}");
        assert!(found.values().all(|&times| times <= most), "{options:?}: {found:?}");
    }
}

/// aiosmtpd; what it takes goes into the folder `taken` of the site.
fn aiosmtpd(site: &Site, options: &[&str]) -> Foreign {
    std::fs::create_dir_all(site.path("taken")).expect("a folder");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/aiosmtpd_server.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg(script).arg(site.path("taken")).args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python3");
    let mut port = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut port).expect("its port");
    Foreign { connect: format!("tcp:127.0.0.1:{}", port.trim()), child }
}

#[test]
fn aiosmtpd_gets_everything_once_and_byte_for_byte() {
    if !is_there("/usr/lib/python3/dist-packages/aiosmtpd/smtp.py", "aiosmtpd") {
        return;
    }
    for options in [&[][..], &["SMTPUTF8"]] {
        let site = new_site();
        let server = aiosmtpd(&site, options);
        lead(&site, "smtp", &server, &format!("workers = 4\n{LATER}"));
        queue(&site, 60);
        let submit = |to: &[&str]| {
            let args = [&["submit", "-f", "s@b.example", "--"], to].concat();
            let output = site.feed(&args, text(99_999).as_bytes());
            assert!(output.status.success(), "{output:?}");
        };
        submit(&["nobody@c.example", "good@c.example"]);
        submit(&["b\u{fc}cher@c.example", "plain@c.example"]);
        assert_eq!(ends(&site, &["run"]), (0, String::new()), "{options:?}");
        let mut came: HashMap<String, usize> = HashMap::new();
        for path in files(&site.path("taken"), "") {
            let taken = std::fs::read_to_string(path).expect("text");
            let (head, content) = taken.split_once("\n\n").expect("an envelope");
            let n: usize =
                content.split("X-Number: ").nth(1).and_then(|rest| rest[..5].parse().ok()).expect("a number");
            assert!(
                content.starts_with("Received: by ") && content.ends_with(&text(n).replace('\n', "\r\n")),
                "{content:?}"
            );
            for to in head.lines().skip(1) {
                *came.entry(to.to_owned()).or_default() += 1;
            }
        }
        let utf8 = options.contains(&"SMTPUTF8");
        let mut all: Vec<String> = (FIRST..FIRST + 60).flat_map(recipients).collect();
        all.extend(["good@c.example", "plain@c.example"].map(str::to_owned));
        all.extend(utf8.then(|| "b\u{fc}cher@c.example".to_owned()));
        assert!(all.iter().all(|to| came.get(to) == Some(&1)) && came.len() == all.len(), "{options:?}: {came:?}");
        let told = verdicts(&site);
        assert_eq!(told["nobody@c.example"], ["failed"]);
        assert_eq!(told["b\u{fc}cher@c.example"], [if utf8 { "delivered" } else { "failed" }]);
        let named =
            site.events().into_iter().find(|event| event["recipient"] == "b\u{fc}cher@c.example").expect("an event");
        assert!(utf8 || named["status"] == "5.6.7", "{named}");
    }
}

/// Dovecot's LMTP server on a socket of the site, for users r10000.0 and so on of c.example; its mail is in `mail`.
fn dovecot(site: &Site, users: &str) -> Foreign {
    let root = nix::unistd::geteuid().is_root();
    // Mail is nobody's where we are root, who cannot have any.
    let (uid, gid) =
        if root { (65_534, 65_534) } else { (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()) };
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().expect("a name").name;
    let group = nix::unistd::Group::from_gid(nix::unistd::getegid()).ok().flatten().expect("a name").name;
    let dir = site.dir.path().display().to_string();
    std::fs::set_permissions(site.dir.path(), PermissionsExt::from_mode(0o755)).expect("a mode");
    std::fs::create_dir_all(site.path("mail")).expect("a folder");
    if root {
        chown(site.path("mail"), Some(uid), Some(gid)).expect("chown");
    }
    let lines: String =
        users.lines().map(|user| format!("{user}:{{PLAIN}}x:{uid}:{gid}::{dir}/mail/{user}::\n")).collect();
    std::fs::write(site.path("users"), lines).expect("written");
    let config = format!(
        "base_dir = {dir}/run\nstate_dir = {dir}/run\nlog_path = {dir}/dovecot.log\ninstance_name = test\nprotocols = lmtp\n\
         ssl = no\nmail_location = maildir:~/Maildir\nfirst_valid_uid = 1\ndefault_internal_user = {user}\n\
         default_internal_group = {group}\ndefault_login_user = {user}\nlda_mailbox_autocreate = yes\n\
         lmtp_save_to_detail_mailbox = no\npostmaster_address = p@c.example\nhostname = test.example\n\
         passdb {{\n driver = passwd-file\n args = username_format=%n {dir}/users\n}}\n\
         userdb {{\n driver = passwd-file\n args = username_format=%n {dir}/users\n}}\n\
         service anvil {{\n chroot =\n}}\nservice stats {{\n chroot =\n}}\n\
         service lmtp {{\n chroot =\n unix_listener {dir}/lmtp.socket {{\n mode = 0666\n }}\n}}\n"
    );
    std::fs::write(site.path("dovecot.conf"), config).expect("written");
    let mut command = Command::new("/usr/sbin/dovecot");
    command.arg("-F").arg("-c").arg(site.path("dovecot.conf")).stdin(Stdio::null());
    let child = command.spawn().expect("dovecot");
    let socket = site.path("lmtp.socket");
    wait_until("dovecot listens", || connects(&socket));
    Foreign { child, connect: format!("unix:{}", socket.display()) }
}

#[test]
fn dovecot_gets_everything_once_by_lmtp() {
    if !is_there("/usr/lib/dovecot/lmtp", "Dovecot") {
        return;
    }
    let site = new_site();
    let users: Vec<String> = (FIRST..FIRST + 40).flat_map(recipients).map(|to| to.replace("@c.example", "")).collect();
    // One of each third message is not known there.
    let known: Vec<&str> =
        users.iter().enumerate().filter(|(i, _)| i % 6 != 1).map(|(_, user)| user.as_str()).collect();
    let server = dovecot(&site, &known.join("\n"));
    lead(&site, "lmtp", &server, &format!("workers = 2\n{LATER}"));
    queue(&site, 40);
    let (status, said) = ends(&site, &["run"]);
    let log = || std::fs::read_to_string(site.path("dovecot.log")).unwrap_or_default();
    assert_eq!((status, said.as_str()), (0, ""), "{}", log());
    let told = verdicts(&site);
    for (i, user) in users.iter().enumerate() {
        let verdict = if i % 6 == 1 { "failed" } else { "delivered" };
        let to = format!("{user}@c.example");
        assert_eq!(told[&to], [verdict], "{to}: {:?}", log());
        let mail = files(&site.path("mail").join(user), "/new/");
        assert_eq!(mail.len(), usize::from(verdict == "delivered"), "{to}");
        let n: usize = user[1..6].parse().expect("a number");
        for path in mail {
            let content = std::fs::read_to_string(path).expect("text").replace("\r\n", "\n");
            assert!(content.ends_with(&text(n)), "{content}");
        }
    }
    site.assert_clean();
}
