//! A person decides: hold, release, requeue, remove. Beside runs and submitters nothing is lost and nothing
//! is sent twice by any of them.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{self, Site, assert_silent, signal, wait_until};

/// Nothing of the schedule comes by itself while a test runs, and the sink judges each recipient by itself.
pub const SLOW: &str = "workers = 2\nmax_recipients = 1\nretry = { first = \"1d\", max = \"1d\" }";

pub fn code(site: &Site, args: &[&str]) -> Option<i32> {
    site.try_run(args).status.code()
}

/// Entries from three senders in outbound, the last with two recipients, and a batch of two.
pub fn loaded(site: &Site) -> [String; 3] {
    let submit = |n: u32, sender: &str, recipients: &[&str]| site.submit_from(sender, n, recipients);
    let ids = [
        submit(1, "a@example.org", &["r75@x.org"]),
        submit(2, "b@example.org", &["r67@y.org"]),
        submit(3, "<>", &["r75@x.org", "r0@z.org", "r67@y.org"]),
    ];
    let mbox = site.mbox("box", 10..12);
    site.ok(&["submit", "-q", "-f", "list@example.org", "--mbox", mbox.to_str().expect("a path"), "r67@list.org"]);
    ids
}

pub fn batch_of(site: &Site) -> String {
    let jobs = std::fs::read_dir(site.path("spool/outbound/jobs")).expect("a folder");
    let names: Vec<String> = jobs.flatten().filter_map(|job| job.file_name().into_string().ok()).collect();
    assert_eq!(names.len(), 1);
    names[0].clone()
}

pub fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

pub fn file_of(site: &Site, id: &str, state: &str) -> PathBuf {
    let tree = site.tree();
    let line = tree.iter().find(|line| line.contains(&format!("/{state}/")) && line.contains(id)).expect("it is there");
    PathBuf::from(line.split(' ').next().expect("a path"))
}

#[test]
fn each_selection_takes_what_it_says_and_nothing_else() {
    let (minute, nothing) = ("1m", &[][..]);
    let site = Site::new("digits", SLOW);
    let ids = loaded(&site);
    site.ok(&["run"]);
    let batch = batch_of(&site);
    let members = [format!("{batch}.0.0"), format!("{batch}.0.1")];
    let [one, two, three] = [ids[0].as_str(), ids[1].as_str(), ids[2].as_str()];
    let [first, second] = [members[0].as_str(), members[1].as_str()];
    for (pick, expected) in [
        (&[one][..], &[one][..]),
        (&[one, first], &[one, first]),
        (&["--sender", "a@example.org"], &[one]),
        (&["--sender", "<>"], &[three]),
        (&["--recipient", "*@Y.org"], &[two, three]),
        (&["--recipient", "*@x.org", "--sender", "a@example.org"], &[one]),
        (&["--queue", "outbound"], &[one, two, three, first, second]),
        (&["--queue", "inbound"], nothing),
        (&["--job", &batch], &[first, second]),
        (&["--reason", "EXIT STATUS 75"], &[one, three]),
        (&["--reason", "status 67"], &[two, three, first, second]),
        (&["--reason", "gremlins"], nothing),
        (&["--older-than", minute], nothing),
        (&["--newer-than", minute], &[one, two, three, first, second]),
        (&["--older-than", "0"], &[one, two, three, first, second]),
        (&["--state", "failed"], &[two, first, second]),
        (&["--state", "ready", "--state", "hold"], &[one, three]),
        (&["--state", "corrupt"], nothing),
    ] {
        let before = site.tree();
        let rows = |command: &[&str]| {
            let output = site.ok(&[command, pick, &["--json"]].concat());
            let row = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["id"].as_str().map(str::to_owned);
            sorted(output.lines().filter_map(row).collect())
        };
        let wanted = sorted(expected.iter().map(|&id| id.to_owned()).collect());
        assert_eq!(rows(&["list"]), wanted, "{pick:?}");
        assert_eq!(rows(&["remove", "--dry-run"]), wanted, "{pick:?}");
        assert_eq!(site.tree(), before, "a dry run changes nothing");
    }
    let said = site.ok(&["remove", "-n", one]);
    assert!(said.contains("-- 1 entry, ") && said.ends_with("\nWithout --dry-run they would be removed.\n"), "{said}");
}

