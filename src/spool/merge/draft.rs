//! A merge that is being queued: its rows are added one by one, and it becomes visible as a whole, by the steps of
//! [`job::draft`](crate::spool::job::draft).
//!
//! ```text
//! JOB/job.json                        its kind is merge; with the key of its Message-IDs, so mode 0600
//! JOB/template/                       the template's files ([`template`](super::template))
//! JOB/rows/columns, JOB/rows/<n>/<k>  the rows ([`rows`](super::rows))
//! JOB/log/<n>/<k>                     what came of them ([`log`](super::log))
//! JOB/pace/rate                       the tokens of its rate, if it has one ([`pacing`](super::pacing))
//! JOB/rendered                        how many mails could not be made ([`made_count`](super::made_count))
//! JOB/ready/<n>/<due>-<job>.<n>.<k>+<bytes>
//!                                     the head: an envelope with the addresses of the rows in their order, and no message
//! ```
//!
//! Later there are `JOB/held` (`ending`), `JOB/noticed` ([`told`](super::told)) and `JOB/tally`
//! (`tally`).
//!
//! What holds: recipient i of a head is row i of its rows and of its log. A head is due with the first of its rows, or when the
//! job's window opens, and notes in its name how much of its log is valid and on disk. A row that waits for a time of its own
//! has it in the log from the beginning. Memory: one entry's rows. What is dropped before [`MergeDraft::commit`] leaves nothing;
//! what is killed, the sweep takes.

use std::fs::File;
use std::io::{self, Write};

use super::attachment::{FileMark, MARK};
use super::log::file::create;
use super::log::record::ROWS_MAX;
use super::pacing::FOLDER;
use super::rows::columns;
use super::rows::draft::{EntryRows, RowsDraft};
use super::template;
use crate::compose::Sources;
use crate::model::{Address, Cell, Columns, EntryId, Envelope, Fields, Micros, Row};
use crate::policy::rate::Rate;
use crate::policy::window::Window;
use crate::queue::QueueError;
use crate::spool::entry;
use crate::spool::job::draft::JobDraft;
use crate::spool::job::merge_file::JobRate;
use crate::spool::job::{JobFile, JobKind, MergeFile, MergeKey, PostFile};
use crate::spool::names::EntryName;
use crate::spool::publish::Published;
use crate::spool::queue::SpoolQueue;
use crate::sys::{dir, fault};

/// A merge whose rows are being added. Dropped without [`MergeDraft::commit`], nothing has happened.
#[derive(Debug)]
pub struct MergeDraft<'q> {
    draft: JobDraft<'q>,
    /// The job's folder in `tmp/`.
    top: File,
    rows: RowsDraft,
    /// How many columns the source has.
    width: usize,
    /// The next entry: its id is filled in, its recipients are gathered.
    next: Envelope,
    /// The times of those that wait for one.
    dues: Vec<(u16, Micros)>,
    about: MergeFile,
    entries: u64,
    ready: Option<File>,
    window: Option<Window>,
}

/// A merge that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    pub rows: u64,
    pub entries: u64,
    pub published: Published,
}

/// What all mails of a merge have in common.
#[derive(Clone, Copy, Debug)]
pub struct Common<'c> {
    pub sources: &'c Sources,
    pub columns: &'c Columns,
    /// The column with the address; each row's text there, without blanks around it, is the recipient that it is added with.
    pub address: &'c str,
    /// The domain of their Message-IDs.
    pub host: &'c str,
    /// When they are handed over, and how fast.
    pub window: Option<&'c Window>,
    pub rate: Option<Rate>,
}

impl SpoolQueue {
    /// Starts a merge. Its entries get the envelope `like`, whose id is the job's, and it is noted what `about` says but for
    /// what is counted. `about.per_entry` is how many rows each entry has ([`rows_an_entry`](super::rows::rows_an_entry)).
    pub fn merge(&self, like: Envelope, about: PostFile, common: Common<'_>) -> Result<MergeDraft<'_>, QueueError> {
        let draft = JobDraft::new(self, like.id.clone())?;
        let (top, path) = (draft.top()?, self.path(&draft.tmp));
        let key = MergeKey::random().ok_or_else(|| io::Error::other("the kernel has no random number"));
        let key = key.map_err(self.failed("make a merge", &draft.tmp))?;
        let template = template::write(&top, common.sources).map_err(self.failed("write a template", &draft.tmp))?;
        dir::make(&top, "log").map_err(self.failed("make a merge", &draft.tmp))?;
        let again = draft.top()?;
        let per_entry = about.per_entry.clamp(1, ROWS_MAX.into());
        let rows = RowsDraft::new(again, path.clone(), per_entry as u32)?;
        let names = common.columns.names().iter().cloned().chain([MARK.to_owned()]).collect();
        let all = Columns::new(names).map_err(|twice| io::Error::other(format!("a column is called '{twice}'")));
        columns::write(&top, &path, &all.map_err(self.failed("make a merge", &draft.tmp))?)?;
        let width = common.columns.names().len();
        let list = PostFile { recipients: 0, bytes: 0, per_entry, ..about };
        let (address, host) = (common.address.to_owned(), common.host.to_owned());
        let (window, rate) = (common.window.map(|window| window.hours().clone()), common.rate.map(JobRate));
        if rate.is_some() {
            dir::make(&top, FOLDER).map_err(self.failed("make a merge", &draft.tmp))?;
        }
        let about = MergeFile { list, origin: like.origin.clone(), address, host, key, template, window, rate };
        let next = Envelope { recipients: Vec::new(), fields: Fields::default(), ..like };
        Ok(MergeDraft {
            draft,
            top,
            rows,
            width,
            next,
            dues: Vec::new(),
            about,
            entries: 0,
            ready: None,
            window: common.window.cloned(),
        })
    }
}

impl MergeDraft<'_> {
    /// The job's id.
    pub fn id(&self) -> &EntryId {
        &self.draft.id
    }

