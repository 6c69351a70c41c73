//! An entry's journal: what happened to it so far, for the next who claims it and for `show`.
//!
//! JSON lines, added to by the claim's holder alone. A torn last line is ignored, and the next append begins with a
//! newline. The lines:
//!
//! - `{"journal":1,"recipients":N}` comes first;
//! - `{"begun":AT,"group":[…],"status":"???"}` is written before a group of several recipients' entry is handed over; its
//!   status has one letter a recipient and is **overwritten in place** by the answer, which needs no space, so a full
//!   disk cannot refuse it: `?` in flight, `D` delivered, `T` deferred, `F` failed, `U` unknown, `H` held, `-` none that
//!   counts. With `on_crash = "hold"` it is written for every entry, and synced before the hand-over;
//! - `{"attempt":N,"at":…,"waited":…,"next":…,"results":[…]}` ends an attempt that did not deliver to everybody;
//! - `{"reopened":AT,"by":UID,"group":[…]}`: a person gave the entry another chance. These recipients are open again, and
//!   attempts and waiting time begin anew;
//! - `{"removed":AT,"by":UID}`: a person removes the entry. Every recipient is closed, and none counts as failed;
//! - `{"noticed":AT,"about":"failed","group":[…]}` says that the sender was told of these recipients, or that they will be
//!   in a summary.
//!
//! A recipient is closed when its last word is delivered or failed. A `?` that is found later is of a worker that died
//! with the group in flight. One whose last word is held waits for a person.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::layout::{SpoolQueue, journal_path};
use crate::model::verdict::Kind;
use crate::model::{EntryId, Micros, Reason, Verdict};
use crate::policy::notice::About;
use crate::queue::AttemptNote;
use crate::sys::{dir, durable, fault};

/// More than any line has: a group of ten thousand recipients with its reason. A longer one tells nothing.
const LINE_MAX: u64 = 1 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Begun { begun: Micros, group: Vec<usize>, status: String },
    Attempt(AttemptLine),
    Noticed { noticed: Micros, about: About, group: Vec<usize> },
    Reopened { reopened: Micros, by: u32, group: Vec<usize> },
    Removed { removed: Micros, by: u32 },
    First { journal: u32, recipients: usize },
}

/// One finished attempt, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptLine {
    /// Counted from 1.
    pub attempt: u32,
    pub at: Micros,
    /// Microseconds that count towards expiry.
    pub waited: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<Micros>,
    pub results: Vec<ResultLine>,
}

/// What came of an attempt for some recipients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultLine {
    /// Positions in the envelope.
    pub group: Vec<usize>,
    pub verdict: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Reason>,
}

/// What a journal tells, in memory that does not grow with the number of attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The last word on each recipient; `None` where there is none yet.
    pub last: Vec<Option<Kind>>,
    /// The last line about an attempt.
    pub attempt: Option<AttemptLine>,
    /// Of whom the sender was told.
    pub noticed: BTreeSet<(About, usize)>,
    /// Why somebody was held, as it was noted last.
    pub held: Option<Reason>,
    /// The recipients that were in flight when their worker died.
    pub in_flight: BTreeSet<usize>,
    /// A person removed the entry.
    pub removed: bool,
    /// The first line is there, which says how many recipients there are.
    pub headed: bool,
}

impl History {
    /// Nothing happened yet to `recipients` recipients.
    pub fn empty(recipients: usize) -> History {
        History { last: vec![None; recipients], ..History::default() }
    }

    pub fn is_closed(&self, recipient: usize) -> bool {
        self.removed || matches!(self.last.get(recipient), Some(Some(Kind::Delivered | Kind::Failed)))
    }

    pub fn all_closed(&self) -> bool {
        self.removed || (!self.last.is_empty() && (0..self.last.len()).all(|i| self.is_closed(i)))
    }

    /// Neither closed nor held: to be handed over.
    pub fn is_open(&self, recipient: usize) -> bool {
        !self.is_closed(recipient) && self.last.get(recipient) != Some(&Some(Kind::Held))
    }

