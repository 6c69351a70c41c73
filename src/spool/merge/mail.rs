//! The mails of an entry's rows, each rendered when it is handed over, or while the one before it awaits its answer.
//!
//! What holds: at most one rendered mail is kept. A row that cannot be rendered is that row's fault, and fails with the reason
//! and its place in the template; one whose data are damaged is held, for they may be restored; one whose data or attachment
//! cannot be read now is deferred. Rows or a template that cannot be read at all fail nobody: where what all mails of the job need
//! cannot be read, the job is paused by the worker that meets it first.
//!
//! Where ten and more than one in a hundred cannot be made ([`MadeCount`]), the job is paused by the worker that saw the last of
//! them, which alone reports it, and all of these rows stay open. So no row fails when it cannot be made for the first time:
//! it is due again, now, behind all that was due before, and is taken after the other rows of its entry. When the others of
//! its job had their turn, and the job was not paused, it is tried once more, and fails.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;

use super::attachment::{self, FileMark, MARK, NoFile};
use super::log::replay::RowState;
use super::made_count::MadeCount;
use super::rows::Noted;
use super::rows::columns;
use super::rows::error::RowsError;
use super::rows::reader::Rows;
use super::template::{JobTemplate, Mail};
use crate::compose::MessageIds;
use crate::model::{EntryId, Reason, Row, Verdict};
use crate::queue::{Message, NoMessage, QueueError};
use crate::spool::home::Home;
use crate::spool::job::newer::read_in;
use crate::spool::job::{JobKind, Standing};
use crate::spool::queue::SpoolQueue;
use crate::sys::{clock, fault, sealed};

/// A mail that is larger goes to a command as a file on disk, not in memory.
const MEMORY: usize = 256 << 10;

/// The enhanced status of a mail that cannot be made (RFC 3463 section 3.7: other or undefined media error).
const UNMADE: &str = "5.6.0";

/// What a claim renders with, opened when the first row is.
#[derive(Debug)]
pub(super) struct Mails {
    noted: Noted,
    rows: OnceCell<Rows>,
    template: OnceCell<Arc<JobTemplate>>,
    /// A row that was rendered, and what came of that.
    next: RefCell<Option<(usize, Result<Mail, NoMessage>)>>,
    made_count: OnceCell<Arc<MadeCount>>,
}

impl Mails {
    /// Those of the rows that a head `noted`.
    pub fn of(noted: Noted) -> Mails {
        Mails {
            noted,
            rows: OnceCell::new(),
            template: OnceCell::new(),
            next: RefCell::new(None),
            made_count: OnceCell::new(),
        }
    }

    /// Bytes of a row's mail, which is kept, 0 if there is none; and whether its header needs SMTPUTF8.
    pub fn outline(&self, source: &Source<'_>, row: usize) -> (u64, bool) {
        let mut next = self.next.borrow_mut();
        if next.as_ref().is_none_or(|(kept, _)| *kept != row) {
            *next = Some((row, self.render(source, row)));
        }
        let mail = next.as_ref().and_then(|(_, mail)| mail.as_ref().ok());
        mail.map_or((0, false), |mail| (mail.bytes.len() as u64, mail.utf8))
    }

    /// A row's mail, for one who reads `by_position`, or to be given to a command. `again`: it could not be made before.
    ///
    /// Errors: the row's own, or of what all rows are rendered with.
    pub fn message(
        &self,
        source: &Source<'_>,
        row: usize,
        again: bool,
        by_position: bool,
    ) -> Result<Message, NoMessage> {
        let kept = self.next.take().filter(|(kept, _)| *kept == row);
        let mail = kept.map_or_else(|| self.render(source, row), |(_, mail)| mail);
        let mail = self.count(source, mail, again).map_err(|none| source.unless_common(none))?;
        if by_position {
            let len = mail.bytes.len() as u64;
            return Ok(Message::of_memory(mail.bytes, 0, len).with_utf8(mail.utf8));
        }
        let (len, queue) = (mail.bytes.len(), source.queue);
        let file = if len <= MEMORY {
            sealed::file(&mail.bytes).map_err(queue.failed("make a message in memory for", source.id.as_str()))?
        } else {
            let file = queue.scratch()?;
            file.write_all_at(&mail.bytes, 0).map_err(queue.failed("write a message", "tmp"))?;
            file
        };
        Ok(Message::of_file(Arc::new(file), 0, len as u64).with_utf8(mail.utf8))
    }