    /// What makes its Message-IDs, for a look at what its mails will be.
    pub fn key(&self) -> &MergeKey {
        &self.about.key
    }

    /// Adds a row, whose mail goes to `recipient`, not before `due` where it has a time of its own. `attached` is the state of
    /// the file that it attaches, if it does: another state fails the row when it is sent.
    pub fn add(
        &mut self,
        row: &Row,
        recipient: Address,
        due: Option<Micros>,
        attached: Option<FileMark>,
    ) -> Result<(), QueueError> {
        if let (Some(due), Ok(number)) = (due, u16::try_from(self.next.recipients.len())) {
            self.dues.push((number, due.max(self.start().0).min(Micros::MAX)));
        }
        self.next.recipients.push(recipient);
        let added = match attached {
            None => self.rows.add(row)?,
            Some(mark) => {
                let mut cells = row.cells.clone();
                cells.resize(self.width, Cell::Null);
                cells.push(Cell::Text(mark.to_string()));
                self.rows.add(&Row { number: row.number, cells })?
            }
        };
        added.map_or(Ok(()), |rows| self.close(rows))
    }

    /// When rows without a time of their own are due, and whether a person asked for that.
    fn start(&self) -> (Micros, bool) {
        self.about.list.not_before.map_or((self.next.origin.submitted, false), |time| (time, true))
    }

    /// Writes the log and the head of an entry whose rows are written.
    fn close(&mut self, rows: EntryRows) -> Result<(), QueueError> {
        let EntryRows { n, k, noted } = rows;
        let (start, is_asked) = self.start();
        let ready = match &self.ready {
            Some(ready) if k > 0 => ready,
            _ => self.ready.insert(self.draft.folder(n)?),
        };
        self.next.id = self.draft.id.of_job(n, k);
        // As many as the file has, which are 1,000 at most.
        let count = noted.rows as u16;
        let own = self.dues.iter().map(|&(_, due)| due).min();
        let waits = own.filter(|_| self.dues.len() == usize::from(count));
        let (due, at) = waits.map_or((start, is_asked), |own| (own, true));
        let opens = self.window.as_ref().and_then(|window| window.defers(due, self.next.origin.submitted));
        let (due, at) = opens.map_or((due, at), |opens| (opens, true));
        let write = || -> io::Result<()> {
            fault::point("merge.entry")?;
            if k == 0 {
                dir::make(&self.top, &format!("log/{n}"))?;
            }
            let of = (&self.next.id, count);
            let log = create(&self.top, &format!("log/{n}/{k}"), of, self.next.origin.submitted, &self.dues)?;
            let name = EntryName { due, at, id: self.next.id.clone(), log: Some(log) }.to_string();
            let mut file = dir::open_file(ready, &name, dir::Open::CreateNew)?;
            file.write_all(&entry::head_of_rows(&self.next, noted)?)
        };
        write().map_err(self.draft.queue.failed("write a merge", &self.draft.tmp))?;
        self.about.list.recipients += u64::from(noted.rows);
        self.entries += 1;
        self.next.recipients.clear();
        self.dues.clear();
        Ok(())
    }

    /// Publishes the merge; one without rows vanishes, and so does one whose id counts once and was accepted before. `counts`
    /// are the duplicates, and whom the suppression list has.
    pub fn commit(mut self, counts: (u64, u64)) -> Result<Merged, QueueError> {
        if let Some(rows) = self.rows.finish()? {
            self.close(rows)?;
        }
        (self.about.list.duplicates, self.about.list.suppressed) = counts;
        let (rows, entries) = (self.about.list.recipients, self.entries);
        let about = JobFile::new(JobKind::Merge(Box::new(self.about)), entries, self.next.origin.submitted);
        let published = self.draft.commit_once(&about)?;
        Ok(Merged { rows, entries, published })
    }
}
