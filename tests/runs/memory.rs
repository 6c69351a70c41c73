//! Memory is bounded: each process has room for a few entries and not for all, and does what it does with a few. The limit is
//! on writable memory (RLIMIT_DATA), so what one process holds counts whenever it holds it, and nothing is sampled.
//!
//! Measured: a run needs 1.2 MiB, and a submit of an mbox 3 MiB, with 500 entries as with 20,000. `list` has 46 bytes for a
//! name, up to a bound (`src/spool/by_due.rs`): 52 MiB with a million; `list --unsorted` keeps none. A submit
//! of a post sorts its recipients in runs of 8 MiB (`src/spool/sorter.rs`), and needs 14 MiB for any list that is longer.

use std::fmt::Write as _;
use std::process::{Command, Output, Stdio};

use crate::support::posts::lines;
use crate::support::{Site, feed, message, signal, wait_until};

/// Rooms in KiB.
const FEW: u32 = 2 << 10;
const MBOX: u32 = 4 << 10;
const SORT: u32 = 16 << 10;

/// A program that holds 100 bytes of each of these needs a MiB more, and [`FEW`] has no such room.
const ENTRIES: u32 = 10_000;

/// The sink is no part of the promise: the recording one has larger buffers than there is room for.
fn site() -> Site {
    let site = Site::new("ok", "");
    let sink = format!("echo >> {}", site.path("log").display());
    site.configure(&format!(
        "[limits]\nmin_free = \"0\"\n[queue.outbound]\ntransport = \"sink\"\nworkers = 2\n[transport.sink]\nkind = \"pipe\"\n\
         profile = \"postfix\"\ncommand = [\"/bin/sh\", \"-c\", {sink:?}, \"sh\", \"{{recipients}}\"]\n"
    ));
    site
}

/// The program in a room of `kib` KiB.
fn within(site: &Site, kib: u32, args: &[&str]) -> Command {
    let own = site.command(args);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -d {kib}; exec \"$@\""), "sh"]).arg(own.get_program()).args(own.get_args());
    shell.env_remove("BULKMAILER_FAULT").stdin(Stdio::null());
    shell
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn ten_thousand_entries_are_queued_listed_and_run_in_little_memory() {
    let site = site();
    let mbox = site.mbox("box", 0..ENTRIES);
    let submit = ["submit", "-q", "--mbox", mbox.to_str().expect("a path")];
    ok(&within(&site, MBOX, &submit).output().expect("it starts"));
    let count = || ok(&within(&site, FEW, &["list", "--json"]).output().expect("it starts")).lines().count();
    assert_eq!(count(), ENTRIES as usize);
    let mut run = within(&site, FEW, &["run"]).spawn().expect("it starts");
    wait_until("some are delivered", || site.path("log").metadata().is_ok_and(|log| log.len() > 100));
    // All of them would take too long for a test.
    signal("TERM", run.id());
    assert!(run.wait().expect("it ends").success());
    assert_eq!(count() + site.events().len(), ENTRIES as usize);
}

#[test]
fn a_post_is_run_in_little_memory_whatever_the_number_of_its_recipients() {
    let site = site();
    let recipients: Vec<String> = (0..20_000).map(|n| format!("subscriber-{n}@d{n}.example.net")).collect();
    std::fs::write(site.path("list"), lines(&recipients)).expect("written");
    let list = site.path("list").display().to_string();
    site.feed(&["submit", "-q", "-f", "list@example.org", "--recipients", &list], message(1).as_bytes());
    ok(&within(&site, FEW, &["run"]).output().expect("it starts"));
    assert_eq!((site.list().len(), site.events().len()), (0, recipients.len()));
}

/// The addresses alone would fill more than the room there is.
#[test]
fn a_post_is_submitted_in_bounded_memory_whatever_the_number_of_its_recipients() {
    let site = site();
    let (mut text, label) = (String::new(), "x".repeat(60));
    for n in 0..80_000 {
        writeln!(text, "subscriber-{n}@{label}.{label}.{label}.d{n}.example.net").expect("text");
    }
    assert!(text.len() as u64 > u64::from(SORT) << 10);
    std::fs::write(site.path("list"), text).expect("written");
    let list = site.path("list").display().to_string();
    let submit = within(&site, SORT, &["submit", "--json", "-f", "list@example.org", "--recipients", &list]);
    let posted: serde_json::Value = serde_json::from_str(&ok(&feed(submit, message(1).as_bytes()))).expect("JSON");
    assert_eq!(posted["recipients"], 80_000, "{posted}");
}
