//! Properties of a journal: what was written is what is read, and what was torn off its end tells nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::verdict::Kind;
use crate::model::{Reason, SinkReply};
use crate::spool::SpoolQueue;

/// One thing that a claim's holder does.
#[derive(Clone, Debug)]
enum Step {
    /// A hand-over of some who are open, and its answer; `None` where the worker dies.
    HandOver(u8, Option<Option<Vec<u8>>>),
    /// A hand-over whose answer, with the sink's reply, is torn after so many of its bytes.
    Torn(u8, Vec<u8>, String, usize),
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
        2 => (any::<u8>(), proptest::collection::vec(0..5u8, 8), reply(), 0..130usize)
            .prop_map(|(group, letters, reply, bytes)| Step::Torn(group, letters, reply, bytes)),
    ];
    proptest::collection::vec(step, 0..16)
}

/// What a sink may reply, in characters that JSON escapes, that are several bytes, or that end a line.
fn reply() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        3 => "250 2\\.0\\.0 Ok: queued as [0-9A-F]{1,12}",
        1 => Just("\\\"\"\\".to_owned()),
        1 => Just("\u{1F4E7}jörg\u{7f}".to_owned()),
        1 => Just("\u{1b}[31m\r\n}\n{\"begun\":1".to_owned()),
        1 => Just("x".repeat(200)),
    ];
    proptest::collection::vec(word, 0..4).prop_map(|words| words.concat())
}

/// The recipients whose bits are set.
fn members(bits: u8, recipients: usize) -> Vec<usize> {
    (0..recipients).filter(|i| bits >> i & 1 == 1).collect()
}

