//! A plain user's own mail in a spool that is another's: what he is told of it, and how he takes it back. Two plain users,
//! root and a service, where we are root; elsewhere all of it is skipped.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::drop::{by, folder, ok, put_of, reads, skipped};
use crate::support::hosts::{self, Plain};
use crate::support::{Site, feed, message};

const MARA: u32 = 65_521;
const NILS: u32 = 65_522;
const SERVICE: u32 = 65_523;

/// A site whose spool is `uid`'s and has nothing but its drop folder; its sink is this script.
fn shared(uid: u32, sink: &str) -> Site {
    let site = Site::new("ok", "");
    set_sink(&site, sink);
    std::fs::set_permissions(site.path(""), PermissionsExt::from_mode(0o711)).expect("a mode");
    folder(&site.path("spool"), 0o711, uid);
    folder(&site.path("spool/drop"), 0o3733, uid);
    site
}

fn set_sink(site: &Site, sink: &str) {
    site.configure(&format!(
        "[limits]\nmin_free = \"0\"\n[queue.outbound]\ntransport = \"t\"\nnotices = false\n[transport.t]\nkind = \"pipe\"\n\
         command = [\"/bin/sh\", \"-c\", {sink:?}, \"sh\", \"{{recipients}}\"]\n"
    ));
    std::fs::set_permissions(site.path("bulkmailer.toml"), PermissionsExt::from_mode(0o644)).expect("a mode");
}