    pub fn any(&self, kind: Kind) -> bool {
        !self.removed && self.last.contains(&Some(kind))
    }

    /// The number of the last attempt.
    pub fn attempts(&self) -> u32 {
        self.attempt.as_ref().map_or(0, |attempt| attempt.attempt)
    }

    /// The waiting time at `now`: what was counted, and the smaller of the real and the scheduled gap since then.
    pub fn waited(&self, now: Micros) -> Duration {
        let Some(last) = &self.attempt else { return Duration::ZERO };
        let scheduled = last.next.map_or(Duration::ZERO, |next| next.since(last.at));
        Duration::from_micros(last.waited) + now.since(last.at).min(scheduled)
    }

    fn set(&mut self, recipient: usize, kind: Kind) {
        if let Some(last) = self.last.get_mut(recipient) {
            *last = Some(kind);
            // Who fails again, after a person had it tried again, is a new matter.
            self.noticed.remove(&(About::Failed, recipient));
        }
        self.in_flight.remove(&recipient);
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::First { recipients, .. } => {
                self.headed = true;
                if self.last.is_empty() {
                    self.last = vec![None; recipients.min(1 << 20)];
                }
            }
            Line::Begun { group, status, .. } => {
                for (recipient, letter) in group.into_iter().zip(status.chars()) {
                    match (kind_of(letter), letter) {
                        (Some(kind), _) => self.set(recipient, kind),
                        (None, '?') if recipient < self.last.len() => {
                            self.in_flight.insert(recipient);
                        }
                        (None, _) => {
                            self.in_flight.remove(&recipient);
                        }
                    }
                }
            }
            Line::Attempt(attempt) => {
                for result in &attempt.results {
                    for &recipient in &result.group {
                        if let Some(kind) = kind_named(&result.verdict) {
                            self.set(recipient, kind);
                        }
                    }
                    if result.verdict == Kind::Held.name() {
                        self.held = result.reason.clone();
                    }
                }
                self.attempt = Some(attempt);
            }
            Line::Noticed { about, group, .. } => self.noticed.extend(group.into_iter().map(|i| (about, i))),
            Line::Reopened { group, .. } => {
                for &recipient in &group {
                    if let Some(last) = self.last.get_mut(recipient) {
                        *last = None;
                    }
                    self.in_flight.remove(&recipient);
                }
                let again: BTreeSet<usize> = group.into_iter().collect();
                self.noticed.retain(|(_, recipient)| !again.contains(recipient));
                (self.attempt, self.held, self.removed) = (None, None, false);
            }
            Line::Removed { .. } => {
                self.removed = true;
                self.in_flight.clear();
            }
        }
    }
}

fn letter_of(kind: Kind) -> char {
    match kind {
        Kind::Delivered => 'D',
        Kind::Deferred => 'T',
        Kind::Failed => 'F',
        Kind::Unknown => 'U',
        Kind::Held => 'H',
    }
}

const KINDS: [Kind; 5] = [Kind::Delivered, Kind::Deferred, Kind::Failed, Kind::Unknown, Kind::Held];

fn kind_of(letter: char) -> Option<Kind> {
    KINDS.into_iter().find(|&kind| letter_of(kind) == letter)
}

fn kind_named(name: &str) -> Option<Kind> {
    KINDS.into_iter().find(|kind| kind.name() == name)
}

/// Reads the history out of a journal; `recipients` may be 0 where it is not known. Each attempt is shown to `each`.
/// Returns whether the last line is torn, too.
pub fn read_history(
    journal: impl Read,
    recipients: usize,
    each: &mut dyn FnMut(&AttemptLine),
) -> io::Result<(History, bool)> {
    let mut history = History::empty(recipients);
    let mut reader = BufReader::new(journal);
    let mut text = Vec::new();
    let mut torn = false;
    loop {
        text.clear();
        if reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut text)? == 0 {
            return Ok((history, torn));
        }
        torn = text.last() != Some(&b'\n');
        // A torn line, or one of a later version, tells nothing.
        if let Ok(line) = serde_json::from_slice::<Line>(&text) {
            if let Line::Attempt(attempt) = &line {
                each(attempt);
            }
            history.take(line);
        }
    }
}

