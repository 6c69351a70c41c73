//! Start-up: one message by the sendmail face and by submit, against a C program with its library linked in that does what
//! a careful program must (write, sync, rename, sync the folder), in memory and on a disk; and `--version` against one that
//! does nothing. A launch lasts about a millisecond, so ours and the limit's alternate one by one.

use std::fs::File;
use std::process::{Command, Stdio};

use super::site::{Site, message};
use super::tools::{Place, Tools, median, time_of};

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

/// Starts ours and the limit in turn, and prints the typical time of each, the median of the ratios of the pairs, and the
/// target.
fn pairs(tools: &Tools, name: &str, ours: &dyn Fn() -> Command, limit: &mut dyn FnMut() -> Command, most: Option<f64>) {
    // What was written before must not slow the first.
    nix::unistd::sync();
    let mut one = || (time_of(&mut ours()).as_secs_f64() * 1e6, time_of(&mut limit()).as_secs_f64() * 1e6);
    one();
    let pairs: Vec<(f64, f64)> = (0..tools.scale(500)).map(|_| one()).collect();
    let ratio = median(pairs.iter().map(|(ours, limit)| ours / limit).collect());
    let mine = median(pairs.iter().map(|pair| pair.0).collect());
    let theirs = median(pairs.iter().map(|pair| pair.1).collect());
    let target = most.map_or_else(String::new, |most| format!(" (at most {most:.2})"));
    println!("{name:<44} {mine:>9.0} {theirs:>9.0} µs         ratio {ratio:.2}{target}");
}
