//! The whole way as a plain user who has only his home, and as root; what others may see of it, and what a link in the
//! spool leads to.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use crate::support::hosts::{self, Plain};
use crate::support::{Site, feed, message};

/// Everything beneath `folder`, with its mode.
fn modes(folder: &Path, found: &mut Vec<(PathBuf, u32)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let meta = entry.metadata().expect("it is there");
        found.push((entry.path(), meta.mode()));
        if meta.is_dir() {
            modes(&entry.path(), found);
        }
    }
}

/// Folders are 0700 and files 0600, whatever the umask was.
#[track_caller]
fn assert_private(folder: &Path, uid: u32) {
    let mut found = vec![(folder.to_owned(), folder.metadata().expect("it is there").mode())];
    modes(folder, &mut found);
    assert!(found.len() > 10, "{found:?}");
    for (path, mode) in found {
        let expected = if mode & 0o170_000 == 0o040_000 { 0o700 } else { 0o600 };
        assert_eq!(mode & 0o7777, expected, "{}", path.display());
        assert_eq!(path.metadata().expect("it is there").uid(), uid, "{}", path.display());
    }
}

fn ok(plain: &Plain, umask: &str, args: &[&str], input: &[u8]) -> String {
    let output = feed(plain.command(umask, args), input);
    assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Submit, look, run into the Maildir, look again; `state` is where his own state lies.
fn whole_way(plain: &Plain, umask: &str, state: &Path) {
    let id = ok(plain, umask, &["submit", "mara@example.net"], message(1).as_bytes());
    assert!(ok(plain, umask, &["list"], b"").contains(id.trim()));
    assert!(ok(plain, umask, &["show", id.trim()], b"").contains(&format!("by user {}", plain.uid)));
    assert!(ok(plain, umask, &["status"], b"").contains("1 due"));
    assert!(ok(plain, umask, &["check"], b"").contains("all in order"));
    assert_private(&state.join("spool"), plain.uid);
    assert_eq!(ok(plain, umask, &["run"], b""), "");
    assert_eq!(ok(plain, umask, &["list"], b""), "The queue is empty.\n");
    assert!(ok(plain, umask, &["check"], b"").contains("all in order"));
    assert_private(&state.join("spool"), plain.uid);
    let new: Vec<_> = std::fs::read_dir(state.join("Maildir/new")).expect("a Maildir").flatten().collect();
    assert_eq!(new.len(), 1);
    assert!(std::fs::read_to_string(new[0].path()).expect("text").ends_with(&message(1)));
}

#[test]
fn a_plain_user_with_nothing_but_his_home() {
    for umask in ["000", "077", "0777"] {
        let plain = Plain::new();
        if plain.sees_mta() {
            eprintln!("skipped: this host's sendmail command cannot be hidden from us");
            return;
        }
        whole_way(&plain, umask, &plain.home(".local/state/bulkmailer"));
        assert_private(&plain.home(".local/state"), plain.uid);
    }
}

#[test]
fn a_plain_user_with_xdg_folders_and_a_configuration_of_his_own() {
    let plain = Plain::new();
    plain.write("conf/bulkmailer.toml", "[limits]\nmin_free = \"1M\"\n[queue.outbound]\ntransport = \"maildir\"\n");
    let run = |args: &[&str], input: &[u8]| {
        let mut command = plain.command("022", args);
        command.env("XDG_CONFIG_HOME", plain.home("conf")).env("XDG_STATE_HOME", plain.home("state"));
        let output = feed(command, input);
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    run(&["sendmail", "-t"], format!("To: mara@example.net\n{}", message(1)).as_bytes());
    let shown = run(&["config", "show"], b"");
    for place in [plain.home("state/bulkmailer/spool"), plain.home("conf/bulkmailer.toml")] {
        assert!(shown.contains(place.to_str().expect("a path")), "{shown}");
    }
    run(&["run"], b"");
    assert_eq!(std::fs::read_dir(plain.home("state/bulkmailer/Maildir/new")).expect("a Maildir").count(), 1);
    assert!(!plain.home(".local").exists() && !plain.home(".config").exists());
}

#[test]
fn a_plain_user_who_may_not_write_in_the_spool_is_told() {
    let plain = Plain::new();
    if !hosts::is_root() {
        eprintln!("skipped: only root can make a spool that is not ours");
        return;
    }
    let site = Site::new("ok", "");
    site.submit(1, &["r1@example.net"]);
    let (spool, before) = (plain.dir.path().join("spool"), site.tree());
    std::fs::rename(site.path("spool"), &spool).expect("moved to where he can look for it");
    for args in [&["submit", "a@b.c"][..], &["sendmail", "a@b.c"], &["run"], &["list"], &["check"]] {
        let mut command = plain.command("022", args);
        command.env("BULKMAILER_SPOOL", &spool);
        let output = feed(command, message(1).as_bytes());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(77), "{args:?}: {output:?}");
        let cause = if matches!(args[0], "submit" | "sendmail") { "chmod 711" } else { "Permission denied" };
        assert!(said.lines().count() == 1 && said.contains(cause), "{said}");
    }
    std::fs::rename(&spool, site.path("spool")).expect("moved back");
    assert_eq!(site.tree(), before);
}

#[test]
fn the_owner_of_the_tests_with_a_spool_that_is_named() {
    let site = Site::new("ok", "");
    let own = nix::unistd::geteuid().as_raw();
    for umask in ["0", "777"] {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_bulkmailer"), "--spool"]);
        shell.arg(site.path("spool")).arg("--config").arg(site.path("bulkmailer.toml"));
        shell.args(["submit", "r1@example.net"]);
        let output = feed(shell, message(1).as_bytes());
        assert!(output.status.success(), "{output:?}");
        assert_private(&site.path("spool"), own);
        site.ok(&["run"]);
        assert_private(&site.path("spool"), own);
    }
}

#[test]
fn links_in_the_spool_are_not_followed() {
    let site = Site::new("ok", "workers = 1");
    site.submit(1, &["r1@example.net"]);
    let entry = site.file("/ready/");
    // An entry that lies elsewhere, and a secret that a message could become.
    let (elsewhere, secret) = (site.path("elsewhere"), site.path("secret"));
    std::fs::rename(&entry, &elsewhere).expect("moved");
    std::fs::write(&secret, "secret").expect("written");
    symlink(&elsewhere, &entry).expect("a link");
    symlink(&secret, site.path("spool/outbound/tmp/link")).expect("a link");
    symlink(&secret, site.path("spool/outbound/run.json")).expect("a link");
    let found = site.try_run(&["check"]);
    let said = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(found.status.code() == Some(1) && said.contains("it is no regular file"), "{found:?}");
    let output = site.try_run(&["run"]);
    assert!(site.deliveries().is_empty(), "the link was followed");
    assert!(String::from_utf8_lossy(&output.stderr).contains("it is no regular file; moved to corrupt/"), "{output:?}");
    site.assert_clean();
    site.ok(&["run"]);
    assert!(elsewhere.exists() && std::fs::read_to_string(&secret).expect("text") == "secret");
    // The queue's folder itself, or the file of its lock.
    for inside in ["outbound/lock", "outbound"] {
        let (at, aside) = (site.path("spool").join(inside), site.path("aside"));
        std::fs::rename(&at, &aside).expect("moved");
        symlink(&aside, &at).expect("a link");
        let output = site.try_run(&["run"]);
        assert_ne!(output.status.code(), Some(0), "{inside}: {output:?}");
        std::fs::remove_file(&at).expect("the link");
        std::fs::rename(&aside, &at).expect("moved back");
    }
}
