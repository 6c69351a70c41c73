//! A spool that is another's, which mail reaches through `drop/` alone.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::hosts::{self, Plain};
use super::{Site, feed};

/// Two users without rights, and the service.
pub const MARA: u32 = 65_531;
pub const NILS: u32 = 65_532;
pub const SERVICE: u32 = 65_533;

/// A folder with this mode and, where we are root, this owner.
pub fn folder(path: &Path, mode: u32, uid: u32) {
    std::fs::create_dir_all(path).expect("a folder");
    if hosts::is_root() {
        chown(path, Some(uid), Some(uid)).expect("chown");
    }
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("a mode");
}

/// A site whose spool is `uid`'s and has nothing but its drop folder; mail ends in a Maildir in there.
pub fn shared(uid: u32, extra: &str) -> Site {
    let site = Site::new("ok", "");
    let text = format!(
        "{extra}\n[queue.outbound]\ntransport = \"m\"\nworkers = 2\n[transport.m]\nkind = \"maildir\"\npath = {:?}\n",
        site.path("spool/Maildir")
    );
    site.configure(&if extra.contains("[limits]") { text } else { format!("[limits]\nmin_free = \"0\"\n{text}") });
    for (path, mode) in [(site.path("bulkmailer.toml"), 0o644), (site.path(""), 0o711)] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("a mode");
    }
    folder(&site.path("spool"), 0o711, uid);
    folder(&site.path("spool/drop"), 0o3733, uid);
    site
}

/// A site of the user who runs the tests.
pub fn own(extra: &str) -> Site {
    shared(nix::unistd::geteuid().as_raw(), extra)
}

pub fn by(site: &Site, plain: &Plain, args: &[&str], input: &[u8]) -> Output {
    let mut command = plain.command("0", args);
    command.env("BULKMAILER_SPOOL", site.path("spool")).env("BULKMAILER_CONFIG", site.path("bulkmailer.toml"));
    feed(command, input)
}

#[track_caller]
pub fn ok(output: &Output) -> String {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// What arrived, sorted.
pub fn arrived(site: &Site) -> Vec<String> {
    let new = std::fs::read_dir(site.path("spool/Maildir/new")).into_iter().flatten().flatten();
    let mut found: Vec<String> = new.map(|file| std::fs::read_to_string(file.path()).expect("text")).collect();
    found.sort();
    found
}

pub fn dropped(site: &Site) -> Vec<PathBuf> {
    std::fs::read_dir(site.path("spool/drop")).expect("drop/").flatten().map(|file| file.path()).collect()
}

/// A drop file's text: its envelope with these fields, and `message`.
pub fn text(fields: &str, message: &str) -> String {
    format!("{{\"size\":{:>20},\"v\":1,\"id\":\"a1\",{fields}}}\n\n{message}", message.len())
}

pub const FIELDS: &str = "\"sender\":\"s@x.org\",\"recipient\":\"r@x.org\",\"submitted\":1,\"uid\":0";

/// Puts a file of ours there, as a program of one's own might; it is renamed in, whole.
pub fn put(site: &Site, name: &str, text: &str) -> PathBuf {
    let (made, path) = (site.path("made"), site.path("spool/drop").join(name));
    std::fs::write(&made, text).expect("written");
    std::fs::rename(&made, &path).expect("renamed");
    path
}

/// Puts a file of the user's into drop/.
pub fn put_of(site: &Site, uid: u32, name: &str, text: &str) {
    chown(put(site, name, text), Some(uid), None).expect("chown");
}

/// Whether the user may read the file; for root alone to ask.
pub fn reads(uid: u32, path: &Path) -> bool {
    let mut cat = Command::new("setpriv");
    cat.args([&format!("--reuid={uid}"), &format!("--regid={uid}"), "--clear-groups", "cat"]).arg(path);
    cat.output().expect("setpriv").status.success()
}

/// Asserts that `check` finds nothing wrong but with files in drop/.
pub fn clean_but_for_drop(site: &Site) {
    let report: serde_json::Value = serde_json::from_slice(&site.try_run(&["check", "--json"]).stdout).expect("JSON");
    let problems = report["problems"].as_array().expect("a list");
    assert!(
        problems.iter().all(|found| found["path"].as_str().is_some_and(|path| path.contains("/drop/"))),
        "{report}"
    );
}

pub fn skipped() -> bool {
    if !hosts::is_root() {
        eprintln!("skipped: only root can act as several users");
    }
    !hosts::is_root()
}

/// Has everything deferred, so that it waits.
pub fn defer(site: &Site) {
    let config = std::fs::read_to_string(site.path("bulkmailer.toml")).expect("text");
    site.configure(
        &config
            .replace("kind = \"maildir\"", "kind = \"pipe\"\nprofile = \"postfix\"")
            .replace("path = ", "command = [\"/bin/sh\", \"-c\", \"echo 4.2.2; exit 75\", \"{recipients}\"] # "),
    );
    std::fs::set_permissions(site.path("bulkmailer.toml"), PermissionsExt::from_mode(0o644)).expect("a mode");
}
