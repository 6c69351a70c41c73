//! A spool that an older program made: a look changes nothing, a run or `check --repair` upgrades it once, and all of its mail
//! is worked off.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::old_spool::{look, old, spools, unpacked, version, work_off};
use crate::support::crash::{self, Trap};
use crate::support::{Site, assert_silent, children, drop, message, signal, wait_until};
use bulkmailer::model::envelope::Origin;
use bulkmailer::model::{Envelope, Exit, Fields, Micros};
use bulkmailer::spool::Spool;

#[test]
fn a_look_changes_nothing_and_a_change_upgrades_nothing() {
    let site = old();
    let (tree, rows) = (site.tree(), look(&site));
    assert!(rows.len() > 30, "{rows:?}");
    assert_eq!((site.tree(), version(&site)), (tree, "1".to_owned()));
    let id = site.submit(900, &["ok-s6@a.org"]);
    for args in [
        &["hold", &id][..],
        &["release", &id],
        &["remove", &id],
        &["stop", "--queue", "down"],
        &["start", "--queue", "down"],
        &["suppress", "add", "other@a.org"],
        &["suppress", "remove", "other@a.org"],
    ] {
        site.ok(args);
        assert_eq!(version(&site), "1", "{args:?}");
    }
    repair(&site);
    let new = look(&site);
    assert!(rows.iter().all(|(id, said)| new.get(id) == Some(said)), "{rows:?} {new:?}");
    work_off(&site);
}

#[test]
fn a_flush_that_starts_no_run_upgrades_nothing() {
    let site = old();
    site.try_run(&["flush", "--no-run", "--quiet"]);
    assert_eq!(version(&site), "1");
}

