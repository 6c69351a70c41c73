//! An entry's journal, as the file that its claim's holder adds to; [`super::history`] has the lines and what they tell.
//!
//! Nothing is ever changed in it but the status of a hand-over and the reply behind it, which the answer overwrites in place.
//! What a kill or a full disk has torn is left, and the next line begins with a newline. An answer keeps the length of its
//! line and writes no character that JSON escapes ([`reply`]), so the line of a torn answer can be read.

pub(super) mod reply;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use self::reply::{BEHIND_STATUS, REPLY_WIDTH, in_place};
use super::history::{AttemptLine, History, JournalLine, LINE_MAX, ResultLine, letter_of, read_history};
use super::home::Home;
use super::names::{journal_file, journal_path};
use crate::model::{EntryId, Format, Micros, Verdict};
use crate::policy::notice::About;
use crate::queue::AttemptNote;
use crate::sys::{dir, durable, fault};

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
    pub fn open(home: &Home<'_>, id: &EntryId, recipients: usize) -> io::Result<Journal> {
        let path = journal_file(id);
        let file = match dir::open_file(home.dir(), home.inner(&path), dir::Open::ReadWrite) {
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
    pub fn begin(&mut self, home: &Home<'_>, id: &EntryId, group: &[usize], now: Micros) -> io::Result<u64> {
        fault::point("journal.begin")?;
        let (status, reply) = ("?".repeat(group.len()), Some(" ".repeat(REPLY_WIDTH)));
        let line = JournalLine::Begun { begun: now, group: group.to_vec(), status, reply };
        let behind = group.len() + BEHIND_STATUS;
        debug_assert!(has_status_at(&line, behind), "the status is not where its answer goes");
        let end = self.append(home, id, &[line])?;
        fault::instant("journal.begun");
        Ok(end - behind as u64)
    }

    /// Waits until what was announced is on disk. Workers that wait at the same time share a commit of the file system.
    pub fn sync(&mut self, home: &Home<'_>, id: &EntryId) -> io::Result<()> {
        fault::point("intent.sync")?;
        if let Some(file) = &self.file {
            file.sync_data()?;
        }
        if self.fresh {
            durable::sync_dir(home.dir(), home.inner(&journal_path(id).0))?;
            self.fresh = false;
        }
        fault::instant("intent.synced");
        Ok(())
    }

    /// Writes a group's answer over its status, and behind it the reply to all deliveries, if it is the same.
    pub fn answer(&mut self, mark: u64, group: &[usize], verdicts: Option<&[Verdict]>) -> io::Result<()> {
        fault::point("journal.answer")?;
        let mut answer = Vec::with_capacity(group.len() + BEHIND_STATUS);
        match verdicts {
            None => answer.resize(group.len(), b'-'),
            // A letter is ASCII.
            Some(verdicts) => answer.extend(verdicts.iter().map(|verdict| letter_of(verdict.kind()) as u8)),
        }
        in_place(verdicts.unwrap_or_default(), &mut answer);
        for (&recipient, verdict) in group.iter().zip(verdicts.unwrap_or_default()) {
            self.history.set(recipient, verdict.kind());
        }
        match &self.file {
            Some(file) => file.write_all_at(&answer, mark),
            None => Ok(()),
        }
    }

    /// Records a finished attempt, in as many lines as it takes.
    pub fn note(&mut self, home: &Home<'_>, id: &EntryId, note: &AttemptNote) -> io::Result<()> {
        fault::point("journal.note")?;
        let lines: Vec<JournalLine> = attempt_lines(note)?.into_iter().map(JournalLine::Attempt).collect();
        self.append(home, id, &lines)?;
        lines.into_iter().for_each(|line| self.history.take(line));
        fault::instant("journal.noted");
        Ok(())
    }

    /// Records that the sender was told.
    pub fn noticed(
        &mut self,
        home: &Home<'_>,
        id: &EntryId,
        about: About,
        recipients: &[usize],
        now: Micros,
    ) -> io::Result<()> {
        fault::point("notice.record")?;
        let line = JournalLine::Noticed { noticed: now, about, group: recipients.to_vec() };
        self.append(home, id, std::slice::from_ref(&line))?;
        self.history.take(line);
        Ok(())
    }

    /// Opens `group` again, with no attempt made and no time waited.
    pub fn reopen(&mut self, home: &Home<'_>, id: &EntryId, group: Vec<usize>, at: Micros, by: u32) -> io::Result<()> {
        let line = JournalLine::Reopened { reopened: at, by, group };
        self.append(home, id, std::slice::from_ref(&line))?;
        self.history.take(line);
        Ok(())
    }

    /// Closes every recipient of an entry that a person removes.
    pub fn remove(&mut self, home: &Home<'_>, id: &EntryId, at: Micros, by: u32) -> io::Result<()> {
        let line = JournalLine::Removed { removed: at, by };
        self.append(home, id, std::slice::from_ref(&line))?;
        self.history.take(line);
        Ok(())
    }

    /// Adds lines in one write, and makes the journal first if it is missing. Returns where the file ends then.
    fn append(&mut self, home: &Home<'_>, id: &EntryId, lines: &[JournalLine]) -> io::Result<u64> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                let (folder, path) = journal_path(id);
                home.ensure_folder(&folder)?;
                let file = dir::open_file(home.dir(), home.inner(&path), dir::Open::Create)?;
                fault::instant("journal.made");
                self.fresh = true;
                empty.insert(file)
            }
        };
        let mut text = Vec::with_capacity(128);
        if self.torn {
            text.push(b'\n');
        }
        // Also where a killed worker made the file and no more.
        if !self.history.headed {
            let (journal, recipients) = (Format::Journal.number(), self.history.last.len());
            let first = JournalLine::First { journal, recipients };
            serde_json::to_writer(&mut text, &first)?;
            text.push(b'\n');
        }
        for line in lines {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
        }
        // Until it is whole it counts as torn, so that a failure leaves the next append a fresh line.
        self.torn = true;
        file.write_all_at(&text, self.end)?;
        self.torn = false;
        self.history.headed = true;
        self.end += text.len() as u64;
        Ok(self.end)
    }
}

