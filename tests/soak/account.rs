//! The account: who was promised what, and what became of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::GROUP;
use crate::sink::{Sink, Taken};
use crate::support::Site;

/// What is known of one submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Accepted,
    /// It said why not: nothing of it may ever leave.
    Refused,
    /// It was killed before it said anything: all of it or nothing.
    Unknown,
    /// It was refused or killed, and some of it may have been taken up before: several mails that went through drop/.
    Part,
    /// A person removed it, or tried to: whoever has not got it by then may have got nothing.
    Removed,
}

/// One submission. Each recipient's address belongs to it alone, so an address says all.
pub struct Submission {
    pub word: Word,
    /// Who is told of a failure; "<>" is nobody.
    pub sender: String,
    pub recipients: Vec<String>,
}

#[derive(Default)]
pub struct Account {
    pub submissions: Vec<Submission>,
    /// Bounces, by whom they are on.
    pub reports: HashMap<String, Word>,
    /// Recipients that failed, and that a person had tried again.
    pub requeued: HashSet<String>,
    /// Workers that were killed: each may have had one group in hand.
    pub killed: u32,
    /// What was done, by kind.
    pub done: BTreeMap<&'static str, u32>,
}

/// What the sink took: for each address the hand-overs that it came in, by their places in `taken`.
struct Handed<'t> {
    taken: &'t [Taken],
    places: HashMap<&'t str, Vec<usize>>,
}

impl<'t> Handed<'t> {
    /// Of mail or of notices.
    fn of(taken: &'t [Taken], notices: bool) -> Handed<'t> {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, one) in taken.iter().enumerate().filter(|(_, one)| one.notice == notices) {
            assert!(one.whole, "a message was cut: {one:?}");
            assert!(notices || one.recipients.len() <= GROUP, "too many at once: {one:?}");
            for address in &one.recipients {
                places.entry(address).or_default().push(at);
            }
        }
        Handed { taken, places }
    }

    fn has(&self, address: &str) -> bool {
        self.places.contains_key(address)
    }

    /// Whether one of the hand-overs was answered.
    fn was_answered(&self, address: &str) -> bool {
        self.places.get(address).is_some_and(|places| places.iter().any(|&at| self.taken[at].answered))
    }

    /// The hand-overs that were repeated for somebody of `whom`, wholly or in part, once for each time.
    fn repeated(&self, whom: impl Fn(&str) -> bool) -> HashSet<usize> {
        let whom = self.places.iter().filter(|(address, _)| whom(address));
        whom.flat_map(|(_, places)| &places[..places.len() - 1]).copied().collect()
    }
}

impl Account {
    pub fn note(&mut self, word: Word, sender: &str, recipients: Vec<String>) {
        self.submissions.push(Submission { word, sender: sender.to_owned(), recipients });
    }

    /// What must hold at the end; what was done, in a line. With `repeats`, a hand-over whose answer was lost may come again,
    /// and fail then: a killed worker's, and one that the sink did not answer.
    pub fn judge(&self, site: &Site, sink: &Sink, repeats: bool) -> String {
        let taken = sink.taken(site);
        let (handed, told) = (Handed::of(&taken, false), Handed::of(&taken, true));
        assert!(sink.misdeeds().is_empty(), "{:?}", sink.misdeeds());
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
        // Delivered for all that the sink knows, and failed as well.
        let mut both = Vec::new();
        let mut refused = HashMap::new();
        for Submission { word, sender, recipients } in &self.submissions {
            let mut lost = Vec::new();
            let refused = *refused.entry(sender).or_insert_with(|| sink.has_refused(sender));
            for recipient in recipients {
                let (delivered, failed) = (handed.has(recipient), is("failed", recipient));
                let noticed = told.has(recipient) || held.contains(&format!("; {recipient}"));
                let again = self.requeued.contains(recipient);
                let may_fail = recipient.starts_with('f') || refused;
                assert!(may_fail || !(failed || noticed), "{recipient} failed: it was from {sender}");
                assert!(!failed || noticed == (sender != "<>"), "failed, and told to nobody: {recipient}");
                if delivered && (failed || (noticed && !again)) {
                    assert!(repeats, "delivered and failed: {recipient}");
                    both.extend(handed.was_answered(recipient).then_some(recipient));
                }
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
                Word::Removed | Word::Part => {}
            }
            promised.extend(recipients.iter().map(String::as_str));
        }
        let strangers: Vec<_> = handed.places.keys().filter(|address| !promised.contains(*address)).collect();
        assert!(strangers.is_empty(), "nobody wrote to them: {strangers:?}");
        // What its writer changes all the time is another mail each time.
        let again = handed.repeated(|address| !address.starts_with('m'));
        let told_again = told.repeated(|address| !self.requeued.contains(address));
        let all: Vec<&Taken> = again.union(&told_again).map(|&at| &taken[at]).collect();
        let repeated = all.len();
        // Whoever got no answer does it again, and else only one that is killed.
        let unanswered = all.iter().filter(|one| !one.answered).count();
        assert!(
            if repeats { repeated - unanswered + both.len() <= self.killed as usize } else { repeated == 0 },
            "{} workers were killed, {unanswered} unanswered; delivered and failed: {both:?}; repeated: {all:?}",
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
            "recipients {count:?}, {} bounces recorded, {} workers killed, {repeated} hand-overs repeated, {unanswered} of them \
             unanswered; done {:?}",
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
