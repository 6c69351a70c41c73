//! How far a job is, told by the names of its entries: an entry counts with all its recipients until it is settled. Where it
//! has a journal, which is when some were tried and not all delivered, the journal tells of each of them. A merge's logs tell
//! of each row ([`tally`](crate::spool::merge)).
//!
//! A part of a job in which nothing was settled yet is counted without a look at its names: see
//! [`untouched`](super::untouched).

use std::collections::BTreeSet;
use std::io;

use super::file::{JobFile, JobKind};
use super::standing;
use super::untouched::untouched;
use crate::model::EntryId;
use crate::model::verdict::Kind;
use crate::policy::notice::MergeCounts;
use crate::queue::QueueError;
use crate::spool::history::read_history;
use crate::spool::names::{EntryName, State};
use crate::spool::queue::SpoolQueue;
use crate::sys::dir;

/// How many journals are read; entries that have one beyond that count as wholes.
const LOOKED_AT: u64 = 100_000;

/// How far a job is, in recipients; of a batch in entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobProgress {
    pub all: u64,
    /// Not settled yet.
    pub left: u64,
    pub held: u64,
    /// Given up, as long as their entries are kept.
    pub failed: u64,
    /// Some entries were counted as wholes though they have journals.
    pub rough: bool,
}

impl JobProgress {
    /// Delivered, or removed by a person.
    pub fn done(&self) -> u64 {
        self.all.saturating_sub(self.left + self.held + self.failed)
    }

    fn add(&mut self, state: State, recipients: u64) {
        match state {
            State::Ready => self.left += recipients,
            State::Hold => self.held += recipients,
            State::Failed => self.failed += recipients,
        }
    }
}

impl SpoolQueue {
    /// How far a job is.
    pub fn progress(
        &self,
        id: &EntryId,
        standing: standing::Standing,
        file: &JobFile,
    ) -> Result<JobProgress, QueueError> {
        let top = format!("{}/{id}", standing.folder());
        if let JobKind::Merge(_) = file.kind {
            let counts = self.count_rows(&top, id, file).map_err(self.failed("read the logs of", &top))?;
            let MergeCounts { rows: all, open: left, held, failed, .. } = counts;
            return Ok(JobProgress { all, left, held, failed, rough: false });
        }
        let all = file.count();
        let mut count = Count {
            queue: self,
            file,
            tried: self.tried_parts(&top, file)?,
            progress: JobProgress { all, ..JobProgress::default() },
            looked_at: 0,
            top,
        };
        for n in self.texts_in(&format!("{}/ready", count.top))? {
            let folder = format!("{}/ready/{n}", count.top);
            match untouched(&self.dir, &folder).map_err(self.failed("look at", &folder))? {
                Some(entries) if !count.tried.contains(&n) => {
                    count.progress.left += file.recipients_of_part(&n, entries);
                }
                Some(_) | None => count.folder(State::Ready, &folder)?,
            }
        }
        for state in [State::Hold, State::Failed] {
            let folder = format!("{}/{}", count.top, state.name());
            count.folder(state, &folder)?;
        }
        Ok(count.progress)
    }

    /// The parts of a job that have entries with journals, where these tell how far it is.
    fn tried_parts(&self, top: &str, file: &JobFile) -> Result<BTreeSet<String>, QueueError> {
        let mut tried = BTreeSet::new();
        if !matches!(file.kind, JobKind::Post(_)) {
            return Ok(tried);
        }
        let folder = format!("{top}/journal");
        self.each_text_in(&folder, &mut |name| {
            let id = name.strip_suffix(".log").and_then(|id| id.parse::<EntryId>().ok());
            if let Some((_, n)) = id.as_ref().and_then(EntryId::job)
                && !tried.contains(n)
            {
                tried.insert(n.to_owned());
            }
            Ok(())
        })?;
        Ok(tried)
    }

    fn texts_in(&self, folder: &str) -> Result<Vec<String>, QueueError> {
        let mut texts = Vec::new();
        self.each_text_in(folder, &mut |text| {
            texts.push(text.to_owned());
            Ok(())
        })?;
        Ok(texts)
    }

    /// Shows `each` name in a folder that is UTF-8. One that is not there has none.
    fn each_text_in(&self, folder: &str, each: &mut dyn FnMut(&str) -> io::Result<()>) -> Result<(), QueueError> {
        let mut names = match dir::Names::open(&self.dir, folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed("list", folder)(error)),
        };
        while let Some(shown) = names.next_with(|name| std::str::from_utf8(name).map_or(Ok(()), &mut *each)) {
            shown.and_then(|shown| shown).map_err(self.failed("list", folder))?;
        }
        Ok(())
    }
}

/// A job being counted.
struct Count<'j> {
    queue: &'j SpoolQueue,
    file: &'j JobFile,
    /// Its folder.
    top: String,
    /// The parts with entries that have journals.
    tried: BTreeSet<String>,
    progress: JobProgress,
    /// How many entries were looked at for a journal.
    looked_at: u64,
}

impl Count<'_> {
    /// Counts the entries of a folder.
    fn folder(&mut self, state: State, folder: &str) -> Result<(), QueueError> {
        self.queue.each_text_in(folder, &mut |name| {
            let Some(name) = EntryName::parse(name) else { return Ok(()) };
            let recipients = self.file.recipients_of(&name.id);
            let tried = name.id.job().is_some_and(|(_, n)| self.tried.contains(n));
            self.looked_at += u64::from(tried);
            self.progress.rough |= self.looked_at > LOOKED_AT;
            if tried && self.looked_at <= LOOKED_AT {
                self.journal(state, recipients, &format!("{}/journal/{}.log", self.top, name.id))
            } else {
                self.progress.add(state, recipients);
                Ok(())
            }
        })
    }

    /// Counts an entry's recipients by what its journal tells of each.
    fn journal(&mut self, state: State, recipients: u64, path: &str) -> io::Result<()> {
        let progress = &mut self.progress;
        let file = match dir::open_file(&self.queue.dir, path, dir::Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                progress.add(state, recipients);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let count = usize::try_from(recipients).unwrap_or(usize::MAX);
        let (history, _) = read_history(file, count, &mut |_| {})?;
        for recipient in 0..count {
            match history.last.get(recipient).copied().flatten() {
                _ if history.removed => {}
                Some(Kind::Delivered | Kind::Suppressed) => {}
                Some(Kind::Failed) => progress.failed += 1,
                Some(Kind::Held) => progress.held += 1,
                Some(Kind::Deferred | Kind::Unknown) | None => progress.add(state, 1),
            }
        }
        Ok(())
    }
}