/// Bytes of an attempt's line beside its results, at most.
const BESIDE_RESULTS: usize = 256;

/// An attempt as lines that can be read back: each is shorter than [`LINE_MAX`].
fn attempt_lines(note: &AttemptNote) -> serde_json::Result<Vec<AttemptLine>> {
    let line = |results| AttemptLine {
        attempt: note.number,
        at: note.at,
        waited: u64::try_from(note.waited.as_micros()).unwrap_or(u64::MAX),
        next: note.next,
        results,
    };
    let (mut lines, mut results, mut len) = (Vec::new(), Vec::new(), BESIDE_RESULTS);
    for (group, verdict) in &note.results {
        let result = ResultLine {
            group: group.clone(),
            verdict: verdict.kind().name().to_owned(),
            reason: verdict.reason().cloned(),
            reply: verdict.reply().map(|reply| reply.text().to_owned()),
        };
        let more = serde_json::to_vec(&result)?.len() + 1;
        if !results.is_empty() && len + more > LINE_MAX {
            lines.push(line(std::mem::take(&mut results)));
            len = BESIDE_RESULTS;
        }
        len += more;
        results.push(result);
    }
    lines.push(line(results));
    Ok(lines)
}

/// Whether a status that is not answered begins `behind` bytes before the end of the line and its newline.
fn has_status_at(line: &JournalLine, behind: usize) -> bool {
    let text = serde_json::to_vec(line).unwrap_or_default();
    (text.len() + 1).checked_sub(behind).is_some_and(|at| at > 0 && text[at - 1] == b'"' && text[at] == b'?')
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::model::Reason;
    use crate::model::verdict::Kind;

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
            let mut journal = Journal::open(&Home::top(&queue), &id, 2).expect("opened");
            let mark = journal.begin(&Home::top(&queue), &id, &[0, 1], Micros(1)).expect("begun");
            journal
                .answer(mark, &[0, 1], Some(&[Verdict::Delivered(None), Verdict::Delivered(None)]))
                .expect("answered");
            assert!(queue.history(&id, 0, &mut |_| {}).expect("read").all_closed(), "{left:?}");
        }
    }

    #[test]
    fn an_append_after_a_torn_line_is_read() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let spool = super::super::Spool::create(temp.path()).expect("a spool");
        let queue = spool.queue("outbound").expect("a queue");
        let id = EntryId::new(Micros(1));
        let open = || Journal::open(&Home::top(&queue), &id, 2).expect("opened");
        let mut journal = open();
        let mark = journal.begin(&Home::top(&queue), &id, &[0, 1], Micros(1)).expect("begun");
        assert_eq!(open().history.in_flight, BTreeSet::from([0, 1]));
        journal
            .answer(mark, &[0, 1], Some(&[Verdict::Delivered(None), Verdict::Unknown(Reason::new("x"))]))
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
        again.note(&Home::top(&queue), &id, &note).expect("noted");
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
