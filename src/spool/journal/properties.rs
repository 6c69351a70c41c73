//! Properties of a journal: what was written is what is read, and what was torn off its end tells nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::Reason;
use crate::model::verdict::Kind;
use crate::spool::SpoolQueue;

/// One thing that a claim's holder does.
#[derive(Clone, Debug)]
enum Step {
    /// A hand-over of some who are open, and its answer; `None` where the worker dies.
    HandOver(u8, Option<Option<Vec<u8>>>),
    Note(u8, u8),
    Notice(u8),
    Reopen(u8),
    /// The next line is torn by a kill or a full disk, after so many of its bytes.
    Tear(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let answer = prop_oneof![
        3 => proptest::collection::vec(0..5u8, 8).prop_map(|letters| Some(Some(letters))),
        1 => Just(Some(None)),
        1 => Just(None),
    ];
    let step = prop_oneof![
        4 => (any::<u8>(), answer).prop_map(|(group, answer)| Step::HandOver(group, answer)),
        3 => (any::<u8>(), 0..5u8).prop_map(|(group, verdict)| Step::Note(group, verdict)),
        1 => any::<u8>().prop_map(Step::Notice),
        1 => any::<u8>().prop_map(Step::Reopen),
        2 => (0..90usize).prop_map(Step::Tear),
    ];
    proptest::collection::vec(step, 0..16)
}

/// The recipients whose bits are set.
fn members(bits: u8, recipients: usize) -> Vec<usize> {
    (0..recipients).filter(|i| bits >> i & 1 == 1).collect()
}

fn verdict(number: u8) -> Verdict {
    let reason = Reason::new("450 4.2.1 \"busy\" \\ jörg").with_status(Some("4.2.1".to_owned()));
    match number {
        0 => Verdict::Delivered,
        1 => Verdict::Deferred(reason),
        2 => Verdict::Failed(reason),
        3 => Verdict::Unknown(reason),
        _ => Verdict::Held(reason),
    }
}

/// A journal, and what its holder knows without reading it.
struct TrackedJournal {
    journal: Journal,
    last: Vec<Option<Kind>>,
    in_flight: BTreeSet<usize>,
    attempts: u32,
}

impl TrackedJournal {
    fn set(&mut self, recipient: usize, kind: Kind) {
        self.last[recipient] = Some(kind);
        self.in_flight.remove(&recipient);
    }

    fn step(&mut self, queue: &SpoolQueue, id: &EntryId, step: &Step) {
        let home = &Home::top(queue);
        let (recipients, now) = (self.last.len(), Micros(1_000));
        match step {
            Step::HandOver(bits, answer) => {
                let mut group = members(*bits, recipients);
                group.retain(|&i| self.journal.history.is_open(i));
                if group.is_empty() {
                    return;
                }
                let mark = self.journal.begin(home, id, &group, now).expect("begun");
                self.in_flight.extend(&group);
                let Some(answer) = answer else { return self.die(queue, id) };
                let verdicts: Option<Vec<Verdict>> =
                    answer.as_ref().map(|letters| group.iter().map(|&i| verdict(letters[i])).collect());
                self.journal.answer(mark, &group, verdicts.as_deref()).expect("answered");
                for (at, &recipient) in group.iter().enumerate() {
                    match &verdicts {
                        Some(verdicts) => self.set(recipient, verdicts[at].kind()),
                        None => drop(self.in_flight.remove(&recipient)),
                    }
                }
            }
            Step::Note(bits, number) => {
                self.attempts += 1;
                let verdict = verdict(*number);
                let group = members(*bits, recipients);
                group.iter().for_each(|&recipient| self.set(recipient, verdict.kind()));
                let (waited, next) = (Duration::from_micros(7), Some(Micros(2_000)));
                let results = vec![(group, verdict)];
                let note = AttemptNote { number: self.attempts, at: now, waited, next, results };
                self.journal.note(home, id, &note).expect("noted");
            }
            Step::Notice(bits) => {
                let group = members(*bits, recipients);
                self.journal.noticed(home, id, About::Failed, &group, now).expect("noted");
            }
            Step::Reopen(bits) => {
                let group = members(*bits, recipients);
                for &recipient in &group {
                    self.last[recipient] = None;
                    self.in_flight.remove(&recipient);
                }
                self.attempts = 0;
                self.journal.reopen(home, id, group, now, 0).expect("noted");
            }
            Step::Tear(bytes) => {
                let Some(file) = &self.journal.file else { return };
                let line =
                    r#"{"attempt":99,"at":5,"waited":0,"results":[{"group":[0,1,2,3,4,5],"verdict":"deferred"}]}"#;
                let text = format!("{}{line}", if self.journal.torn { "\n" } else { "" });
                let torn = &text.as_bytes()[..(*bytes).min(text.len() - 1)];
                file.write_all_at(torn, self.journal.end).expect("written");
                self.die(queue, id);
            }
        }
    }