    /// Counts a mail whose turn has come. One that cannot be made for the first time is put back, or pauses the job.
    fn count(&self, source: &Source<'_>, made: Result<Mail, NoMessage>, again: bool) -> Result<Mail, NoMessage> {
        let made_count =
            || self.made_count.get_or_init(|| source.queue.templates.made_count(source.job(), source.home.dir()));
        let reason = match made {
            Ok(_) => {
                made_count().made();
                return made;
            }
            Err(NoMessage::Row(Verdict::Failed(reason))) if !again => reason,
            Err(
                NoMessage::Row(_)
                | NoMessage::PutBack(_)
                | NoMessage::Fault(_)
                | NoMessage::Common(_)
                | NoMessage::Moved,
            ) => return made,
        };
        if let Some(counts) = made_count().failed()
            && let Some(error) = source.pause(counts, &reason.text)
        {
            return Err(error.into());
        }
        Err(NoMessage::PutBack(reason))
    }

    fn render(&self, source: &Source<'_>, row: usize) -> Result<Mail, NoMessage> {
        fault::instant("merge.render");
        let template = self.template(source).map_err(NoMessage::Common)?;
        let data = self.data(source, row, template.columns().names().len())?;
        attached(template, &data).and_then(|attached| {
            template.render(data, clock::now(), attached).map_err(|error| unmade(&error.to_string()))
        })
    }

    fn data(&self, source: &Source<'_>, row: usize, columns: usize) -> Result<Row, NoMessage> {
        let rows = match self.rows.get() {
            Some(rows) => rows,
            None => {
                let place = source.id.number_in_job().unwrap_or_default();
                let rows = Rows::open(source.home.dir(), &source.path(), place, self.noted, columns);
                let rows = rows.map_err(unreadable)?;
                self.rows.get_or_init(|| rows)
            }
        };
        rows.row(u32::try_from(row).unwrap_or(u32::MAX)).map_err(|error| match error {
            RowsError::Row { .. } => NoMessage::Row(Verdict::Held(Reason::new(&error.to_string()))),
            RowsError::Io { .. } => later(&error.to_string()),
            RowsError::Missing { .. } | RowsError::Damaged { .. } => unreadable(error).into(),
        })
    }

    fn template(&self, source: &Source<'_>) -> Result<&JobTemplate, QueueError> {
        if let Some(template) = self.template.get() {
            return Ok(template);
        }
        let template = source.queue.templates.of(source.job(), || source.template())?;
        Ok(self.template.get_or_init(|| template))
    }
}

/// Where the mails of entry `id` come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'s> {
    pub queue: &'s SpoolQueue,
    pub home: &'s Home<'s>,
    pub id: &'s EntryId,
}

impl Source<'_> {
    fn job(&self) -> &str {
        self.id.job().map_or("", |(job, _)| job)
    }

    /// Pauses the job, many of whose mails cannot be made: what becomes of the other rows is for a person to say. `None`: it
    /// was paused or cancelled meanwhile.
    fn pause(&self, (failed, all): (u64, u64), why: &str) -> Option<QueueError> {
        let job = self.job();
        let moved = job.parse().map(|id| self.queue.move_job(&id, Standing::AtWork, Standing::Paused));
        let how = match moved {
            Ok(Ok(true)) => "it is paused, and they stay open",
            Ok(Ok(false)) => return None,
            Ok(Err(_)) | Err(_) => "they stay open; pause it",
        };
        let why = format!(
            "{failed} of {all} mails of job {job} cannot be made, so {how}: {why}; see 'bulkmailer jobs show {job}', and \
             resume or cancel it"
        );
        Some(QueueError::NotYet { path: self.path(), why })
    }

    /// Pauses the job where no mail of it can be made, for a person to mend what they all need. Another worker may have done so.
    fn unless_common(&self, none: NoMessage) -> NoMessage {
        let error = match none {
            NoMessage::Common(error) if !is_ours(&error) => error,
            NoMessage::Common(error) => return NoMessage::Fault(error),
            none @ (NoMessage::Fault(_) | NoMessage::Row(_) | NoMessage::PutBack(_) | NoMessage::Moved) => return none,
        };
        let job = self.job();
        match job.parse().map(|id| self.queue.move_job(&id, Standing::AtWork, Standing::Paused)) {
            Ok(Ok(true)) => {
                let why = format!(
                    "no mail of job {job} can be made, so it is paused: {error}; put that right, and run 'bulkmailer jobs \
                     resume {job}'"
                );
                NoMessage::Fault(QueueError::NotYet { path: self.path(), why })
            }
            Ok(Ok(false)) => NoMessage::Moved,
            Ok(Err(_)) | Err(_) => NoMessage::Fault(error),
        }
    }

    /// The job's folder, for messages.
    fn path(&self) -> PathBuf {
        self.queue.path(&format!("jobs/{}", self.job()))
    }

    /// Compiles the job's template.
    fn template(&self) -> Result<JobTemplate, QueueError> {
        let path = self.path();
        let corrupt = |why: &str| QueueError::Corrupt { path: path.join("job.json"), why: why.to_owned() };
        let file = match read_in(self.home.dir(), "job.json") {
            Some(Ok(file)) => file,
            Some(Err(fault)) => return Err(corrupt(&fault.to_string())),
            None => return Err(corrupt("it cannot be read; restore it from a copy")),
        };
        let JobKind::Merge(merge) = file.kind else { return Err(corrupt("it is that of no merge")) };
        let columns = columns::read(self.home.dir(), &path).map_err(unreadable)?;
        let ids = MessageIds::new(self.job(), &merge.host, &merge.key.0);
        JobTemplate::open(self.home.dir(), merge.template, columns, ids).map_err(|source| QueueError::Io {
            doing: "use the template",
            path: path.join("template"),
            source,
        })
    }
}

