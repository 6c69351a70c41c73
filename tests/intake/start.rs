//! What one submission asks of the kernel: each call, each page and each look-up counts where a program is started for each
//! message.
//!
//! Skipped, with a word, where strace is missing or may not trace.

use std::process::Command;

use crate::support::trace::{may_trace, trace, traced};
use crate::support::{Site, feed, message};

/// At most so many system calls, beside those that make the message last: a third of the sixty that a submission may
/// have is the C library's, before main, and more where it is loaded, as here.
const CALLS_MAX: usize = 45;

/// The calls that make a message last.
const DURABLE: [&str; 3] = ["fdatasync(", "linkat(", "fsync("];

/// The system calls of a submission from the first of main's, by which the message comes in.
fn calls_of(site: &Site, args: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkmailer"));
    // A configuration of many folders would be a call or three for each.
    command.args(args).env("BULKMAILER_SPOOL", site.path("spool")).env("BULKMAILER_CONFIG", "/dev/null");
    let output = feed(traced(site, &[], &command), message(1).as_bytes());
    assert!(output.status.success(), "{args:?}: {output:?}");
    let mut log = trace(site);
    // A standard library that was built to be tested looks at each descriptor that it closes.
    log.retain(|line| line.contains('(') && !line.contains("F_GETFD"));
    let main = log.iter().position(|line| line.contains("umask(")).expect("a private umask");
    log.split_off(main)
}

#[test]
fn a_submission_is_few_calls_and_two_syncs() {
    if !may_trace("a_submission_is_few_calls_and_two_syncs") {
        return;
    }
    let site = Site::new("ok", "");
    // The sender is named, for the library of a test looks users up in its own ways.
    let faces: [&[&str]; 2] = [
        &["sendmail", "-f", "s@example.org", "r@example.net"],
        &["submit", "-q", "-f", "s@example.org", "r@example.net"],
    ];
    // In a spool that is there.
    calls_of(&site, faces[0]);
    for face in faces {
        let log = calls_of(&site, face);
        let text = log.join("\n");
        let (durable, others): (Vec<_>, Vec<_>) =
            log.into_iter().partition(|line| DURABLE.iter().any(|call| line.contains(call)));
        assert!(others.len() <= CALLS_MAX, "{face:?}: {} calls:\n{text}", others.len());
        let synced: Vec<&String> = durable.iter().filter(|line| line.contains("sync(")).collect();
        let [file, folder] = synced[..] else { panic!("{face:?}: not two syncs:\n{text}") };
        assert!(file.contains("fdatasync(") && file.contains("outbound/"), "{file}");
        assert!(folder.contains(" fsync(") && folder.contains("outbound/ready/"), "{folder}");
        assert_eq!(durable.iter().filter(|line| line.contains("linkat(") && line.contains("= 0")).count(), 1, "{text}");
    }
}

#[test]
fn no_user_is_looked_up_for_a_message_that_names_its_own() {
    if !may_trace("no_user_is_looked_up") {
        return;
    }
    let site = Site::new("ok", "");
    let args = ["sendmail", "-f", "s@example.org", "r@example.net"];
    calls_of(&site, &args);
    let log = calls_of(&site, &args);
    let touched = |part: &str| log.iter().any(|line| line.contains(part));
    assert!(!touched("nsswitch.conf") && !touched("/etc/passwd"), "{}", log.join("\n"));
    assert!(!touched("/proc/self/maps") && !touched("random\""), "{}", log.join("\n"));
}