    /// The next holder knows what the file says.
    fn die(&mut self, queue: &SpoolQueue, id: &EntryId) {
        self.journal = Journal::open(&Home::top(queue), id, self.last.len()).expect("opened");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_written_is_read_and_what_was_torn_tells_nothing(recipients in 1..7usize, steps in steps()) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let spool = crate::spool::Spool::create(temp.path()).expect("a spool");
        let queue = spool.queue("outbound").expect("a queue");
        let id = EntryId::new(Micros(1));
        let journal = Journal::open(&Home::top(&queue), &id, recipients).expect("opened");
        let last = vec![None; recipients];
        let mut known = TrackedJournal { journal, last, in_flight: BTreeSet::new(), attempts: 0 };
        for step in &steps {
            known.step(&queue, &id, step);
            let read = Journal::open(&Home::top(&queue), &id, recipients).expect("opened").history;
            prop_assert_eq!((&read.last, &read.in_flight), (&known.last, &known.in_flight), "{:?}", step);
            prop_assert_eq!(read.attempts(), known.attempts);
            // Its holder has all of it, but for who was in flight: that is for the next one.
            let in_flight = read.in_flight.clone();
            prop_assert_eq!(&read, &History { in_flight, ..known.journal.history.clone() });
        }
        // Cut anywhere, it tells what its whole lines tell: a torn line opens nobody again.
        let bytes = std::fs::read(queue.path(&journal_path(&id).1)).unwrap_or_default();
        let read = |end: usize| read_history(&bytes[..end], recipients, &mut |_| {}).expect("memory").0;
        let lines: Vec<usize> =
            std::iter::once(0).chain((0..bytes.len()).filter(|&at| bytes[at] == b'\n').map(|at| at + 1)).collect();
        for pair in lines.windows(2) {
            let before = read(pair[0]);
            // Of the last byte, its newline, a line can do without.
            for cut in pair[0]..(pair[1] - 1).max(pair[0]) {
                prop_assert_eq!(&read(cut), &before, "cut at {} of {}", cut, bytes.len());
            }
        }
    }
}

#[test]
fn as_many_recipients_as_the_limits_allow_are_told_in_a_line() {
    let recipients = 100_000;
    let temp = tempfile::tempdir().expect("a temporary folder");
    let spool = crate::spool::Spool::create(temp.path()).expect("a spool");
    let queue = spool.queue("outbound").expect("a queue");
    let id = EntryId::new(Micros(1));
    let open = || Journal::open(&Home::top(&queue), &id, recipients).expect("opened");
    let all: Vec<usize> = (0..recipients).collect();
    let results = vec![(all.clone(), Verdict::Failed(Reason::new(&"\u{1F4E7}".repeat(250))))];
    let note = AttemptNote { number: 1, at: Micros(1), waited: Duration::ZERO, next: None, results };
    open().note(&Home::top(&queue), &id, &note).expect("noted");
    assert!(open().history.all_closed());
    open().noticed(&Home::top(&queue), &id, About::Failed, &all, Micros(2)).expect("noted");
    assert_eq!(open().history.noticed.len(), recipients);
    open().reopen(&Home::top(&queue), &id, all.clone(), Micros(3), 0).expect("noted");
    let history = open().history;
    assert!(all.iter().all(|&i| history.is_open(i)));
    // So many go in one hand-over.
    let group = &all[..10_000];
    let mut journal = open();
    let mark = journal.begin(&Home::top(&queue), &id, group, Micros(4)).expect("begun");
    journal.answer(mark, group, Some(&vec![Verdict::Delivered; group.len()])).expect("answered");
    let history = open().history;
    assert!(group.iter().all(|&i| history.is_closed(i)));
}
