//! Launches that find nothing to do: what they ask of the kernel, and that nothing which they remember or leave out delays
//! mail.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::clock::Clock;
use crate::support::crash::Trap;
use crate::support::trace::{may_trace, trace, traced};
use crate::support::{Site, assert_silent, signal, wait_until};

const QUEUE: &str = "spool/outbound";

/// Runs until main alone sees that nothing is to be done: a supervisor signs the lock.
fn rest(site: &Site, queues: &[&str]) {
    let locks = || queues.iter().map(|name| std::fs::read(site.path(&format!("spool/{name}/lock"))).expect("a lock"));
    wait_until("the queues rest", || {
        let before: Vec<_> = locks().collect();
        site.ok(&["run"]);
        before == locks().collect::<Vec<_>>()
    });
}

/// A site whose queue has been found to rest, with an entry that is due and put aside: the site, where the entry was, and
/// where it is now.
fn at_rest(mode: &str) -> (Site, PathBuf, PathBuf) {
    let site = Site::new(mode, "");
    site.submit(1, &["r1@example.net"]);
    let (place, aside) = (site.file("ready"), site.path("aside"));
    std::fs::rename(&place, &aside).expect("moved");
    rest(&site, &["outbound"]);
    (site, place, aside)
}

/// The next run delivers the entry at once.
fn assert_delivered(site: &Site, case: &str) {
    site.ok(&["run"]);
    assert_eq!(site.deliveries().len(), 1, "{case}");
    site.assert_clean();
}

/// The calls of a command, but for what a build for tests asks besides.
fn calls(site: &Site, command: &Command) -> Vec<String> {
    assert!(traced(site, &[], command).output().expect("strace").status.success());
    let is_call = |line: &String| !line.contains(" +++ ") && !line.contains(" --- ") && !line.contains(", F_GETFD)");
    trace(site).into_iter().filter(is_call).collect()
}

#[test]
fn an_empty_run_looks_at_each_folder_once_and_starts_and_writes_nothing() {
    if !may_trace("an_empty_run_looks_at_each_folder_once_and_starts_and_writes_nothing") {
        return;
    }
    let site = Site::new("ok", "");
    let queues = ["bounce", "inbound", "outbound"];
    for name in queues {
        let submit = ["submit", "-q", "-Q", name, "-f", "s@example.org", "--at", "2099-01-01T00:00:00Z", "r@x.org"];
        assert!(site.feed(&submit, b"Subject: x\n\nx\n").status.success());
    }
    // What any command does to begin is another's to count.
    let start = calls(&site, &site.command(&["--version"])).len();
    for (drop, most) in [(false, 310), (true, 340)] {
        if drop {
            let modes = [("spool/drop", 0o3733), ("spool", 0o711)];
            std::fs::create_dir(site.path("spool/drop")).expect("made");
            for (folder, mode) in modes {
                std::fs::set_permissions(site.path(folder), Permissions::from_mode(mode)).expect("set");
            }
        }
        rest(&site, &queues);
        let lines = calls(&site, &site.command(&["run"]));
        let of = |what: &[&str]| lines.iter().filter(|line| what.iter().all(|what| line.contains(what))).count();
        // Of the folder `ready`, which is open: "00" to "ff".
        let is_bucket = |name: &str| name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let looks_at_one =
            |line: &&String| line.contains("newfstatat(") && line.split('"').nth(1).is_some_and(is_bucket);
        assert_eq!(lines.iter().filter(looks_at_one).count(), 3 * 256);
        for call in ["clone", "fork", "renameat", " write(", "pwrite", "ftruncate", "sync("] {
            assert_eq!(of(&[call]), 0, "{call}: {lines:#?}");
        }
        assert_eq!(of(&["unlinkat(", ") = 0"]) + of(&["openat(", "\"ready/"]), 0);
        let each = (lines.len() - start) / queues.len();
        assert!(each <= most, "{each} calls a queue: {lines:#?}");
    }
}

#[test]
fn an_overlapping_launch_forks_nothing() {
    if !may_trace("an_overlapping_launch_forks_nothing") {
        return;
    }
    let site = Site::new("never", "workers = 1");
    site.submit(1, &["r1@example.net"]);
    let main = site.start(&["run"]);
    wait_until("a worker is busy", || site.busy() == 1);
    let lines = calls(&site, &site.command(&["run"]));
    assert!(!lines.iter().any(|line| line.contains("clone") || line.contains("fork")), "{lines:#?}");
    let start = calls(&site, &site.command(&["--version"])).len();
    assert!(lines.len() - start <= 100, "{lines:#?}");
    crate::support::term_twice(main.id());
    main.wait_with_output().expect("it ends");
}

