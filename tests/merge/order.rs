//! The order of the steps that a power cut could undo, as the kernel was asked for them.

use crate::job::{merge, to};
use crate::support::Site;
use crate::support::trace::{may_trace, trace, traced};

/// Where the first line is that has all of `words`, from `from` on.
fn place(lines: &[String], from: usize, words: &[&str]) -> usize {
    let found = lines.iter().skip(from).position(|line| words.iter().all(|word| line.contains(word)));
    from + found.unwrap_or_else(|| panic!("nothing with {words:?} behind line {from}:\n{}", lines.join("\n")))
}

#[test]
fn a_row_is_begun_before_it_leaves_and_its_log_is_on_disk_before_its_head_goes_or_moves() {
    if !may_trace("a_row_is_begun_before_it_leaves") {
        return;
    }
    for (mode, hold, call) in [("ok", false, "unlinkat"), ("exit=75", false, "renameat2"), ("ok", true, "unlinkat")] {
        let on_crash = if hold { "hold" } else { "resend" };
        let retry = "retry = { first = \"1d\", max = \"1d\" }";
        let site = Site::new(mode, &format!("workers = 1\non_crash = \"{on_crash}\"\n{retry}"));
        let id = merge(&site, &to(["a@x.example".to_owned()]), 1);
        let calls = "trace=pwrite64,fdatasync,syncfs,unlinkat,renameat2,clone,clone3,vfork,fork,execve";
        let output = traced(&site, &[calls], &site.command(&["run"])).output().expect("strace starts");
        assert!(output.status.success(), "{output:?}");
        let lines = trace(&site);
        let log = format!("{id}/log/0/0");
        let begun = place(&lines, 0, &["pwrite64", &log]);
        let handed = place(&lines, begun, &["execve", "/sink"]);
        if hold {
            assert!(place(&lines, begun, &["fdatasync", &log]) < handed, "begun is on disk first");
        }
        let answered = place(&lines, begun + 1, &["pwrite64", &log]);
        let synced = lines
            .iter()
            .skip(answered)
            .position(|line| line.contains("syncfs") || (line.contains("fdatasync") && line.contains(&log)));
        let gone = place(&lines, answered, &[call, &format!("{id}.0.0+")]);
        assert!(synced.is_some_and(|synced| answered + synced < gone), "{mode}, {on_crash}:\n{}", lines.join("\n"));
        assert!(handed < gone, "{mode}");
    }
}
