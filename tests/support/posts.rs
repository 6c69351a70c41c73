//! List posts, for the tests about them: how one is submitted, and what of it reached the sink.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{Site, message};

/// Writes a list; its path.
pub fn list(site: &Site, name: &str, text: &str) -> PathBuf {
    let path = site.path(name);
    std::fs::write(&path, text).expect("written");
    path
}

/// Submits message `n` to the list `text`; what `--json` says.
pub fn post(site: &Site, n: u32, text: &str, more: &[&str]) -> serde_json::Value {
    let list = list(site, "list", text);
    let head = ["submit", "-f", "list@example.org", "--json", "--recipients", list.to_str().expect("a path")];
    let output = site.feed(&[&head[..], more].concat(), message(n).as_bytes());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

pub fn id(posted: &serde_json::Value) -> &str {
    posted["job"].as_str().expect("an id")
}

/// `r0@d0.example` and so on, a few domains among them.
pub fn recipients(count: u32) -> Vec<String> {
    (0..count).map(|n| format!("r{n}@d{}.example", n % 7)).collect()
}

pub fn lines(recipients: &[String]) -> String {
    recipients.join("\n") + "\n"
}

pub fn shown(site: &Site, job: &str) -> serde_json::Value {
    serde_json::from_str(&site.ok(&["jobs", "show", job, "--json"])).expect("JSON")
}

/// Sender and recipients of each hand-over.
pub fn handed(site: &Site) -> Vec<(String, Vec<String>)> {
    let log = std::fs::read_to_string(site.path("log")).unwrap_or_default();
    let hand = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        (words.nth(1).expect("a sender"), words.skip(1).collect())
    };
    log.lines().map(hand).collect()
}

/// How many recipients were handed over, repeats counted.
pub fn delivered(site: &Site) -> usize {
    handed(site).iter().map(|(_, recipients)| recipients.len()).sum()
}

pub fn assert_each_once(site: &Site, recipients: &[String]) {
    let found = site.deliveries();
    let once: BTreeSet<String> =
        found.iter().filter(|(_, times)| **times == 1).map(|((_, to), _)| to.clone()).collect();
    assert_eq!((found.len(), once), (recipients.len(), recipients.iter().cloned().collect()));
}
