//! Numbered letters, and what must hold of them whatever a server did.

use std::collections::HashMap;

use super::{Kind, Log, Script, Server};
use crate::support::Site;

/// Recipients of each message.
pub const EACH: usize = 2;
/// The number of the first message; all numbers have as many digits.
pub const FIRST: usize = 10_000;

pub fn text(n: usize) -> String {
    format!(
        "From: a@b.example\nDate: Tue, 24 Nov 2026 12:00:00 +0000\nMessage-ID: <{n}@b.example>\nX-Number: {n}\n\n.\n..\nEND\n"
    )
}

pub fn recipients(n: usize) -> [String; EACH] {
    [0, 1].map(|i| format!("r{n}.{i}@c.example"))
}

/// Queues so many messages, each from s<n>@b.example to [`recipients`].
pub fn queue(site: &Site, count: usize) {
    let letters = (FIRST..FIRST + count)
        .map(|n| format!("From s{n}@b.example Tue\nTo: {}\n{}\n", recipients(n).join(", "), text(n)))
        .collect::<String>();
    std::fs::write(site.path("mbox"), letters).expect("written");
    site.ok(&["submit", "-q", "--mbox", site.path("mbox").to_str().expect("a path")]);
}

/// The verdicts that were written down for each recipient, in their order.
pub fn verdicts(site: &Site) -> HashMap<String, Vec<String>> {
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for event in site.events() {
        let text = |key: &str| event[key].as_str().expect("text").to_owned();
        found.entry(text("recipient")).or_default().push(text("verdict"));
    }
    found
}

/// Everything that was written down for one recipient.
pub fn events_of(site: &Site, recipient: &str) -> Vec<String> {
    site.events().iter().filter(|event| event["recipient"] == recipient).map(ToString::to_string).collect()
}

/// How often each recipient was delivered to: with an answer that left, and without.
pub fn deliveries(log: &Log) -> HashMap<String, (usize, usize)> {
    let mut found: HashMap<String, (usize, usize)> = HashMap::new();
    for taken in &log.taken {
        for recipient in &taken.recipients {
            let (answered, not) = found.entry(recipient.clone()).or_default();
            *(if taken.answered { answered } else { not }) += 1;
        }
    }
    found
}

/// What must hold at any time, whatever the server did.
pub fn assert_true(site: &Site, log: &Log, what: &str) {
    assert!(log.misdeeds.is_empty(), "{what}: {:?}", log.misdeeds);
    for taken in &log.taken {
        let n: usize = taken.sender[1..6].parse().unwrap_or_else(|_| panic!("{what}: {taken:?}"));
        let content = String::from_utf8(taken.content.clone()).expect("text");
        assert!(
            content.starts_with("Received: ") && content.ends_with(&text(n).replace('\n', "\r\n")),
            "{what}: {content}"
        );
        assert_eq!(content.matches("Message-ID").count(), 1, "{what}: {content}");
        assert!(taken.recipients.iter().all(|r| recipients(n).contains(r)), "{what}: {taken:?}");
    }
    let told = verdicts(site);
    for (recipient, (answered, not)) in deliveries(log) {
        let delivered =
            told.get(&recipient).map_or(0, |told| told.iter().filter(|verdict| *verdict == "delivered").count());
        assert!(
            answered <= 1,
            "{what}: {recipient}: {answered} answered, {not} not: {told:?}",
            told = told.get(&recipient)
        );
        assert_eq!(delivered, answered, "{what}: {recipient}: events and answers; {:?}", told.get(&recipient));
    }
}

/// Everybody got it, with an answer.
pub fn assert_all_came(site: &Site, log: &Log, count: usize, what: &str) {
    assert_true(site, log, what);
    let came = deliveries(log);
    for recipient in (FIRST..FIRST + count).flat_map(recipients) {
        assert_eq!(came.get(&recipient).map(|(answered, _)| *answered), Some(1), "{what}: {recipient}");
    }
    assert!(site.list().is_empty(), "{what}: {:?}", site.list());
    site.assert_clean();
}

pub const KINDS: [(&str, bool, &[&str]); 6] = [
    ("lock-step", false, &["SIZE 1000000", "8BITMIME"]),
    ("pipelining", false, &["PIPELINING", "SIZE 1000000", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN"]),
    ("chunking", false, &["CHUNKING"]),
    ("pipelining and chunking", false, &["PIPELINING", "CHUNKING"]),
    ("lmtp", true, &["PIPELINING", "8BITMIME"]),
    ("lmtp with chunking", true, &["PIPELINING", "CHUNKING"]),
];

/// A server of one of the kinds, over TCP, or a unix socket of its own in `folder`.
pub fn serve(kind: usize, folder: Option<&tempfile::TempDir>, script: Script) -> Server {
    let (_, lmtp, offers) = KINDS[kind];
    let kind = Kind { lmtp, ..Kind::smtp(offers) };
    match folder {
        Some(folder) => Server::unix(&folder.path().join("socket"), kind, script),
        None => Server::tcp(kind, script),
    }
}
