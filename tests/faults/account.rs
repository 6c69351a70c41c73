//! What must hold after a fault, whatever it was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::scene::{Act, Scene, Template};
use crate::support::{Site, crash};
use crate::sweep::Struck;

/// Statuses of a command that could not do all of its work, or not read its configuration.
const STATUSES: [i32; 4] = [70, 74, 75, 78];

/// Plays the scene to its end, and asserts that all of it came right.
pub fn judge(scene: &Scene, template: &Template, struck: &Struck) {
    let (site, act) = (&scene.site, template.act);
    assert_said(act, struck);
    crash::wait_for_the_lock(site);
    let promised = Promised::of(template, struck);
    if struck.kills == 0 && struck.kind != "unlinkat" {
        crash::assert_tmp_is_empty(site, "after the fault");
    }
    assert_eq!(files(&template.site.path("spool/other")), files(&site.path("spool/other")), "another queue");
    assert_in_order(site, "after the fault");
    if struck.output.status.success() && struck.kills == 0 {
        assert_done(site, template);
    }
    again(scene, template);
    assert_in_order(site, "after the command came again");
    assert_done(site, template);
    scene.heal(act);
    settle(site, act);
    assert_came(scene, template, struck, &promised);
    assert_in_order(site, "at the end");
}

/// Killed; or all is well; or a status, and the reason in one line.
fn assert_said(act: Act, struck: &Struck) {
    let output = &struck.output;
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{text}");
    if crash::was_killed(output) {
        return;
    }
    let status = output.status.code().expect("by itself");
    let lines = text.lines().count();
    assert!(status == 0 || STATUSES.contains(&status), "{act:?}: {output:?}");
    assert!(status == 0 || struck.mute || struck.kills > 0 || lines > 0, "{act:?}: no reason: {output:?}");
    assert!(lines <= struck.failed.max(1) || struck.kills > 0, "{act:?}: {lines} lines: {output:?}");
}

fn assert_in_order(site: &Site, when: &str) {
    let output = site.try_run(&["check"]);
    assert!(output.status.success(), "check, {when}: {}", String::from_utf8_lossy(&output.stdout));
}

/// The command without a fault finishes what is left.
fn again(scene: &Scene, template: &Template) {
    if template.act == Act::Serve {
        return;
    }
    let args = template.args();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let output = scene.site.try_run(&words);
    assert!(output.status.success() && output.stderr.is_empty(), "again: {output:?}");
}

/// Who is to get something in the end.
struct Promised {
    sure: BTreeSet<String>,
    /// Of whom nothing was said before the end.
    perhaps: BTreeSet<String>,
}

impl Promised {
    /// What lay in the spool, and what `submit --serve` has answered for.
    fn of(template: &Template, struck: &Struck) -> Promised {
        let (mut sure, mut perhaps) = (template.open.clone(), BTreeSet::new());
        let text = String::from_utf8_lossy(&struck.output.stdout).into_owned();
        let mut replies = text.lines().filter(|line| is_verdict(line));
        for user in template.brought() {
            let address = format!("{user}@c.example");
            match replies.next() {
                Some(line) if line.starts_with("250") => drop(sure.insert(address)),
                Some(_) => {}
                None => drop(perhaps.insert(address)),
            }
        }
        Promised { sure, perhaps }
    }
}

/// Whether a line is the reply to a content.
fn is_verdict(line: &str) -> bool {
    line.contains("queued as") || line.starts_with("45")
}

/// What the command is there for is done.
fn assert_done(site: &Site, template: &Template) {
    let rows: Vec<serde_json::Value> = site.list().into_iter().filter(|row| row["queue"] == "outbound").collect();
    let count = |state: &str| rows.iter().filter(|row| row["state"] == state).count();
    let standing = |job: &str| {
        let shown: serde_json::Value = serde_json::from_str(&site.ok(&["jobs", "show", "--json", job])).expect("JSON");
        shown["state"].as_str().expect("a state").to_owned()
    };
    match template.act {
        Act::Hold => assert!(count("ready") == 0 && count("hold") > 3, "{rows:?}"),
        Act::Release => assert_eq!(count("hold"), 0, "{rows:?}"),
        Act::Requeue => assert_eq!(count("failed"), 0, "{rows:?}"),
        Act::Remove => assert!(rows.is_empty(), "{rows:?}"),
        Act::Pause => assert_eq!(standing(template.id("post")), "paused"),
        Act::Resume => assert_eq!(standing(template.id("paused")), "at work"),
        Act::Cancel => assert_eq!(standing(template.id("post")), "cancelled"),
        Act::Adopt => {
            let left = std::fs::read_dir(site.path("spool/drop")).expect("drop/").count();
            assert_eq!(left, 0, "left in drop/");
        }
        Act::Deliver | Act::Serve => {}
    }
    if matches!(template.act, Act::Adopt | Act::Deliver) {
        let waits =
            |row: &&serde_json::Value| row["state"] == "ready" && !row["recipients"].to_string().contains("later");
        let waiting: Vec<_> = rows.iter().filter(waits).collect();
        assert!(waiting.is_empty(), "{waiting:?}");
    }
}