/// What a row attaches, if it does.
fn attached(template: &JobTemplate, row: &Row) -> Result<Option<(String, Vec<u8>)>, NoMessage> {
    let settings = template.settings();
    let cell = |name: &str| template.columns().position(name).and_then(|at| row.cells.get(at)?.text());
    let (Some(column), Some(folder)) = (&settings.attachment, &settings.attachment_folder) else { return Ok(None) };
    let Some(name) = cell(column).filter(|name| !name.is_empty()) else { return Ok(None) };
    let Some(mark) = cell(MARK).and_then(|mark| mark.parse::<FileMark>().ok()) else {
        return Err(unmade(&format!("attachment {name:?}: it was not checked")));
    };
    match attachment::read(Path::new(folder), name, mark, template.off_limits()) {
        Ok(bytes) => Ok(Some((name.rsplit('/').next().unwrap_or(name).to_owned(), bytes))),
        Err(NoFile::Row(why)) => Err(unmade(&why)),
        Err(NoFile::Later(why)) => Err(later(&why)),
        Err(NoFile::Io(source)) => {
            let path = Path::new(folder).join(name);
            Err(NoMessage::Common(QueueError::Io { doing: "read an attachment", path, source }))
        }
    }
}

/// Whether this process or the host lacks something, and not the job.
fn is_ours(error: &QueueError) -> bool {
    let QueueError::Io { source, .. } = error else { return error.is_newer() };
    let of_process = [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM].map(|errno| Some(errno as i32));
    error.is_newer() || of_process.contains(&source.raw_os_error())
}

/// Whether the mail of an open row could not be made when its turn came.
pub(super) fn is_put_back(row: &RowState) -> bool {
    row.is_open() && row.reason.as_ref().is_some_and(|reason| reason.status.as_deref() == Some(UNMADE))
}

/// The row waits, as one that the sink deferred.
fn later(why: &str) -> NoMessage {
    NoMessage::Row(Verdict::Deferred(Reason::new(&format!("its mail cannot be made now: {why}"))))
}

fn unmade(why: &str) -> NoMessage {
    let why = Reason::new(&format!("its mail cannot be made: {why}"));
    NoMessage::Row(Verdict::Failed(why.with_status(Some(UNMADE.to_owned()))))
}

/// An error that is no row's fault.
fn unreadable(error: RowsError) -> QueueError {
    match error {
        RowsError::Io { path, source } => QueueError::Io { doing: "read", path, source },
        RowsError::Missing { path } => {
            QueueError::Io { doing: "read the rows", path, source: io::ErrorKind::NotFound.into() }
        }
        RowsError::Damaged { path, why } => {
            QueueError::Corrupt { path, why: format!("{why}; restore the file from a copy") }
        }
        RowsError::Row { path, why, .. } => QueueError::Corrupt { path, why },
    }
}