fn verdict(number: u8) -> Verdict {
    let reason = Reason::new("450 4.2.1 \"busy\" \\ jörg").with_status(Some("4.2.1".to_owned()));
    match number {
        0 => Verdict::Delivered(None),
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
            Step::Torn(bits, letters, reply, bytes) => {
                let mut group = members(*bits, recipients);
                group.retain(|&i| self.journal.history.is_open(i));
                if group.is_empty() {
                    return;
                }
                let mark = self.journal.begin(home, id, &group, now).expect("begun");
                self.in_flight.extend(&group);
                let before = std::fs::read(queue.path(&journal_path(id).1)).expect("read");
                let of = |&i: &usize| match letters[i] {
                    0 => Verdict::Delivered(SinkReply::new(reply)),
                    number => verdict(number),
                };
                let verdicts: Vec<Verdict> = group.iter().map(of).collect();
                self.journal.answer(mark, &group, Some(&verdicts)).expect("answered");
                let mut torn = std::fs::read(queue.path(&journal_path(id).1)).expect("read");
                assert_eq!(torn.len(), before.len(), "an answer takes no room");
                let cut = usize::try_from(mark).expect("small") + bytes;
                if let Some(old) = before.get(cut..) {
                    torn[cut..].copy_from_slice(old);
                }
                std::fs::write(queue.path(&journal_path(id).1), torn).expect("written");
                for (&recipient, verdict) in group.iter().zip(&verdicts).take(*bytes) {
                    self.set(recipient, verdict.kind());
                }
                self.die(queue, id);
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
    journal.answer(mark, group, Some(&vec![Verdict::Delivered(None); group.len()])).expect("answered");
    let history = open().history;
    assert!(group.iter().all(|&i| history.is_closed(i)));
}

#[test]
fn a_reply_is_kept_in_place_or_with_the_attempt() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let spool = crate::spool::Spool::create(temp.path()).expect("a spool");
    let queue = spool.queue("outbound").expect("a queue");
    let (id, home) = (EntryId::new(Micros(1)), &Home::top(&queue));
    let delivered = |reply: &str| Verdict::Delivered(SinkReply::new(reply));
    let busy = || Verdict::Deferred(Reason::new("450 busy"));
    let mut journal = Journal::open(home, &id, 5).expect("opened");
    let hand_over = |journal: &mut Journal, group: &[usize], at, verdicts: &[Verdict]| {
        let mark = journal.begin(home, &id, group, Micros(at)).expect("begun");
        journal.answer(mark, group, Some(verdicts)).expect("answered");
    };
    let same = "250 2.0.0 Ok: queued as 4Xyz";
    hand_over(&mut journal, &[0, 1, 2], 7, &[delivered(same), busy(), delivered(same)]);
    // What differs is not told in place.
    let (three, four) = (delivered("250 \"three\" \u{1F4E7}"), delivered("250 four"));
    hand_over(&mut journal, &[3, 4], 8, &[three.clone(), four.clone()]);
    let told = |recipient: usize| {
        queue.deliveries(&id, 3).expect("read").remove(&recipient).map(|told| (told.at.0, told.reply))
    };
    assert_eq!(told(0), Some((7, Some(same.to_owned()))));
    assert_eq!((told(1), told(2)), (None, told(0)));
    assert_eq!((told(3), told(4)), (Some((8, None)), Some((8, None))));
    let results = vec![(vec![1], busy()), (vec![3], three), (vec![4], four.clone())];
    let note = AttemptNote { number: 1, at: Micros(9), waited: Duration::ZERO, next: None, results };
    journal.note(home, &id, &note).expect("noted");
    assert_eq!(told(3), Some((8, Some("250 \"three\" \u{1F4E7}".to_owned()))));
    assert_eq!((told(0), told(4)), (Some((7, Some(same.to_owned()))), Some((8, Some("250 four".to_owned())))));
    assert_eq!(journal.history.last[1], Some(Kind::Deferred));
    // A line of replies alone leaves the attempt's reasons known.
    let note =
        AttemptNote { number: 1, at: Micros(10), waited: Duration::ZERO, next: None, results: vec![(vec![4], four)] };
    journal.note(home, &id, &note).expect("noted");
    let reasons = |history: &History| history.attempt.as_ref().map(|attempt| attempt.results[0].reason.clone());
    assert_eq!(reasons(&journal.history), Some(Some(Reason::new("450 busy"))));
    // A delivery after a person had it tried again has the time and the reply of its own.
    journal.reopen(home, &id, vec![0], Micros(11), 0).expect("noted");
    assert_eq!(told(0), None);
    hand_over(&mut journal, &[0], 12, &[Verdict::Delivered(None)]);
    assert_eq!(told(0), Some((12, None)));
}

#[test]
fn an_attempt_with_many_long_reasons_and_replies_is_read_back() {
    let recipients = 10_000;
    let temp = tempfile::tempdir().expect("a temporary folder");
    let spool = crate::spool::Spool::create(temp.path()).expect("a spool");
    let queue = spool.queue("outbound").expect("a queue");
    let (id, home) = (EntryId::new(Micros(1)), &Home::top(&queue));
    let text = |i: usize| format!("{i}{}", "\"".repeat(1_000));
    let result = |i: usize| match i % 2 {
        0 => (vec![i], Verdict::Delivered(SinkReply::new(&text(i)))),
        _ => (vec![i], Verdict::Deferred(Reason::new(&text(i)))),
    };
    let results = (0..recipients).map(result).collect();
    let (waited, next) = (Duration::from_micros(7), Some(Micros(5)));
    let note = AttemptNote { number: 3, at: Micros(1), waited, next, results };
    let mut journal = Journal::open(home, &id, recipients).expect("opened");
    journal.note(home, &id, &note).expect("noted");
    let read = Journal::open(home, &id, recipients).expect("opened").history;
    assert_eq!(read, journal.history);
    assert_eq!((read.attempts(), read.waited(Micros(3))), (3, Duration::from_micros(9)));
    assert!((0..recipients).all(|i| read.is_closed(i) == (i % 2 == 0)));
    let deliveries = queue.deliveries(&id, 3).expect("read");
    assert_eq!(deliveries.values().filter(|delivery| delivery.reply.is_some()).count(), recipients / 2);
    let text = std::fs::read(queue.path(&journal_path(&id).1)).expect("text");
    assert!(text.split(|&byte| byte == b'\n').all(|line| line.len() < LINE_MAX));
}

#[test]
fn a_journal_of_a_newer_program_is_not_worked_on() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let spool = crate::spool::Spool::create(temp.path()).expect("a spool");
    let queue = spool.queue("outbound").expect("a queue");
    let id = EntryId::new(Micros(1));
    let mark = Journal::open(&Home::top(&queue), &id, 2)
        .and_then(|mut new| new.begin(&Home::top(&queue), &id, &[0], Micros(1)));
    assert!(mark.is_ok());
    let path = queue.path(&journal_path(&id).1);
    let text = std::fs::read_to_string(&path).expect("text");
    std::fs::write(&path, text.replace("\"journal\":1", "\"journal\":2")).expect("written");
    let error = Journal::open(&Home::top(&queue), &id, 2).expect_err("a newer one").to_string();
    assert!(error.contains("this journal has format 2") && error.contains("use the newer one"), "{error}");
}
