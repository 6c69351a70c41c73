//! What contrib has is in order: scripts, units, the laptop's configuration; and msmtpq's arguments are understood. The tests'
//! own scripts are, too.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support;

fn contrib(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(inside)
}

#[test]
fn the_scripts_are_in_order() {
    let contrib = ["network/bulkmailer", "laptop/msmtpq", "lists/mlmmj"].map(contrib);
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let scripts = [&contrib[..], &["setup", "slow", "bench/other"].map(|name| tests.join(name))].concat();
    for script in &scripts {
        assert_eq!(script.metadata().expect("a script").permissions().mode() & 0o111, 0o111, "{}", script.display());
    }
    let Ok(check) = Command::new("shellcheck").args(&scripts).output() else {
        eprintln!("skipped: shellcheck is not installed");
        return;
    };
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}

#[test]
fn the_units_are_in_order() {
    for (folder, kind) in [("systemd", "--system"), ("laptop/systemd", "--user")] {
        let made = tempfile::tempdir().expect("a temporary folder");
        let mut verify = Command::new("systemd-analyze");
        verify.args(["--man=no", kind, "verify"]).env("XDG_RUNTIME_DIR", made.path());
        for unit in std::fs::read_dir(contrib(folder)).expect("units").flatten() {
            let text = std::fs::read_to_string(unit.path()).expect("text");
            let text = text.replace("/usr/local/bin/bulkmailer", env!("CARGO_BIN_EXE_bulkmailer"));
            let path = made.path().join(unit.file_name());
            std::fs::write(&path, text).expect("written");
            verify.arg(path);
        }
        let Ok(output) = verify.output() else {
            eprintln!("skipped: systemd-analyze is not installed");
            return;
        };
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
}

/// The line's words are those that work, for somebody who has them in another place.
#[test]
fn the_line_for_inetd_is_in_order() {
    let text = std::fs::read_to_string(contrib("inetd/bulkmailer")).expect("text");
    let lines: Vec<Vec<&str>> =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect()).collect();
    assert_eq!(lines.len(), 1);
    let (head, command) = lines[0].split_at(5);
    assert_eq!((&head[1..4], command[0]), (&["stream", "tcp", "nowait"][..], "/usr/local/bin/bulkmailer"));
    let unit = std::fs::read_to_string(contrib("systemd/bulkmailer-smtp@.service")).expect("a unit");
    assert!(unit.contains(&format!("\nExecStart={} {}\n", command[0], command[2..].join(" "))), "{unit}");
    let socket = std::fs::read_to_string(contrib("systemd/bulkmailer-smtp.socket")).expect("a unit");
    assert!(socket.contains(&format!("\nListenStream={}\n", head[0])), "{socket}");
}

#[test]
fn a_stop_gives_the_messages_in_hand_their_time() {
    for unit in ["systemd/bulkmailer.service", "laptop/systemd/bulkmailer.service"] {
        let text = std::fs::read_to_string(contrib(unit)).expect("a unit");
        assert!(text.contains("\nKillMode=mixed\n") && text.contains("\nTimeoutStopSec=6min\n"), "{unit}");
    }
}

#[test]
fn msmtpqs_arguments_are_understood() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let fake = dir.path().join("bulkmailer");
    support::program(&fake, "#!/bin/sh\nprintf '<%s>' \"$@\"\n");
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    for (args, expected) in [
        (&["-t"][..], "<-t>"),
        (&["-a", "work", "-t"], "<-t>"),
        (&["-awork", "--account=home", "-oi", "-i", "-t"], "<-t>"),
        (&["--account", "home", "-f", "a@b", "x@y"], "<-f><a@b><x@y>"),
        (&["--from=a b@c", "--read-recipients", "--read-envelope-from"], "<-f><a b@c><-t>"),
        (&["--from", "a@b", "-C", "rc", "x@y", "z@y"], "<-f><a@b><x@y><z@y>"),
        (&["-oi", "--", "-a", "--from=x", "two words", ""], "<--><-a><--from=x><two words><>"),
        (&["x@y", "-a"], "<x@y>"),
    ] {
        let output = Command::new(contrib("laptop/msmtpq")).args(args).env("PATH", &path).output().expect("sh");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("<submit><--quiet><--read-sender>{expected}"));
    }
}
