//! Start-up: one message by the sendmail face and by submit, against a C program with its library linked in that does what
//! a careful program must (write, sync, rename, sync the folder), in memory and on a disk; and `--version` against one that
//! does nothing. A launch lasts about a millisecond, so ours and the limit's alternate one by one.

use std::fs::File;
use std::process::{Command, Stdio};

use super::site::{Site, message};
use super::tools::{Place, Tools, pairs, time_of};

/// At most this much of the C program's time, in memory and on a disk.
const IN_MEMORY: f64 = 1.35;
const ON_DISK: f64 = 1.25;

pub fn start(tools: &Tools) {
    for memory in [true, false] {
        let dir = tools.place(memory);
        let site = Site::into_sink(&tools.ours, dir.path(), tools, "");
        let letter = letter_in(&dir);
        let most = if memory { IN_MEMORY } else { ON_DISK };
        let at = if memory { "memory" } else { "disk" };
        let args = ["-i", "-f", "s@example.org", "r@example.net"];
        let face = || with(&letter, site.sendmail(&args));
        let submit = || with(&letter, site.command(&["submit", "-q", "-f", "s@example.org", "r@example.net"]));
        // The first makes the spool.
        time_of(&mut submit());
        let mut n = 0;
        let mut limit = || {
            n += 1;
            let mut command = Command::new(tools.program("one_rename"));
            command.arg(dir.path()).arg(n.to_string());
            with(&letter, command)
        };
        pairs(tools, &format!("sendmail, {at} / one_rename"), &face, &mut limit, Some(most));
        pairs(tools, &format!("submit, {at} / one_rename"), &submit, &mut limit, None);
    }
    let version = || {
        let mut command = tools.ours.command();
        command.arg("--version").stdout(Stdio::null());
        command
    };
    let mut nothing = || {
        let mut command = Command::new(tools.program("nothing"));
        command.stdin(Stdio::null());
        command
    };
    pairs(tools, "--version / nothing", &version, &mut nothing, None);
}

fn letter_in(dir: &Place) -> std::path::PathBuf {
    let letter = dir.path().join("letter");
    std::fs::write(&letter, message(1)).expect("written");
    letter
}

fn with(letter: &std::path::Path, mut command: Command) -> Command {
    command.stdin(File::open(letter).expect("readable"));
    command
}
