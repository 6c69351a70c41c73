//! The account: who was promised what, and what became of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::GROUP;
use crate::support::Site;

/// What is known of one submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Accepted,
    /// It said why not: nothing of it may ever leave.
    Refused,
    /// It was killed before it said anything: all of it or nothing.
    Unknown,
    /// A person removed it, or tried to: whoever has not got it by then may have got nothing.
    Removed,
}

/// One submission. Each recipient's address belongs to it alone, so an address says all.
pub struct Submission {
    pub word: Word,
    /// Somebody can be told of a failure.
    pub has_sender: bool,
    pub recipients: Vec<String>,
}

#[derive(Default)]
pub struct Account {
    pub submissions: Vec<Submission>,
    /// Bounces, by whom they are on.
    pub reports: HashMap<String, Word>,
    /// Workers that were killed: each may have had one group in hand.
    pub killed: u32,
    /// What was done, by kind.
    pub done: BTreeMap<&'static str, u32>,
}

/// What the sink was handed: the numbers of the log's lines in which an address came.
struct Handed(HashMap<String, Vec<usize>>);

impl Handed {
    fn read(site: &Site, log: &str, most: usize) -> Handed {
        let log = std::fs::read_to_string(site.path(log)).unwrap_or_default();
        let mut found: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, line) in log.lines().enumerate() {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[2], "whole", "a message was cut: {line}");
            assert!(words.len() - 3 <= most, "too many at once: {line}");
            for address in &words[3..] {
                found.entry((*address).to_owned()).or_default().push(at);
            }
        }
        Handed(found)
    }

    fn has(&self, address: &str) -> bool {
        self.0.contains_key(address)
    }

    /// The hand-overs that were repeated, wholly or in part, once for each time.
    fn repeated(&self) -> HashSet<usize> {
        self.0.values().flat_map(|lines| &lines[..lines.len() - 1]).copied().collect()
    }
}

impl Account {
    /// What must hold at the end; what was done, in a line. With `repeats`, a killed worker's hand-over may come again.
    pub fn judge(&self, site: &Site, repeats: bool) -> String {
        let (handed, told) = (Handed::read(site, "log", GROUP), Handed::read(site, "log.notices", usize::MAX));
        let mut states: HashMap<String, HashSet<String>> = HashMap::new();
        for row in site.list() {
            let of_state = states.entry(row["state"].as_str().expect("a state").to_owned()).or_default();
            let recipients = row["recipients"].as_array().expect("a list").iter();
            of_state.extend(recipients.map(|recipient| recipient.as_str().expect("text").to_owned()));
        }
        // A notice may be held like any mail.
        let held = held_notices(site);
        let is = |state: &str, recipient: &str| states.get(state).is_some_and(|all| all.contains(recipient));
        let mut count: BTreeMap<&str, u32> = BTreeMap::new();
        let mut promised = HashSet::new();
        for Submission { word, has_sender, recipients } in &self.submissions {
            let mut lost = Vec::new();
            for recipient in recipients {
                let (delivered, failed) = (handed.has(recipient), is("failed", recipient));
                assert!(!failed || recipient.starts_with('f'), "only f fails: {recipient}");
                assert!(!(delivered && failed), "delivered and failed: {recipient}");
                let noticed = told.has(recipient) || held.contains(&format!("; {recipient}"));
                assert!(!failed || noticed == *has_sender, "failed, and told to nobody: {recipient}");
                assert!(!delivered || !noticed, "delivered, and told to be failed: {recipient}");
                let state = match (delivered, failed, is("hold", recipient)) {
                    (true, _, _) => "delivered",
                    (_, true, _) => "failed",
                    (_, _, true) => "held",
                    _ => {
                        assert!(!is("ready", recipient), "still queued: {recipient}");
                        lost.push(recipient);
                        "not queued or removed"
                    }
                };
                *count.entry(state).or_default() += 1;
            }
            let found = recipients.len() - lost.len();
            match word {
                Word::Accepted => assert!(lost.is_empty(), "accepted and lost: {lost:?}"),
                Word::Refused => assert_eq!(found, 0, "refused, and sent or queued: {recipients:?}"),
                Word::Unknown => {
                    assert!(
                        found == 0 || lost.is_empty(),
                        "half of a submission: {lost:?} of {recipients:?} are missing"
                    );
                }
                Word::Removed => {}
            }
            promised.extend(recipients.iter().map(String::as_str));
        }
        let strangers: Vec<_> = handed.0.keys().filter(|address| !promised.contains(address.as_str())).collect();
        assert!(strangers.is_empty(), "nobody wrote to them: {strangers:?}");
        let (again, told_again) = (handed.repeated(), told.repeated());
        let repeated = again.len() + told_again.len();
        assert!(
            repeated <= if repeats { self.killed as usize } else { 0 },
            "{} workers were killed, and repeated were lines {again:?} of the sink's log, {told_again:?} of its notices",
            self.killed,
        );
        assert_eq!(events(site).matches("given up").count(), 0, "nothing waited for that long");
        let corrupt = std::fs::read_dir(site.path("spool/outbound/corrupt")).into_iter().flatten().count();
        assert_eq!(corrupt, 0, "something was half-written");
        let recorded = recorded(site);
        let strangers: Vec<_> = recorded.keys().filter(|address| !self.reports.contains_key(*address)).collect();
        assert!(strangers.is_empty(), "nobody reported them: {strangers:?}");
        let mut missing = Vec::new();
        for (address, word) in &self.reports {
            match (word, recorded.get(address).copied().unwrap_or(0)) {
                (Word::Accepted, 1) | (Word::Unknown, 0 | 1) | (Word::Refused, 0) => {}
                (Word::Accepted, 0) => missing.push(address),
                (word, times) => panic!("{address}: {word:?}, and recorded {times} times"),
            }
        }
        // One on which two workers of a run were killed waits for a person.
        let held = site.list().iter().filter(|row| row["state"] == "hold" && row["queue"] == "bounce").count();
        assert!(missing.len() <= held, "accepted and not recorded: {missing:?}");
        format!(
            "recipients {count:?}, {} bounces recorded, {} workers killed, {repeated} hand-overs repeated; done {:?}",
            recorded.len(),
            self.killed,
            self.done
        )
    }
}

/// How often the ledger has each address.
fn recorded(site: &Site) -> HashMap<String, u32> {
    let mut found = HashMap::new();
    for line in site.ok(&["bounces", "list", "--json", "--limit", "100000000"]).lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
        *found.entry(row["address"].as_str().expect("an address").to_owned()).or_default() += 1;
    }
    found
}

/// The text of the notices that are held.
fn held_notices(site: &Site) -> String {
    let rows = site.list().into_iter().filter(|row| row["state"] == "hold" && row["sender"] == "");
    rows.map(|row| site.ok(&["show", "--message", row["id"].as_str().expect("an id")])).collect()
}

/// The event files as they are: a full disk may have torn a line.
fn events(site: &Site) -> String {
    let files = std::fs::read_dir(site.path("spool/events")).expect("a folder").flatten();
    files.map(|file| std::fs::read_to_string(file.path()).expect("text")).collect()
}