#[track_caller]
fn refused(output: &Output, status: i32, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(status) && said.contains(what), "{output:?}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// His rows, as `list --json` prints them.
fn rows(site: &Site, plain: &Plain, args: &[&str]) -> Vec<Value> {
    let text = ok(&by(site, plain, &[&["list", "--json"], args].concat(), b""));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn submit(site: &Site, plain: &Plain, n: u32, args: &[&str]) -> String {
    ok(&by(site, plain, &[&["submit"], args].concat(), message(n).as_bytes())).trim().to_owned()
}

fn lists(site: &Site) -> Vec<String> {
    let names = std::fs::read_dir(site.path("spool/users")).into_iter().flatten().flatten();
    let mut names: Vec<String> = names.map(|name| name.file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

fn list_of(site: &Site, uid: u32) -> PathBuf {
    site.path(&format!("spool/users/outbound.{uid}"))
}

#[test]
fn each_user_sees_his_own_mail_and_nobody_elses() {
    if skipped() {
        return;
    }
    for service in [0, SERVICE] {
        let (site, mara, nils) = (shared(service, "exit 75"), Plain::with_uid(MARA), Plain::with_uid(NILS));
        refused(&by(&site, &mara, &["list"], b""), 75, "no run has looked yet");
        let first = submit(&site, &mara, 1, &["m@x.org"]);
        let other = submit(&site, &nils, 2, &["n@x.org"]);
        assert_eq!(site.try_run(&["run"]).status.code(), Some(75));
        let own = rows(&site, &mara, &[]);
        assert_eq!(own.len(), 1, "{own:?}");
        let field = |name: &str| own[0][name].clone();
        assert_eq!((field("id"), field("recipients")), (first.as_str().into(), serde_json::json!(["m@x.org"])));
        // The same rows as the owner sees.
        let all = site.list();
        assert!(all.len() == 2 && all.contains(&own[0]), "{all:?} {own:?}");
        let text = ok(&by(&site, &nils, &["list"], b""));
        assert!(text.contains(&other) && !text.contains(&first) && text.contains("-- 1 entry"), "{text}");
        assert!(text.contains("by the last run; what was handed in since is not in it\n"), "{text}");
        assert!(ok(&by(&site, &nils, &["sendmail", "-bp"], b"")).contains(&other));
        // The kernel says so, too.
        for (uid, of, may) in [(MARA, MARA, true), (NILS, MARA, false), (NILS, NILS, true), (SERVICE + 1, MARA, false)]
        {
            assert_eq!(reads(uid, &list_of(&site, of)), may, "{uid} reads the list of {of}");
        }
        assert!(!reads(MARA, &site.path("spool/users")) && reads(MARA, &site.path("spool/users/outbound.seen")));
        let mode = site.path("spool/users").metadata().expect("users/");
        assert_eq!((mode.mode() & 0o7777, mode.uid()), (0o711, service));
        // A user with nothing there has no list.
        let third = Plain::with_uid(SERVICE + 1);
        assert!(ok(&by(&site, &third, &["list"], b"")).starts_with("Nothing of yours waits.\nas of "));
        refused(&by(&site, &third, &["list", "--queue", "nosuch"], b""), 78, "nosuch");
        for args in [&["status"][..], &["show", &first], &["check"], &["hold", &first], &["flush"], &["stop"], &["run"]]
        {
            refused(&by(&site, &mara, args, b""), 77, "'bulkmailer remove ID' takes it back");
        }
        // Sent: the list goes.
        set_sink(&site, "exit 0");
        site.ok(&["flush", "-q"]);
        assert_eq!(lists(&site), ["outbound.seen"]);
        assert!(ok(&by(&site, &mara, &["list"], b"")).starts_with("Nothing of yours waits."));
        site.assert_clean();
    }
}

#[test]
fn what_is_held_failed_or_still_in_the_folder_is_listed_with_the_reason() {
    if skipped() {
        return;
    }
    let (site, mara) = (shared(SERVICE, "echo no such user >&2; exit 67"), Plain::with_uid(MARA));
    let failed = submit(&site, &mara, 1, &["bad@x.org"]);
    site.ok(&["run"]);
    set_sink(&site, "exit 0");
    let held = submit(&site, &mara, 2, &["--at", "+2h", "held@x.org"]);
    site.ok(&["run"]);
    site.ok(&["hold", &held]);
    put_of(&site, MARA, "outbound.rubbish", "rubbish");
    put_of(&site, MARA, "outbound.\u{1b}[2Jx", "rubbish");
    let later = submit(&site, &mara, 3, &["--at", "+3h", "later@x.org"]);
    site.try_run(&["run"]);
    let own = rows(&site, &mara, &[]);
    let state = |id: &str| own.iter().find(|row| row["id"] == id).map(|row| row["state"].clone());
    assert_eq!(state(&failed), Some("failed".into()), "{own:?}");
    assert_eq!(state(&held), Some("hold".into()), "{own:?}");
    assert_eq!(state(&later), Some("ready".into()), "{own:?}");
    assert_eq!(state("outbound.rubbish"), Some("drop".into()), "{own:?}");
    let why = own.iter().find(|row| row["id"] == "outbound.rubbish").map(|row| row["reason"].to_string());
    assert!(why.is_some_and(|why| why.contains("middle of its envelope")), "{own:?}");
    let only = |args: &[&str]| rows(&site, &mara, args).iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    assert_eq!(only(&["--failed"]), [failed.as_str()]);
    assert_eq!(only(&["--state", "hold"]), [held.as_str()]);
    assert_eq!(only(&["--state", "drop"]).len(), 2);
    assert_eq!(only(&["--recipient", "LATER@*"]), [later.as_str()]);
    assert_eq!(only(&[&later]), [later.as_str()]);
    assert_eq!(only(&["--queue", "outbound", "--older-than", "9d"]), [""; 0]);
    assert_eq!(by(&site, &mara, &["list", "nosuch1"], b"").status.code(), Some(1));
    let text = ok(&by(&site, &mara, &["list"], b""));
    assert!(text.contains("no such user") && text.contains("\\u001b[2Jx") && !text.contains('\u{1b}'), "{text}");
}

/// One who may write to his own list hurts himself alone.
#[test]
fn a_list_that_was_tampered_with_is_refused_or_harmless_and_written_anew() {
    if skipped() {
        return;
    }
    let (site, mara) = (shared(0, "exit 75"), Plain::with_uid(MARA));
    let id = submit(&site, &mara, 1, &["m@x.org"]);
    site.try_run(&["run"]);
    let path = list_of(&site, MARA);
    let row = std::fs::read_to_string(&path).expect("a list");
    std::fs::write(&path, "rubbish\n").expect("written");
    refused(&by(&site, &mara, &["list"], b""), 65, &path.display().to_string());
    std::fs::write(&path, row.replace("m@x.org", "\\u001b[2J\\n\\u202e@x.org")).expect("written");
    let text = ok(&by(&site, &mara, &["list"], b""));
    assert!(text.contains("\\u001b[2J\\u000a\\u202e@x.org") && !text.contains('\u{1b}'), "{text:?}");
    // Only the owner can plant a link; it is not followed, by neither side.
    let secret = site.path("secret");
    std::fs::write(&secret, &row).expect("written");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o644)).expect("a mode");
    std::fs::remove_file(&path).expect("removed");
    symlink(&secret, &path).expect("a link");
    assert!(!by(&site, &mara, &["list"], b"").status.success());
    std::fs::remove_file(&path).expect("removed");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("a mode");
    refused(&by(&site, &mara, &["list"], b""), 65, "no regular file");
    std::fs::remove_file(&path).expect("removed");
    symlink(&secret, &path).expect("a link");
    site.try_run(&["run"]);
    assert_eq!(std::fs::read_to_string(&secret).expect("it is there"), row);
    assert_eq!(rows(&site, &mara, &[])[0]["id"], id.as_str());
}

/// ramfs has no access control lists.
#[test]
fn where_nobody_can_be_let_read_there_is_no_list_and_the_user_learns_why() {
    if skipped() {
        return;
    }
    let Some(mut mounts) = hosts::Mounts::new() else { return };
    let mara = Plain::with_uid(MARA);
    for service in [SERVICE, 0] {
        let site = shared(service, "exit 75");
        let at = site.path("spool");
        let place = at.display();
        std::fs::remove_dir(site.path("spool/drop")).expect("removed");
        if !mounts.sh(&format!("mount -t ramfs ramfs {place}")) {
            eprintln!("skipped: no ramfs here");
            return;
        }
        let inside = PathBuf::from(format!("/proc/{}/root{place}", mounts.pid()));
        folder(&inside, 0o711, service);
        folder(&inside.join("drop"), 0o3733, service);
        let script = format!(
            "export BULKMAILER_SPOOL={place} BULKMAILER_CONFIG={}; b={}; \
             him() {{ setpriv --reuid={MARA} --regid={MARA} --clear-groups $b \"$@\"; }}; cd /; \
             printf 'X: 1\\n\\nx\\n' | him submit m@x.org || exit 9; $b run; him list 2>&1; echo $?; ls {place}/users",
            site.path("bulkmailer.toml").display(),
            mara.dir.path().join("bulkmailer").display(),
        );
        let mut enter = Command::new("nsenter");
        enter.args(["-m", "-t", &mounts.pid().to_string(), "sh", "-c", &script]).env("HOME", mara.home(""));
        let output = enter.output().expect("nsenter");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if service == 0 {
            assert!(said.contains("-- 1 entry") && said.contains(&format!("outbound.{MARA}\n")), "{output:?}");
        } else {
            assert!(said.contains("has no access control lists") && said.contains("\n77\n"), "{output:?}");
            assert!(!said.contains(&format!("outbound.{MARA}\n")), "{output:?}");
        }
    }
}

#[test]
fn a_spool_without_other_users_gets_no_such_folder() {
    let site = Site::new("ok", "");
    site.submit(1, &["r@x.org"]);
    site.ok(&["run"]);
    assert!(!site.path("spool/users").exists());
}

/// The requests in drop/: queue, owner, mode, ids.
fn requests(site: &Site) -> Vec<(String, u32, u32, Vec<String>)> {
    let files = std::fs::read_dir(site.path("spool/drop")).expect("drop/").flatten();
    let mut found: Vec<_> = files
        .filter_map(|file| {
            let name = file.file_name().into_string().expect("text");
            let queue = name.split_once(".remove-")?.0.to_owned();
            let meta = file.metadata().expect("it is there");
            let text = std::fs::read_to_string(file.path()).expect("text");
            assert!(text.ends_with("]}\n") && text.starts_with("{\"v\":1,\"remove\":["), "{text}");
            let value: Value = serde_json::from_str(&text).expect("JSON");
            let ids = value["remove"].as_array().expect("ids").iter();
            let ids = ids.map(|id| id.as_str().expect("an id").to_owned()).collect();
            Some((queue, meta.uid(), meta.mode() & 0o7777, ids))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_user_asks_the_next_run_to_remove_entries_of_his() {
    if skipped() {
        return;
    }
    for service in [0, SERVICE] {
        let (site, mara) = (shared(service, "exit 75"), Plain::with_uid(MARA));
        let id = submit(&site, &mara, 1, &["m@x.org"]);
        site.try_run(&["run"]);
        let whole = format!("asked for: the next run removes {id} unless it is in a worker's hand or gone already\n");
        assert_eq!(ok(&by(&site, &mara, &["remove", &id], b"")), whole);
        let one = |ids: &[&str]| ("outbound".to_owned(), MARA, 0o640, ids.iter().map(|&id| id.to_owned()).collect());
        assert!(requests(&site).contains(&one(&[&id])), "{:?}", requests(&site));
        // What is in no list yet may be in any queue.
        let queues: Vec<String> = requests(&site).into_iter().map(|request| request.0).collect();
        assert_eq!(queues, ["outbound"], "the list says where it is");
        let asked = ok(&by(&site, &mara, &["remove", "--json", "-y", "-Q", "outbound", "a1", "b1", "a1"], b""));
        assert_eq!(asked, "{\"action\":\"remove\",\"asked\":[\"a1\",\"b1\"]}\n");
        assert!(requests(&site).contains(&one(&["a1", "b1"])));
        ok(&by(&site, &mara, &["remove", "c1"], b""));
        assert!(requests(&site).iter().filter(|request| request.3 == ["c1"]).count() > 1, "{:?}", requests(&site));
        let before = requests(&site).len();
        refused(&by(&site, &mara, &["remove", "--sender", "m@x.org"], b""), 77, "by their ids");
        refused(&by(&site, &mara, &["remove", "--state", "failed", &id], b""), 77, "by their ids");
        refused(&by(&site, &mara, &["remove"], b""), 77, "by their ids");
        refused(&by(&site, &mara, &["remove", "../x"], b""), 64, "no entry id");
        refused(&by(&site, &mara, &["remove", "a1", "b1"], b""), 64, "add --yes");
        refused(&by(&site, &mara, &["remove", "-Q", "nosuch", "a1"], b""), 78, "nosuch");
        assert!(ok(&by(&site, &mara, &["remove", "-n", &id], b"")).starts_with(&id));
        assert_eq!(requests(&site).len(), before, "what is refused leaves nothing");
        // A request is no mail, so it is not listed.
        assert_eq!(rows(&site, &mara, &[]).len(), 1);
    }
}

#[test]
fn a_request_has_two_hundred_ids_at_most() {
    if skipped() {
        return;
    }
    let (site, mara) = (shared(SERVICE, "exit 0"), Plain::with_uid(MARA));
    let ids: Vec<String> = (0..401).map(|n| format!("a{n}")).collect();
    let mut args = vec!["remove", "-y", "-Q", "outbound"];
    args.extend(ids.iter().map(String::as_str));
    assert!(ok(&by(&site, &mara, &args, b"")).starts_with("asked for: the next run removes 401 entries unless they"));
    let mut sizes: Vec<usize> = requests(&site).iter().map(|request| request.3.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 200, 200]);
}

#[cfg(feature = "faults")]
#[test]
fn a_request_that_fails_leaves_nothing() {
    if skipped() {
        return;
    }
    for (point, left) in
        [("request.written=eio", 0), ("request.sync=eio", 0), ("request.written", 0), ("request.linked", 1)]
    {
        let (site, mara) = (shared(SERVICE, "exit 0"), Plain::with_uid(MARA));
        let mut command = mara.command("0", &["remove", "-Q", "outbound", "a1"]);
        command.env("BULKMAILER_SPOOL", site.path("spool")).env("BULKMAILER_CONFIG", site.path("bulkmailer.toml"));
        command.env("BULKMAILER_FAULT", point);
        let output = feed(command, b"");
        assert!(!output.status.success(), "{point}: {output:?}");
        let there = std::fs::read_dir(site.path("spool/drop")).expect("drop/").count();
        assert_eq!(there, left, "{point}: {output:?}");
    }
}