#[test]
fn more_than_one_is_never_touched_unasked() {
    let site = Site::new("digits", SLOW);
    let [one, ..] = loaded(&site);
    let before = site.tree();
    // With no terminal to ask on.
    for (args, word) in [
        (&["remove"][..], "say which entries"),
        (&["hold"], "say which entries"),
        (&["remove", "-Q", "outbound"], "add --yes"),
        (&["hold", "--recipient", "*"], "add --yes"),
    ] {
        let output = site.try_run(args);
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(output.status.code() == Some(64) && said.contains(word) && output.stdout.is_empty(), "{args:?} {said}");
    }
    assert_eq!(site.tree(), before);
    // On one, it is asked, and the answer counts.
    let ask = |args: &[&str], answer: &str| {
        let pty = nix::pty::openpty(None, None).expect("a terminal");
        let stdio = || std::process::Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        let mut command = site.command(args);
        command.stdin(stdio()).stderr(stdio()).stdout(std::process::Stdio::piped());
        let child = command.spawn().expect("the program starts");
        drop((command, pty.slave));
        let mut master = std::fs::File::from(pty.master);
        std::io::Write::write_all(&mut master, answer.as_bytes()).expect("typed");
        let output = child.wait_with_output().expect("it ends");
        let mut said = Vec::new();
        // At its end a terminal whose other side is closed is an error.
        let _ = std::io::Read::read_to_end(&mut master, &mut said);
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (status, said) = ask(&["remove", "-Q", "outbound"], "n\n");
    assert!(
        status == Some(1) && said.contains("remove 5 entries? [y/N]") && said.contains("nothing was done"),
        "{said}"
    );
    assert_eq!(site.tree(), before);
    assert_eq!(ask(&["hold", "--recipient", "*@list.org"], "y\n").0, Some(0));
    assert_eq!(site.ids("hold").len(), 2);
    // One is not asked about.
    assert_eq!(site.ok(&["hold", &one]), "1 entry held\n");
    assert_eq!(site.ok(&["remove", "-Q", "outbound", "--yes"]), "5 entries removed\n");
    assert_eq!(site.ok(&["list"]), "The queue is empty.\n");
    site.assert_clean();
}

#[test]
fn what_is_held_stays_and_what_is_released_goes() {
    let site = Site::new("ok", SLOW);
    let [one, two, three] = loaded(&site);
    assert_eq!(site.ok(&["hold", "--yes", "-Q", "outbound"]), "5 entries held\n");
    site.ok(&["run"]);
    site.ok(&["flush", "-q"]);
    assert!(site.deliveries().is_empty() && site.ids("hold").len() == 5);
    site.assert_clean();
    assert_eq!(code(&site, &["hold", &one]), Some(1), "it is held already");
    assert_eq!(site.json(&["release", &one, "--json"])["done"], 1);
    site.ok(&["run"]);
    assert_eq!((site.deliveries().len(), site.ids("hold").len()), (1, 4));
    // Those of the batch make their place anew, for it is gone.
    assert_eq!(site.ok(&["release", "--sender", "list@example.org", "--yes"]), "2 entries released\n");
    site.ok(&["run"]);
    assert_eq!(sorted(site.ids("hold")), sorted(vec![two, three]));
    site.ok(&["release", "--yes", "-Q", "outbound"]);
    site.ok(&["run"]);
    assert!(site.list().is_empty() && site.deliveries().values().all(|&times| times == 1));
    assert_eq!(site.deliveries().len(), 1 + 1 + 3 + 2);
    assert_eq!(std::fs::read_dir(site.path("spool/outbound/jobs")).expect("a folder").count(), 0);
    site.assert_clean();
}

#[test]
fn what_is_held_in_doubt_goes_when_it_is_released() {
    let site = Site::new("never", "workers = 1\non_crash = \"hold\"");
    let id = site.submit(1, &["r1@example.net"]);
    let main = site.start(&["run"]);
    wait_until("it is in hand", || site.busy() == 1);
    site.sinks().into_iter().for_each(|pid| signal("KILL", pid));
    main.wait_with_output().expect("it ends");
    assert_eq!(site.ids("hold"), std::slice::from_ref(&id));
    assert_eq!(site.list()[0]["recipients"], json!(["r1@example.net"]));
    site.set_sink("ok", "workers = 1\non_crash = \"hold\"", "30s");
    assert_eq!(site.ok(&["release", &id]), "1 entry released\n");
    site.ok(&["run"]);
    assert!(site.list().is_empty() && site.deliveries().len() == 1);
    site.assert_clean();
}

#[test]
fn requeue_begins_anew_and_never_repeats_a_delivery_unless_told() {
    let site = Site::new("digits", SLOW);
    let id = site.submit(1, &["r0@x.org", "r67@y.org", "r0@z.org"]);
    site.ok(&["submit", "-q", "--mbox", site.mbox("box", 5..7).to_str().expect("a path"), "r67@list.org"]);
    site.ok(&["run"]);
    assert_eq!(site.ids("failed").len(), 3);
    site.set_sink("ok", SLOW, "30s");
    assert_eq!(site.ok(&["requeue", &id]), "1 entry requeued\n");
    assert_eq!(site.ok(&["requeue", "--state", "failed", "--yes"]), "2 entries requeued\n");
    let row = site.list().into_iter().find(|row| row["id"] == id.as_str()).expect("a row");
    assert_eq!((&row["attempts"], &row["recipients"]), (&json!(0), &json!(["r67@y.org"])));
    site.ok(&["run"]);
    assert!(site.list().is_empty(), "{:?}", site.list());
    let count = |to: &str| site.deliveries().iter().filter(|((_, whom), _)| whom == to).map(|(_, times)| times).sum();
    let counts: [u32; 4] = ["r0@x.org", "r67@y.org", "r0@z.org", "r67@list.org"].map(count);
    assert_eq!(counts, [1, 1, 1, 2]);
    site.assert_clean();
    // A second entry, and to everybody.
    site.set_sink("digits", SLOW, "30s");
    let id = site.submit(2, &["r0@a.org", "r67@b.org"]);
    site.ok(&["run"]);
    site.set_sink("ok", SLOW, "30s");
    site.ok(&["requeue", "--again", &id]);
    site.ok(&["run"]);
    let counts: [u32; 2] = ["r0@a.org", "r67@b.org"]
        .map(|to| site.deliveries().iter().filter(|((_, whom), _)| whom == to).map(|(_, times)| times).sum());
    assert_eq!(counts, [2, 1]);
    site.assert_clean();
}

#[test]
fn what_is_removed_leaves_a_line_and_no_notice() {
    let site = Site::new("digits", SLOW);
    let [_, _, three] = loaded(&site);
    site.ok(&["run"]);
    assert_eq!(site.ok(&["remove", "--yes", "-Q", "outbound"]), "5 entries removed\n");
    let removed: Vec<Value> = site.events().into_iter().filter(|event| event["verdict"] == "removed").collect();
    let of = |id: &str| -> BTreeSet<String> {
        let lines = removed.iter().filter(|event| event["id"] == id);
        lines.map(|event| event["recipient"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(removed.len(), 1 + 1 + 2 + 2);
    assert_eq!(of(&three), BTreeSet::from(["r75@x.org".to_owned(), "r67@y.org".to_owned()]));
    assert!(removed.iter().all(|event| event["reason"].as_str().is_some_and(|reason| reason.contains("removed by "))));
    // Nothing is left but the queue's own files.
    let left: Vec<String> =
        site.tree().into_iter().filter(|line| line.contains(".log") || line.contains("/jobs/")).collect();
    assert_eq!(left, Vec::<String>::new());
    site.ok(&["run"]);
    assert_eq!(site.ok(&["list"]), "The queue is empty.\n");
    assert_eq!(code(&site, &["remove", &three]), Some(1));
    assert_eq!(code(&site, &["remove", "no-id"]), Some(1));
    assert_eq!(code(&site, &["hold", "no-id"]), Some(64));
    site.assert_clean();
}

/// What was in flight when everything died is neither forgotten nor decided by a hold and a release of everything.
#[test]
fn a_release_of_everything_decides_no_doubt() {
    for command in [&["release"][..], &["requeue", "--state", "hold"]] {
        let policy = "on_crash = \"hold\"\nworkers = 1";
        let site = Site::new("never", policy);
        let id = site.submit(1, &["a0@x.org"]);
        let mut main = site.start(&["run"]);
        wait_until("it is in hand", || site.busy() == 1);
        let supervisors = support::children(main.id());
        let workers: Vec<u32> = supervisors.iter().flat_map(|&pid| support::children(pid)).collect();
        let all = [vec![main.id()], supervisors, workers, site.sinks()].concat();
        all.into_iter().for_each(|pid| signal("KILL", pid));
        main.wait().expect("killed");
        wait_until("the sink has ended", || site.busy() == 0);
        support::crash::wait_for_the_lock(&site);
        site.set_sink("ok", policy, "30s");
        site.ok(&["hold", "--queue", "outbound", "--yes"]);
        site.ok(&[command, &["--queue", "outbound", "--yes"]].concat());
        let output = site.try_run(&["run"]);
        assert!(String::from_utf8_lossy(&output.stderr).contains("hold/"), "{output:?}");
        assert!(site.deliveries().is_empty() && site.ids("hold") == [id.as_str()], "{command:?}");
        // Now a person says it.
        site.ok(&["release", &id]);
        site.ok(&["run"]);
        assert_eq!(site.deliveries().into_values().collect::<Vec<_>>(), [1]);
    }
}

#[test]
fn what_is_in_a_workers_hand_is_left_alone_and_that_is_said() {
    let site = Site::new("never", "workers = 1");
    let id = site.submit(1, &["r1@example.net"]);
    let main = site.start(&["run"]);
    wait_until("it is in hand", || site.busy() == 1);
    for command in ["hold", "remove", "requeue"] {
        let output = site.try_run(&[command, &id]);
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.code() == Some(75), "{command}: {said}");
        assert!(said.contains("a worker has it in hand: 1 (") && said.contains(&id), "{command}: {said}");
    }
    let told = site.json(&["remove", "--sender", "sender@example.org", "--json"]);
    assert_eq!((&told["in_hand"], &told["in_hand_ids"]), (&json!(1), &json!([id])));
    assert_eq!(site.busy(), 1);
    site.sinks().into_iter().for_each(|pid| signal("KILL", pid));
    assert_silent(main);
    assert_eq!(site.ids("ready"), [id]);
}

/// Everybody at once: runs, submitters, and each of the commands on the same entries. In the end every message was
/// delivered once, or removed and then never delivered.
#[test]
fn all_of_them_beside_runs_and_submitters_lose_nothing_and_send_nothing_twice() {
    const MESSAGES: u32 = 600;
    let site = Site::new("ok", "workers = 3");
    let submitters: Vec<_> = (0..3)
        .map(|part| {
            let numbers = part * (MESSAGES / 3)..(part + 1) * (MESSAGES / 3);
            let mbox = site.mbox(&format!("box{part}"), numbers);
            site.start(&["submit", "-q", "--mbox", mbox.to_str().expect("a path")])
        })
        .collect();
    for n in MESSAGES..MESSAGES + 40 {
        site.submit(n, &[&format!("r{n}@example.net")]);
    }
    let rounds: [&[&str]; 8] = [
        &["hold", "--recipient", "*7@example.net", "--yes"],
        &["requeue", "--recipient", "*3@example.net", "--state", "ready", "--state", "hold", "--yes"],
        &["remove", "--recipient", "*99@example.net", "--yes"],
        &["stop"],
        &["start"],
        &["hold", "--recipient", "*1?@example.net", "--yes"],
        &["release", "--queue", "outbound", "--yes"],
        &["flush", "--no-run", "-q"],
    ];
    let mut pending = Vec::new();
    for _round in 0..4 {
        pending.push(site.start(&["run", "-q"]));
        pending.extend(rounds.iter().map(|args| site.start(args)));
        // As many as there are processors, or so.
        if pending.len() > 9 {
            pending.drain(..9).for_each(|child| check_end(&child.wait_with_output().expect("it ends")));
        }
    }
    submitters.into_iter().for_each(assert_silent);
    pending.into_iter().for_each(|child| check_end(&child.wait_with_output().expect("it ends")));
    // The end of it: what is held goes, too.
    wait_until("all is settled", || {
        site.ok(&["start"]);
        site.ok(&["release", "-Q", "outbound", "--yes"]);
        site.ok(&["run"]);
        site.list().is_empty()
    });
    let mut removed: HashMap<String, u32> = HashMap::new();
    for event in site.events().into_iter().filter(|event| event["verdict"] == "removed") {
        *removed.entry(event["recipient"].as_str().expect("text").to_owned()).or_default() += 1;
    }
    let delivered = site.deliveries();
    for n in 0..MESSAGES + 40 {
        let to = format!("r{n}@example.net");
        let times = (delivered.get(&(n, to.clone())).copied().unwrap_or(0), removed.get(&to).copied().unwrap_or(0));
        assert!(times == (1, 0) || times == (0, 1), "{to}: delivered and removed {times:?}");
    }
    assert_eq!(std::fs::read_dir(site.path("spool/outbound/jobs")).expect("a folder").count(), 0);
    site.assert_clean();
}

/// All is well, or something was in a worker's hand, or a flush met a stopped queue.
fn check_end(output: &std::process::Output) {
    assert!(matches!(output.status.code(), Some(0 | 75)), "{output:?}");
}

#[test]
fn root_acts_as_the_spools_owner_and_is_named() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    if !nix::unistd::Uid::effective().is_root() {
        println!("skipped: not root");
        return;
    }
    let site = Site::new("ok", SLOW);
    let [one, two, _] = loaded(&site);
    std::fs::set_permissions(site.dir.path(), std::fs::Permissions::from_mode(0o711)).expect("a mode");
    let chown = std::process::Command::new("chown").args(["-R", "65534:65534"]).arg(site.path("spool")).status();
    assert!(chown.expect("chown starts").success());
    site.ok(&["hold", &one]);
    site.ok(&["remove", &two]);
    assert!(site.ok(&["stop"]).contains("stopped"));
    let owner = |path: PathBuf| std::fs::metadata(path).expect("it is there").uid();
    let bucket = file_of(&site, &one, "hold").parent().expect("a folder").to_owned();
    assert_eq!([owner(bucket), owner(site.path("spool/outbound/stopped"))], [65_534; 2]);
    assert_eq!(site.json(&["status", "--json"])["queues"][0]["stopped_by"], 0);
    let line = site.events().into_iter().find(|event| event["verdict"] == "removed").expect("a line");
    assert_eq!(line["reason"], "removed by root");
}

#[test]
fn what_is_due_already_is_requeued_once_and_keeps_its_place() {
    let site = Site::new("exit=75", SLOW);
    let ids: Vec<String> = (0..3).map(|n| site.submit(n, &["r@example.net"])).collect();
    site.ok(&["run", "-q"]);
    site.ok(&["flush", "--no-run"]);
    let files = || ids.iter().map(|id| file_of(&site, id, "ready")).collect::<Vec<_>>();
    let journals =
        || site.files("/journal/").into_iter().filter(|path| path.extension().is_some_and(|end| end == "log"));
    let lines =
        || -> usize { journals().map(|path| std::fs::read_to_string(path).expect("read").lines().count()).sum() };
    let (before, told) = (files(), lines());
    let said = site.ok(&["requeue", "--yes", "--state", "ready"]);
    assert_eq!((said.as_str(), lines()), ("3 entries requeued\n", told + 3));
    assert_eq!(files(), before);
}
