//! The spools that older programs made, unpacked: what is in them, and where all of it must be when it was worked off. They lie in
//! tests/spools, with the script that had the programs of their time make them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Site, crash, sink};

/// The queues of the old spools, all through the recording sink.
const QUEUES: [&str; 6] = ["outbound", "careful", "noisy", "down", "half", "stopped"];

/// The folder of the old spools.
pub fn spools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spools")
}

/// A site with the spool that is packed in the file `packed`.
pub fn unpacked(packed: &Path) -> Site {
    let site = Site { dir: tempfile::tempdir().expect("a temporary folder") };
    let mut text = "[limits]\nmin_free = \"0\"\n".to_owned();
    for queue in QUEUES {
        let hold = if queue == "careful" { "on_crash = \"hold\"\n" } else { "" };
        text += &format!("[queue.{queue}]\ntransport = \"sink\"\nworkers = 2\n{hold}");
    }
    text += &format!(
        "[queue.bounce]\ntransport = \"unread\"\n[transport.unread]\nkind = \"maildir\"\npath = {:?}\n[transport.sink]\n\
         kind = \"pipe\"\nrate = \"100000/s\"\nprofile = \"postfix\"\ncommand = [{:?}, \"ok\", {:?}, \"-f\", \"{{sender}}\", \
         \"--\", \"{{recipients}}\"]\n",
        site.path("unread"),
        sink().display().to_string(),
        site.path("log").display().to_string()
    );
    site.configure(&text);
    // As of now: no sweep is due, and nothing was kept for long.
    let mut tar = Command::new("tar");
    tar.args(["-x", "-z", "-p", "-m", "--no-same-owner", "-f"]).arg(packed).arg("-C").arg(site.dir.path());
    assert!(tar.status().expect("tar starts").success());
    site
}

pub fn old() -> Site {
    unpacked(&spools().join("format-1.tar.gz"))
}

pub fn version(site: &Site) -> String {
    std::fs::read_to_string(site.path("spool/version")).expect("a number").trim().to_owned()
}

/// Lists and shows everything; what the list says of each entry.
pub fn look(site: &Site) -> BTreeMap<String, String> {
    let rows = site.list();
    for row in &rows {
        let id = row["id"].as_str().expect("an id");
        site.ok(&["show", id]);
        site.ok(&["show", id, "--json"]);
    }
    let jobs = site.ok(&["jobs", "list", "--json"]);
    let jobs: Vec<serde_json::Value> = jobs.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for job in &jobs {
        site.ok(&["jobs", "show", job["job"].as_str().expect("an id")]);
    }
    let mut states: Vec<_> = jobs.iter().map(|job| job["state"].as_str().unwrap_or_default()).collect();
    states.sort_unstable();
    states.dedup();
    assert_eq!(states, ["at work", "cancelled", "done", "ended", "paused"]);
    for args in [
        &["list"][..],
        &["list", "--state", "corrupt"],
        &["jobs", "list"],
        &["bounces", "list"],
        &["suppress", "list"],
        &["config", "show"],
        &["--version"],
    ] {
        site.ok(args);
    }
    site.try_run(&["status"]);
    site.try_run(&["status", "--json"]);
    site.try_run(&["check"]);
    let said = |row: &serde_json::Value| row["recipients"].to_string() + row["state"].as_str().unwrap_or_default();
    rows.iter().map(|row| (row["id"].to_string(), said(row))).collect()
}

/// Lets go on what persons stopped, works all off, and asserts where each recipient is.
pub fn work_off(site: &Site) {
    let jobs = site.ok(&["jobs", "list", "--json"]);
    for line in jobs.lines() {
        let job: serde_json::Value = serde_json::from_str(line).expect("JSON");
        if job["state"] == "paused" {
            site.ok(&["jobs", "resume", job["job"].as_str().expect("an id")]);
        }
    }
    site.ok(&["start"]);
    site.ok(&["release", "--sender", "sender@example.org", "--queue", "outbound", "--yes"]);
    site.try_run(&["flush", "--quiet"]);
    crash::wait_for_the_lock(site);
    site.try_run(&["run", "--quiet"]);
    let mut got: BTreeMap<String, u32> = BTreeMap::new();
    // Number, sender, "whole", recipients. A notice, which has no sender, is of what failed.
    for line in std::fs::read_to_string(site.path("log")).expect("something was delivered").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if words[1] != "<>" {
            assert_eq!(words[2], "whole", "{line}");
            for to in &words[3..] {
                *got.entry(to.split('@').next().unwrap_or_default().to_owned()).or_default() += 1;
            }
        }
    }
    let ok = "s1 s2 s3 s4 s5 open at held b1 b2 b3 r1 r2 r3 v1 v2 v3 w1 w2 down stopped f2 drop-outbound drop-careful";
    let names = ok.split(' ').map(|name| format!("ok-{name}"));
    let more = ["x75-one", "x75-m3", "die-f1"].map(str::to_owned);
    let wanted: BTreeMap<String, u32> = names.chain(more).map(|name| (name, 1)).collect();
    assert_eq!(got, wanted);
    let mut left: Vec<String> = Vec::new();
    for row in site.list() {
        for to in row["recipients"].as_array().expect("a list") {
            let name = to.as_str().and_then(|to| to.split('@').next()).unwrap_or_default();
            left.push(format!("{} {name}", row["state"].as_str().unwrap_or_default()));
        }
    }
    left.sort();
    let failed =
        ["gone", "x67-n1", "x67-n2", "x67-n3", "x67-one", "x67-q1", "x67-q2"].map(|name| format!("failed {name}"));
    let mut wanted = failed.to_vec();
    wanted.extend(["hold die".to_owned(), "ready late".to_owned()]);
    assert_eq!(left, wanted);
    assert_eq!(site.ok(&["suppress", "export", "--json"]).lines().count(), 2);
    let jobs = site.ok(&["jobs", "list", "--json"]);
    for line in jobs.lines() {
        let job: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(job["left"] == 0 || job["state"] == "cancelled", "{job}");
    }
    assert!(site.ok(&["list", "--state", "corrupt"]).contains("sender@example.org"));
    site.assert_clean();
    assert_eq!(version(site), "2");
}