/// Lets everything go, until nothing waits.
fn settle(site: &Site, act: Act) {
    let listed = site.ok(&["jobs", "list", "--json"]);
    let jobs = listed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    for job in jobs.filter(|row| row["state"] == "paused") {
        site.ok(&["jobs", "resume", job["job"].as_str().expect("an id")]);
    }
    // Who failed before may be in an entry that waits: it is given up when that is settled.
    for _ in 0..2 {
        for queue in ["outbound", "other"] {
            site.ok(&["release", "--yes", "-Q", queue]);
            if act.is_a_persons() {
                site.ok(&["requeue", "--yes", "-Q", queue]);
            }
        }
        site.ok(&["run"]);
        site.ok(&["flush", "-q"]);
    }
    let failures = |row: &serde_json::Value| row["state"] == "failed" && !act.is_a_persons();
    let waiting: Vec<_> = site.list().into_iter().filter(|row| !failures(row)).collect();
    assert!(waiting.is_empty(), "{waiting:?}");
}

/// Each recipient's mail came once, or not at all where that was asked for; failures were told once. What a killed worker had
/// in flight, a notice as well, may have come again.
fn assert_came(scene: &Scene, template: &Template, struck: &Struck, promised: &Promised) {
    let log = scene.server.log();
    assert!(log.misdeeds.is_empty(), "{:?}", log.misdeeds);
    let (mut came, mut told): (BTreeMap<String, usize>, BTreeMap<String, BTreeSet<String>>) = Default::default();
    for taken in &log.taken {
        let text = String::from_utf8_lossy(&taken.content);
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned());
        if taken.sender.is_empty() {
            let (about, id) = (field("Final-Recipient: rfc822; "), field("Message-ID: "));
            told.entry(about.expect("a report")).or_default().insert(id.expect("an id"));
            continue;
        }
        assert!(text.ends_with("END\r\n"), "a message was cut: {text}");
        taken.recipients.iter().for_each(|to| *came.entry(to.clone()).or_default() += 1);
    }
    for to in &promised.sure {
        let (times, notices) = (came.get(to).copied().unwrap_or(0), told.get(to).map_or(0, BTreeSet::len));
        let fails = !template.act.is_a_persons() && to.starts_with("never");
        let expected = usize::from(!is_removed(template.act, to) && !fails);
        let most = expected + expected * struck.kills;
        assert!((expected..=most).contains(&times), "{to} came {times} times, after {} kills", struck.kills);
        assert_eq!(notices, usize::from(fails), "notices on {to}");
    }
    let unexpected: Vec<_> =
        came.keys().filter(|to| !promised.sure.contains(*to) && !promised.perhaps.contains(*to)).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    assert_events_are_true(&scene.site, template.act, &came);
    let surplus: usize = came.values().map(|times| times - 1).sum();
    assert!(surplus <= 2 * struck.kills, "{surplus} came again after {} kills: {came:?}", struck.kills);
}

/// No event records what was not so.
fn assert_events_are_true(site: &Site, act: Act, came: &BTreeMap<String, usize>) {
    let mut delivered: BTreeMap<String, usize> = BTreeMap::new();
    for event in site.events() {
        // A job's event has no recipient.
        let Some(to) = event["recipient"].as_str() else { continue };
        match event["verdict"].as_str() {
            Some("delivered") => *delivered.entry(to.to_owned()).or_default() += 1,
            Some("removed") => assert!(is_removed(act, to), "{event}"),
            _ => {}
        }
    }
    let before = |to: &str| usize::from(act.is_a_persons() && !came.contains_key(to));
    for (to, times) in delivered.iter().filter(|(to, _)| to.ends_with("@c.example")) {
        let most = came.get(to).copied().unwrap_or(0) + before(to);
        assert!(*times <= most, "{times} events of {most} deliveries to {to}");
    }
}

/// Whether a person has removed what is for this recipient. A paused job is left alone, and what lies in another queue.
fn is_removed(act: Act, to: &str) -> bool {
    let spared = ["never40", "ok41", "later41", "ok42", "ok30", "ok31", "ok32"];
    let is_one_of = |users: &[&str]| users.iter().any(|user| to.split('@').next() == Some(*user));
    match act {
        Act::Remove => !is_one_of(&spared),
        Act::Cancel => is_one_of(&["ok20", "ok21", "ok22"]),
        Act::Hold | Act::Release | Act::Requeue | Act::Pause | Act::Resume | Act::Adopt | Act::Deliver | Act::Serve => {
            false
        }
    }
}

/// The files below a folder, with what is in them.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else {
                let inside = path.strip_prefix(folder).expect("below it").display().to_string();
                found.insert(inside, std::fs::read(&path).expect("readable"));
            }
        }
    }
    found
}