/// What became of a hint, and how.
type Spoilt<'s> = (&'s str, &'s dyn Fn(&Path));

#[test]
fn mail_that_is_put_in_by_hand_is_seen_whatever_the_hint_says() {
    let (other, _, _) = at_rest("ok");
    let foreign = std::fs::read(other.path(QUEUE).join("quiet")).expect("a hint");
    let cases: [Spoilt<'_>; 6] = [
        ("a good hint", &|_| {}),
        ("none", &|hint| std::fs::remove_file(hint).expect("removed")),
        ("of another spool", &|hint| std::fs::write(hint, &foreign).expect("written")),
        ("torn", &|hint| {
            let mut whole = std::fs::read(hint).expect("a hint");
            let half = whole.len() / 2;
            whole[half..].fill(0);
            std::fs::write(hint, whole).expect("written");
        }),
        ("cut short", &|hint| {
            std::fs::File::options().write(true).open(hint).and_then(|file| file.set_len(4_096)).expect("cut");
        }),
        ("of another form", &|hint| std::fs::write(hint, "{\"v\":2}\n").expect("written")),
    ];
    for (case, spoil) in cases {
        let (site, place, aside) = at_rest("ok");
        spoil(&site.path(QUEUE).join("quiet"));
        std::fs::rename(&aside, &place).expect("moved");
        assert_delivered(&site, case);
    }
}

#[test]
fn a_backup_that_is_put_back_with_its_times_is_run_at_once() {
    let (site, place, aside) = at_rest("ok");
    let folder = place.parent().expect("a folder");
    let before = folder.metadata().and_then(|meta| meta.modified()).expect("a time");
    let set_back = || std::fs::File::open(folder).and_then(|folder| folder.set_modified(before)).expect("set");
    // The folder alone, with the time that the hint has.
    std::fs::rename(&aside, &place).expect("moved");
    set_back();
    assert_delivered(&site, "the folder");
    // And the whole spool, hint and all.
    let (site, place, aside) = at_rest("ok");
    let (spool, backup) = (site.path("spool"), site.path("backup"));
    std::fs::rename(&aside, &place).expect("moved");
    set_back();
    for (from, to) in [(&spool, &backup), (&backup, &spool)] {
        let _ = std::fs::remove_dir_all(to);
        assert!(Command::new("cp").arg("-a").args([from, to]).status().expect("cp(1)").success());
    }
    assert_delivered(&site, "the spool");
}

/// Gives the entry that was put aside another due time, after so many seconds, and lets the queue rest with it.
fn wait_with(site: &Site, place: &Path, aside: &Path, seconds: u64) {
    let due = bulkmailer::sys::clock::now().plus(std::time::Duration::from_secs(seconds));
    let name = place.file_name().and_then(|name| name.to_str()).expect("a name");
    std::fs::rename(aside, place.with_file_name(format!("{due}{}", &name[16..]))).expect("moved");
    rest(site, &["outbound"]);
    assert!(site.deliveries().is_empty());
}

#[test]
fn another_horizon_makes_due_what_the_hint_has_as_waiting() {
    let (site, place, aside) = at_rest("ok");
    wait_with(&site, &place, &aside, 7_200);
    site.set_sink("ok", "retry = { first = \"1s\", max = \"1s\" }", "30s");
    assert_delivered(&site, "beyond the horizon a due time is the work of a wrong clock");
}

#[test]
fn a_clock_that_jumps_makes_the_hint_no_excuse() {
    for seconds in [7_300, -400 * 86_400] {
        let (site, place, aside) = at_rest("ok");
        wait_with(&site, &place, &aside, 7_200);
        let clock = Clock::new(&site);
        clock.set(seconds);
        let mut run = site.command(&["run"]);
        clock.give(&mut run);
        let output = run.output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(site.deliveries().len(), 1, "{seconds} seconds on");
    }
}

#[cfg(feature = "faults")]
#[test]
fn what_comes_while_main_looks_is_not_overlooked() {
    let (site, _, _) = at_rest("ok");
    let trap = Trap::new(&site, "calm.looked=stop");
    let main = trap.set(site.command(&["run"])).stdout(std::process::Stdio::piped()).spawn().expect("it starts");
    let stat = format!("/proc/{}/stat", main.id());
    wait_until("main has looked", || std::fs::read_to_string(&stat).is_ok_and(|text| text.contains(") T ")));
    site.submit(2, &["r2@example.net"]);
    // It leaves the queue to the one that looks.
    assert_silent(site.start(&["run"]));
    assert!(site.deliveries().is_empty());
    signal("CONT", main.id());
    assert!(main.wait_with_output().expect("it ends").status.success());
    assert_eq!(site.deliveries().len(), 1);
}