/// What `check --repair` says. The spool is of this program's format then.
fn repair(site: &Site) -> String {
    let output = site.try_run(&["check", "--repair"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!said.contains("still has format"), "{said}");
    assert_eq!(version(site), "2");
    assert!(!site.path("spool/.version-next").exists());
    said
}

/// A site whose spool has format 1, and in which one mail is due.
fn aged() -> Site {
    let site = Site::new("ok", "workers = 1");
    site.submit(1, &["a@x.org"]);
    std::fs::write(site.path("spool/version"), "1\n").expect("written");
    site
}

#[test]
fn the_first_run_upgrades_and_works_all_off() {
    let site = old();
    let meta = |path: &str| std::fs::metadata(site.path(path)).expect("it is there");
    let old = meta("spool/version").mode();
    site.try_run(&["run", "--quiet"]);
    assert_eq!(version(&site), "2");
    assert_eq!(meta("spool/version").mode(), old);
    work_off(&site);
}

#[test]
fn an_upgrade_that_is_killed_anywhere_is_finished_by_the_next() {
    let points = crash::points(&["upgrade."]);
    assert_eq!(points.len(), 6);
    for point in points {
        let site = old();
        let trap = Trap::new(&site, &point.name);
        let killed = trap.run(&site, &["check", "--repair"]);
        assert!(trap.was_met() && crash::was_killed(&killed), "{}: {killed:?}", point.name);
        let after = ["upgrade.renamed", "upgrade.synced"].contains(&point.name.as_str());
        assert_eq!(version(&site), if after { "2" } else { "1" }, "{}", point.name);
        look(&site);
        let id = site.submit(900, &["ok-s6@a.org"]);
        repair(&site);
        site.ok(&["remove", &id]);
        work_off(&site);
    }
}

#[test]
fn a_disk_that_refuses_the_upgrade_refuses_no_mail() {
    for error in ["enospc", "erofs"] {
        for point in ["upgrade.locked", "upgrade.step", "upgrade.write", "upgrade.written"] {
            let site = aged();
            let fault = format!("{point}={error}");
            let with = |args: &[&str]| {
                let output = site.command(args).env("BULKMAILER_FAULT", &fault).output().expect("it starts");
                assert_eq!(version(&site), "1", "{fault}");
                assert!(!site.path("spool/.version-next").exists(), "{fault}");
                output
            };
            let run = with(&["run", "--quiet"]);
            assert!(run.status.success() && run.stderr.is_empty(), "{fault}: {run:?}");
            assert_eq!(site.deliveries().len(), 1, "{fault}");
            let check = with(&["check", "--repair"]);
            let said = String::from_utf8_lossy(&check.stdout);
            assert_eq!(check.status.code(), Some(1), "{fault}: {check:?}");
            assert!(said.contains("spool: this spool still has format 1: it cannot be upgraded: "), "{said}");
            assert_eq!(repair(&site), "0 entries, all in order\n");
        }
    }
}

/// An upgrade that was stopped while it had all locks.
fn stopped_upgrade(site: &Site) -> std::process::Child {
    let trap = Trap::new(site, "upgrade.locked=stop");
    let upgrader = trap.set(site.command(&["check", "--repair"])).stdout(std::process::Stdio::null()).spawn();
    let upgrader = upgrader.expect("it starts");
    let state = format!("/proc/{}/stat", upgrader.id());
    wait_until("the upgrade is stopped", || std::fs::read_to_string(&state).is_ok_and(|stat| stat.contains(") T ")));
    upgrader
}

#[test]
fn a_run_that_meets_an_upgrade_waits_and_is_not_another_run() {
    let site = aged();
    let mut upgrader = stopped_upgrade(&site);
    let run = site.start(&["run", "--quiet"]);
    // Its supervisor waits, asleep, for the lock.
    wait_until("a supervisor is there", || !children(run.id()).is_empty());
    signal("CONT", upgrader.id());
    assert!(upgrader.wait().expect("it ends").success());
    assert_silent(run);
    assert_eq!((site.deliveries().len(), version(&site)), (1, "2".to_owned()));
}

#[test]
fn an_upgrade_that_stands_still_keeps_nobody_waiting() {
    let site = aged();
    let mut upgrader = stopped_upgrade(&site);
    site.submit(2, &["b@x.org"]);
    site.ok(&["hold", "--recipient", "b@x.org", "--yes"]);
    let check = site.try_run(&["check", "--repair"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("still has format 1: another process has locked its folder"), "{said}");
    // The queue's lock is held, so a run leaves its mail to the next.
    site.ok(&["run", "--quiet"]);
    assert!(site.deliveries().is_empty());
    signal("KILL", upgrader.id());
    let _ = upgrader.wait();
    site.ok(&["run", "--quiet"]);
    assert_eq!((site.deliveries().len(), version(&site)), (1, "2".to_owned()));
}

#[test]
fn a_lock_on_the_top_folder_keeps_no_mail() {
    let site = aged();
    let top = std::fs::File::open(site.path("spool")).expect("opened");
    top.lock().expect("nobody else has it");
    site.ok(&["run", "--quiet"]);
    assert_eq!((site.deliveries().len(), version(&site)), (1, "1".to_owned()));
    drop(top);
    site.ok(&["run", "--quiet"]);
    assert_eq!(version(&site), "2");
}

#[test]
fn a_group_that_the_owner_may_not_give_is_in_no_upgrades_way() {
    const SERVICE: u32 = 65_534;
    if drop::skipped() {
        return;
    }
    let site = drop::shared(SERVICE, "");
    let path = site.path("spool/version");
    site.ok(&["run"]);
    std::fs::write(&path, "1\n").expect("written");
    std::os::unix::fs::chown(&path, Some(SERVICE), Some(0)).expect("root may");
    site.ok(&["run"]);
    let meta = std::fs::metadata(&path).expect("it is there");
    assert_eq!((version(&site), meta.uid(), meta.mode() & 0o7777), ("2".to_owned(), SERVICE, 0o600));
}

/// The line that the manual has for going back, and what it finds.
#[test]
fn the_manuals_line_finds_what_an_older_program_cannot_read() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man/bulkmailer-spool.5"));
    let page = page.expect("the page");
    let line = page.lines().find_map(|line| line.strip_prefix(".Dl # ").filter(|line| line.contains("grep")));
    let line = line.expect("a line to type").replace("\\(aq", "'").replace("\\(ha", "^");
    let site = Site::new("ok", "");
    let found = || {
        let line = line.replace("/var/spool/bulkmailer", &site.path("spool").display().to_string());
        let output = Command::new("sh").args(["-c", &line]).output().expect("it starts");
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).lines().map(PathBuf::from).collect::<Vec<_>>()
    };
    site.submit(1, &["a@x.org", "b@x.org"]);
    assert_eq!(found(), Vec::<PathBuf>::new());
    let path = site.file("/ready/");
    crate::fields::give(&site, "a@x.org", r#"{"name":"Mara"}"#);
    assert_eq!(found(), [path]);
}

#[test]
fn of_ten_commands_at_once_one_upgrades() {
    let site = old();
    let commands: [&[&str]; 10] = [
        &["run", "--quiet"],
        &["submit", "--queue", "stopped", "-f", "x@y.org", "--", "new1@a.org"],
        &["submit", "--queue", "stopped", "-f", "x@y.org", "--", "new2@a.org"],
        &["submit", "--queue", "stopped", "-f", "x@y.org", "--", "new3@a.org"],
        &["hold", "--recipient", "late@a.org", "--yes"],
        &["check", "--repair"],
        &["suppress", "add", "other@a.org"],
        &["list"],
        &["run", "--quiet", "--queue", "noisy"],
        &["jobs", "list"],
    ];
    std::fs::write(site.path("mail"), message(900)).expect("written");
    let start = |args: &&[&str]| {
        let mail = std::fs::File::open(site.path("mail")).expect("a message");
        let piped = std::process::Stdio::piped;
        site.command(args).stdin(mail).stdout(piped()).stderr(piped()).spawn().expect("the program starts")
    };
    let running: Vec<_> = commands.iter().map(|args| (args, start(args))).collect();
    for (args, child) in running {
        let output = child.wait_with_output().expect("it ends");
        // A run leaves deferred mail behind, and check has found something: 1.
        assert!(output.status.code().is_some_and(|code| code <= 1), "{args:?}: {output:?}");
    }
    site.ok(&["release", "--recipient", "late@a.org", "--yes"]);
    site.ok(&["remove", "--recipient", "new*@a.org", "--yes"]);
    site.ok(&["suppress", "remove", "other@a.org"]);
    work_off(&site);
}

#[test]
fn while_an_older_run_is_at_work_the_spool_stays_as_it_is() {
    let site = old();
    let lock = std::fs::File::open(site.path("spool/noisy/lock")).expect("a lock");
    lock.lock().expect("nobody else is at work");
    let id = site.submit(900, &["ok-s6@a.org"]);
    site.ok(&["hold", &id]);
    site.try_run(&["run", "--quiet", "--queue", "half"]);
    assert_eq!(version(&site), "1");

    let check = site.try_run(&["check", "--repair"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(
        said.contains("still has format 1: a run is at work in queue noisy; try again when it has ended"),
        "{said}"
    );

    // What needs the new format is refused, for now.
    let queue = || Spool::create(&site.path("spool")).and_then(|spool| spool.queue("outbound")).expect("a queue");
    let mut fields = Fields::default();
    fields.set(0, [("name".to_owned(), "Mara".into())].into_iter().collect());
    let origin = Origin { submitted: Micros(1), uid: 0, body: None, notify: None, ret: None, envid: None, verp: None };
    let recipients = vec!["m@x.org".parse().expect("an address")];
    let envelope = Envelope { id: "1".parse().expect("an id"), sender: None, recipients, fields, origin };
    let refused = queue().draft(&envelope).expect_err("it has no place");
    assert_eq!(refused.exit(), Exit::TempFail);
    let why = refused.to_string();
    assert!(why.contains("still has format 1: the next run or 'bulkmailer check --repair' upgrades it"), "{why}");

    drop(lock);
    site.ok(&["remove", &id]);
    repair(&site);
    assert!(queue().draft(&envelope).is_ok());
    work_off(&site);
}

/// The layout that the ledger's file has (SQLite's user_version).
fn layout(site: &Site) -> u8 {
    std::fs::read(site.path("spool/state.db")).expect("a ledger")[63]
}

#[test]
fn a_ledger_of_the_first_layout_knows_who_is_suppressed() {
    let site = unpacked(&spools().join("format-1-ledger-1.tar.gz"));
    assert_eq!(layout(&site), 1);
    let tree = site.tree();
    assert_eq!(site.ok(&["suppress", "list"]).lines().count(), 2);
    site.ok(&["suppress", "export"]);
    assert_eq!(site.try_run(&["suppress", "check", "gone@a.org"]).status.code(), Some(1));
    site.ok(&["bounces", "list"]);
    site.ok(&["bounces", "stats"]);
    site.ok(&["bounces", "show", "gone@a.org"]);
    assert_eq!((layout(&site), site.tree()), (1, tree));
    site.submit(900, &["gone@a.org", "ok@a.org"]);
    site.try_run(&["run", "--quiet"]);
    let log = std::fs::read_to_string(site.path("log")).expect("something was delivered");
    assert!(log.contains(" ok@a.org") && !log.contains(" gone@a.org"), "{log}");
    site.ok(&["suppress", "remove", "gone@a.org"]);
    assert_eq!(layout(&site), 2);
    assert_eq!(site.ok(&["suppress", "list"]).lines().count(), 1);
}

#[test]
fn a_newer_spool_is_refused_by_every_command_and_left_as_it_is() {
    let site = old();
    std::fs::write(site.path("spool/version"), "3\n").expect("written");
    std::fs::remove_dir_all(site.path("spool/drop")).expect("removed");
    let tree = site.tree();
    let id = "1k1frf610s9p0qjecyse5";
    let commands: [&[&str]; 24] = [
        &["run"],
        &["submit", "--", "a@b.org"],
        &["flush"],
        &["list"],
        &["show", id],
        &["status"],
        &["hold", id],
        &["release", id],
        &["requeue", id],
        &["remove", id],
        &["jobs", "list"],
        &["jobs", "pause", id],
        &["bounces", "list"],
        &["bounces", "stats"],
        &["bounces", "show", "a@b.org"],
        &["suppress", "list"],
        &["suppress", "add", "a@b.org"],
        &["suppress", "remove", "gone@a.org"],
        &["suppress", "check", "gone@a.org"],
        &["stop"],
        &["start"],
        &["check"],
        &["check", "--repair"],
        &["config", "check"],
    ];
    let why = "this spool has format 3, and this bulkmailer knows formats up to 2; use the newer one\n";
    for args in commands {
        let output = site.feed(args, message(1).as_bytes());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{args:?}: {output:?}");
        let said = if args[0] == "config" { String::from_utf8_lossy(&output.stdout) + said } else { said };
        assert!(said.ends_with(why) && (args[0] == "config" || said.lines().count() == 1), "{args:?}: {output:?}");
        assert_eq!(site.tree(), tree, "{args:?}");
    }
}

/// The older program is `BULKMAILER_BEFORE`; 'make slow' builds it.
#[test]
#[ignore = "needs an older program: WHAT=upgrade make slow"]
fn an_older_program_is_taken_over_from_and_refuses_what_was_upgraded() {
    let before = std::env::var_os("BULKMAILER_BEFORE").expect("BULKMAILER_BEFORE is a program");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut make = Command::new(spools().join("make"));
    let made = make.arg(&before).arg("before").arg(folder.path()).output().expect("the script starts");
    assert!(made.status.success(), "{made:?}");
    let site = unpacked(&folder.path().join("before.tar.gz"));
    let older = |args: &[&str]| {
        let mut command = Command::new(&before);
        command.arg("--spool").arg(site.path("spool")).arg("--config").arg(site.path("bulkmailer.toml")).args(args);
        crate::support::feed(command, message(901).as_bytes())
    };
    // Whatever the older program makes of it, a newer one that only looks leaves it fit for it.
    look(&site);
    let listed = older(&["list"]);
    assert!(listed.status.success(), "{listed:?}");
    work_off(&site);
    let tree = site.tree();
    for args in [&["run"][..], &["list"], &["status"], &["check", "--repair"], &["submit", "--", "a@b.org"], &["flush"]]
    {
        let refused = older(args);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!((refused.status.code(), said.lines().count()), (Some(78), 1), "{args:?}: {refused:?}");
        assert!(said.contains("use the newer one"), "{said}");
        assert_eq!(site.tree(), tree, "{args:?}");
    }
}