/// An entry's journal, open for its claim's holder or not yet there.
#[derive(Debug)]
pub(super) struct Journal {
    file: Option<File>,
    /// We made it, and its name may not be on disk yet.
    fresh: bool,
    /// Where the next line goes.
    end: u64,
    torn: bool,
    pub history: History,
}

impl Journal {
    /// Opens the journal of entry `id` with `recipients` recipients, if there is one.
    pub fn open(queue: &SpoolQueue, id: &EntryId, recipients: usize) -> io::Result<Journal> {
        let (_, path) = journal_path(id);
        let file = match dir::open_file(&queue.dir, &path, dir::Open::ReadWrite) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Journal {
                    file: None,
                    fresh: false,
                    end: 0,
                    torn: false,
                    history: History::empty(recipients),
                });
            }
            Err(error) => return Err(error),
        };
        let end = file.metadata()?.len();
        let (history, torn) = read_history(&file, recipients, &mut |_| {})?;
        Ok(Journal { end, torn, history, file: Some(file), fresh: false })
    }

    pub fn exists(&self) -> bool {
        self.file.is_some()
    }

    /// Announces a group. Returns where its status stands.
    pub fn begin(&mut self, queue: &SpoolQueue, id: &EntryId, group: &[usize], now: Micros) -> io::Result<u64> {
        fault::point("journal.begin")?;
        let line = Line::Begun { begun: now, group: group.to_vec(), status: "?".repeat(group.len()) };
        let end = self.append(queue, id, &line)?;
        fault::instant("journal.begun");
        // The line ends in `status"}` and a newline, so the status ends three bytes before the end.
        Ok(end - 3 - group.len() as u64)
    }

    /// Waits until what was announced is on disk. Workers that wait at the same time share a commit of the file system.
    pub fn sync(&mut self, queue: &SpoolQueue, id: &EntryId) -> io::Result<()> {
        fault::point("intent.sync")?;
        if let Some(file) = &self.file {
            file.sync_data()?;
        }
        if self.fresh {
            durable::sync_dir(&queue.dir, &journal_path(id).0)?;
            self.fresh = false;
        }
        fault::instant("intent.synced");
        Ok(())
    }

    /// Writes a group's answer over its status.
    pub fn answer(&mut self, mark: u64, group: &[usize], verdicts: Option<&[Verdict]>) -> io::Result<()> {
        fault::point("journal.answer")?;
        let letters = match verdicts {
            None => "-".repeat(group.len()),
            Some(verdicts) => verdicts.iter().map(|verdict| letter_of(verdict.kind())).collect(),
        };
        for (&recipient, verdict) in group.iter().zip(verdicts.unwrap_or_default()) {
            self.history.set(recipient, verdict.kind());
        }
        match &self.file {
            Some(file) => file.write_all_at(letters.as_bytes(), mark),
            None => Ok(()),
        }
    }

    /// Records a finished attempt.
    pub fn note(&mut self, queue: &SpoolQueue, id: &EntryId, note: &AttemptNote) -> io::Result<()> {
        fault::point("journal.note")?;
        let result = |(group, verdict): &(Vec<usize>, Verdict)| ResultLine {
            group: group.clone(),
            verdict: verdict.kind().name().to_owned(),
            reason: verdict.reason().cloned(),
        };
        let line = AttemptLine {
            attempt: note.number,
            at: note.at,
            waited: u64::try_from(note.waited.as_micros()).unwrap_or(u64::MAX),
            next: note.next,
            results: note.results.iter().map(result).collect(),
        };
        self.append(queue, id, &Line::Attempt(line.clone()))?;
        self.history.take(Line::Attempt(line));
        fault::instant("journal.noted");
        Ok(())
    }

    /// Records that the sender was told.
    pub fn noticed(
        &mut self,
        queue: &SpoolQueue,
        id: &EntryId,
        about: About,
        recipients: &[usize],
        now: Micros,
    ) -> io::Result<()> {
        fault::point("notice.record")?;
        let line = Line::Noticed { noticed: now, about, group: recipients.to_vec() };
        self.append(queue, id, &line)?;
        self.history.take(line);
        Ok(())
    }

    /// Opens `group` again, with no attempt made and no time waited.
    pub fn reopen(
        &mut self,
        queue: &SpoolQueue,
        id: &EntryId,
        group: Vec<usize>,
        at: Micros,
        by: u32,
    ) -> io::Result<()> {
        let line = Line::Reopened { reopened: at, by, group };
        self.append(queue, id, &line)?;
        self.history.take(line);
        Ok(())
    }

    /// Closes every recipient of an entry that a person removes.
    pub fn remove(&mut self, queue: &SpoolQueue, id: &EntryId, at: Micros, by: u32) -> io::Result<()> {
        let line = Line::Removed { removed: at, by };
        self.append(queue, id, &line)?;
        self.history.take(line);
        Ok(())
    }

    /// Adds a line, and makes the journal first if it is missing. Returns where the file ends then.
    fn append(&mut self, queue: &SpoolQueue, id: &EntryId, line: &Line) -> io::Result<u64> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                let (folder, path) = journal_path(id);
                queue.ensure_folder(&folder)?;
                let file = dir::open_file(&queue.dir, &path, dir::Open::Create)?;
                fault::instant("journal.made");
                self.fresh = true;
                empty.insert(file)
            }
        };
        let mut text = String::new();
        if self.torn {
            text.push('\n');
        }
        // Also where a killed worker made the file and no more.
        if !self.history.headed {
            let first = Line::First { journal: 1, recipients: self.history.last.len() };
            text.push_str(&serde_json::to_string(&first)?);
            text.push('\n');
        }
        text.push_str(&serde_json::to_string(line)?);
        text.push('\n');
        // Until it is whole it counts as torn, so that a failure leaves the next append a fresh line.
        self.torn = true;
        file.write_all_at(text.as_bytes(), self.end)?;
        self.torn = false;
        self.history.headed = true;
        self.end += text.len() as u64;
        Ok(self.end)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_word_on_a_recipient_counts() {
        let text = br#"{"journal":1,"recipients":4}
{"begun":5,"group":[0,1],"status":"DT"}
{"begun":6,"group":[2,3],"status":"?F"}
{"attempt":1,"at":10,"waited":0,"next":40,"results":[{"group":[1],"verdict":"deferred","reason":{"text":"busy"}}]}
{"begun":7,"group":[1],"sta"#;
        let (history, torn) = read_history(&text[..], 0, &mut |_| {}).expect("memory");
        assert!(torn);
        assert_eq!(history.last, [Some(Kind::Delivered), Some(Kind::Deferred), None, Some(Kind::Failed)]);
        assert!(history.any(Kind::Failed) && !history.all_closed());
        assert_eq!(history.in_flight, BTreeSet::from([2]));
        assert_eq!(history.attempts(), 1);
        assert_eq!(history.waited(Micros(25)), Duration::from_micros(15));
        assert_eq!(history.waited(Micros(9_999)), Duration::from_micros(30));
    }

    #[test]
    fn what_is_reopened_begins_anew_and_what_is_removed_is_closed() {
        let mut text = br#"{"journal":1,"recipients":3}
{"begun":5,"group":[0,1,2],"status":"DF?"}
{"attempt":7,"at":10,"waited":60,"results":[{"group":[1],"verdict":"failed","reason":{"text":"no"}}]}
{"reopened":20,"by":0,"group":[1,2]}
"#
        .to_vec();
        let (history, _) = read_history(&text[..], 0, &mut |_| {}).expect("memory");
        assert_eq!(history.last, [Some(Kind::Delivered), None, None]);
        assert!(!history.any(Kind::Failed) && history.in_flight.is_empty() && !history.all_closed());
        assert_eq!((history.attempts(), history.waited(Micros(99))), (0, Duration::ZERO));
        text.extend(b"{\"removed\":30,\"by\":0}\n");
        let (history, _) = read_history(&text[..], 0, &mut |_| {}).expect("memory");
        assert!(history.all_closed() && !history.any(Kind::Failed));
    }

    #[test]
    fn a_journal_that_its_maker_left_empty_or_torn_tells_everything_in_the_end() {
        for left in ["", "{\"journal\":1,\"recip"] {
            let temp = tempfile::tempdir().expect("a temporary folder");
            let spool = super::super::Spool::create(temp.path()).expect("a spool");
            let queue = spool.queue("outbound").expect("a queue");
            let id = EntryId::new(Micros(1));
            let (folder, path) = journal_path(&id);
            queue.ensure_folder(&folder).expect("a folder");
            std::fs::write(queue.path(&path), left).expect("written");
            let mut journal = Journal::open(&queue, &id, 2).expect("opened");
            let mark = journal.begin(&queue, &id, &[0, 1], Micros(1)).expect("begun");
            journal.answer(mark, &[0, 1], Some(&[Verdict::Delivered, Verdict::Delivered])).expect("answered");
            assert!(queue.history(&id, 0, &mut |_| {}).expect("read").all_closed(), "{left:?}");
        }
    }

    #[test]
    fn an_append_after_a_torn_line_is_read() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let spool = super::super::Spool::create(temp.path()).expect("a spool");
        let queue = spool.queue("outbound").expect("a queue");
        let id = EntryId::new(Micros(1));
        let open = || Journal::open(&queue, &id, 2).expect("opened");
        let mut journal = open();
        let mark = journal.begin(&queue, &id, &[0, 1], Micros(1)).expect("begun");
        assert_eq!(open().history.in_flight, BTreeSet::from([0, 1]));
        journal
            .answer(mark, &[0, 1], Some(&[Verdict::Delivered, Verdict::Unknown(Reason::new("x"))]))
            .expect("answered");
        assert_eq!(open().history.last, [Some(Kind::Delivered), Some(Kind::Unknown)]);
        journal.file.as_ref().expect("made").write_all_at(b"{\"begun\":7,\"gro", journal.end).expect("torn");
        let mut again = open();
        assert!(again.torn);
        let note = AttemptNote {
            number: 1,
            at: Micros(3),
            waited: Duration::ZERO,
            next: None,
            results: vec![(vec![1], Verdict::Failed(Reason::new("no")))],
        };
        again.note(&queue, &id, &note).expect("noted");
        let history = open().history;
        assert!(history.all_closed() && history.any(Kind::Failed) && history.in_flight.is_empty(), "{history:?}");
    }

    #[test]
    fn who_was_told_is_told_again_only_of_a_new_failure() {
        let read = |more: &str| {
            let text = format!(
                "{}\n{}\n{}\n{more}",
                r#"{"journal":1,"recipients":2}"#,
                r#"{"attempt":1,"at":10,"waited":0,"results":[{"group":[0,1],"verdict":"failed"}]}"#,
                r#"{"noticed":11,"about":"failed","group":[0,1]}"#
            );
            read_history(text.as_bytes(), 0, &mut |_| {}).expect("memory").0.noticed
        };
        let told = |recipients: &[usize]| recipients.iter().map(|&i| (About::Failed, i)).collect::<BTreeSet<_>>();
        assert_eq!(read(""), told(&[0, 1]));
        assert_eq!(read(r#"{"noticed":11,"about":"failed","gro"#), told(&[0, 1]));
        let again = r#"{"attempt":2,"at":20,"waited":0,"results":[{"group":[1],"verdict":"failed"}]}"#;
        assert_eq!(read(again), told(&[0]));
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_history(&bytes[..], 3, &mut |_| {});
        }
    }
}
