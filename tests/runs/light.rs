//! What a run does not do: counted by strace.

use std::collections::HashMap;

use crate::support::Site;
use crate::support::trace::{may_trace, trace, traced};

#[test]
fn a_supervisor_whose_workers_are_all_at_work_looks_at_no_names() {
    if !may_trace("a_supervisor_whose_workers_are_all_at_work_looks_at_no_names") {
        return;
    }
    let site = Site::new("wait=1000", "workers = 1");
    for n in 0..4 {
        site.submit(n, &[&format!("r{n}@example.net")]);
    }
    let mut run = traced(&site, &["trace=openat,renameat,renameat2"], &site.command(&["run"]));
    assert!(run.status().expect("strace").success());
    site.assert_each_once(0..4);
    let log = trace(&site);
    let process = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let supervisor =
        log.iter().find(|line| line.contains("run.json\")")).map(|line| process(line)).expect("a heartbeat");
    let mut looks: HashMap<&str, u32> = HashMap::new();
    for line in log.iter().filter(|line| process(line) == supervisor && line.contains("O_DIRECTORY")) {
        let folder = line.split('"').nth(1).filter(|path| path.starts_with("ready/"));
        *looks.entry(folder.unwrap_or_default()).or_default() += u32::from(folder.is_some());
    }
    // The first, and one after the worker's end; in four seconds there were ten and more.
    let most = looks.values().max().copied().unwrap_or_default();
    assert!((1..=3).contains(&most), "{most} looks at one folder:\n{}", log.join("\n"));
}
