//! The end of a merge: it has ended when none of its rows is open or held, which its logs alone tell. A power cut may keep the
//! removal of a head and not the record for which it had come back; so all logs are read once every head is gone.
//!
//! A row that is open gets its entry a new head. The order of steps: the log is locked → no other head is there → the log is on
//! disk → the new head is written without a name, synced and linked → its folder is synced.
//!
//! A row that is held keeps the job. `JOB/held` says that this was seen, so that no run reads the logs again in vain; commands
//! that act on a row remove it, and so does the sweep. The logs are read once more when it was made: a command may have looked
//! for it in between. A kill at `merge.held` leaves it for the sweep.

use std::fs::File;
use std::io::{self, Write};

use super::claim::{lock_log, log_path};
use super::counts::SeenRows;
use super::log::file::{Claimant, Log, Taken, look};
use super::log::replay::{RowState, Rows as RowStates, Standing};
use super::rows::columns;
use super::rows::error::RowsError;
use super::rows::reader::Rows;
use crate::model::{Address, EntryId, Micros, Reason};
use crate::queue::QueueError;
use crate::spool::entry::{self, Extent};
use crate::spool::find::Seen;
use crate::spool::home::Home;
use crate::spool::job::{self, JobFile, JobKind, MergeFile};
use crate::spool::names::{EntryName, Spot, State};
use crate::spool::queue::{SpoolQueue, make_folder};
use crate::sys::durable::{Unnamed, sync_dir};
use crate::sys::{clock, dir, fault, process};

/// In the job's folder: it ended but for rows that are held.
const HELD: &str = "held";
/// Why a row is held whose address cannot be read, and what stands for that.
const UNKNOWN: &str = "its row is damaged, and its head is gone; restore the rows from a copy";
const NOWHERE: &str = "unknown@damaged.invalid";

/// What is left of a merge whose heads are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spool) enum Left {
    Nothing,
    /// A row is held.
    Held,
    /// A row is open, and its entry has a head again; or somebody acts on one.
    Open,
}

/// A merge whose entries are looked through.
struct Ending<'e> {
    queue: &'e SpoolQueue,
    home: Home<'e>,
    file: &'e JobFile,
    merge: &'e MergeFile,
}

impl SpoolQueue {
    /// What is left of the merge `job`, whose folder is `top`, and what was seen of its rows, if nothing is left. Entries with
    /// an open row and no head get one.
    pub(in crate::spool) fn left_of_merge(
        &self,
        job: &EntryId,
        top: &File,
        file: &JobFile,
        merge: &MergeFile,
    ) -> Result<(Left, SeenRows), QueueError> {
        if dir::stat(top, HELD).map_err(self.failed("look at", HELD))?.is_some() {
            return Ok((Left::Held, SeenRows::default()));
        }
        let home = Home::of(self, &job.of_job(0, 0)).map_err(self.failed("open", job.as_str()))?;
        let ending = Ending { queue: self, home, file, merge };
        let (left, seen) = ending.all(job)?;
        if left != Left::Held {
            return Ok((left, seen));
        }
        fault::instant("merge.holding");
        dir::open_file(top, HELD, dir::Open::Create).map_err(self.failed("make", HELD))?;
        fault::instant("merge.held");
        // A row that was decided about meanwhile: nothing was there that the command could remove.
        let left = ending.all(job);
        if !matches!(left, Ok((Left::Held, _))) {
            dir::unlink(top, HELD).or_else(is_gone).map_err(self.failed("remove", HELD))?;
        }
        left
    }

    /// Whether a merge's heads are gone, and it is not known that a row is held.
    pub fn has_headless_merge(&self) -> bool {
        let has = |job: &str, name: &str| {
            dir::stat(&self.dir, &format!("jobs/{job}/{name}")).is_ok_and(|stat| stat.is_some())
        };
        let is_one = |job: &String| has(job, "rows") && !has(job, "ready") && !has(job, HELD);
        // Its own two names: no job is in it. A file system that does not count folders so says 1.
        let is_empty = dir::stat(&self.dir, "jobs").is_ok_and(|stat| stat.is_none_or(|stat| stat.st_nlink == 2));
        !is_empty && self.names("jobs").is_ok_and(|names| names.flatten().any(|job| is_one(&job)))
    }

    /// Makes a head for entry `id`, if its job is at work and it has none, whatever its rows are. Nothing is done where somebody
    /// has its log.
    pub(in crate::spool) fn make_head(&self, id: &EntryId) -> Result<(), QueueError> {
        let job = id.job().and_then(|(job, _)| job.parse::<EntryId>().ok());
        let Some(job) = job else { return Ok(()) };
        let Some(file) = self.job_file(&job, job::Standing::AtWork)? else { return Ok(()) };
        let JobKind::Merge(merge) = &file.kind else { return Ok(()) };
        let home = match Home::of(self, id) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(self.failed("open", id.as_str()))?,
        };
        let ending = Ending { queue: self, home, file: &file, merge };
        match ending.log(id)? {
            Some(log) => ending.head(id, log, true, &mut SeenRows::default()).map(drop),
            None => Ok(()),
        }
    }

    /// Entry `id` of a merge at work as an onlooker sees it that has no head, with its log for its file: held if a row is, else
    /// given up; `None` if there is no such entry.
    pub fn look_without_head(&self, id: &EntryId) -> Result<Option<Seen>, QueueError> {
        let Some(rows) = self.entry_with_rows(id)? else { return Ok(None) };
        let job = id.job().and_then(|(job, _)| job.parse::<EntryId>().ok()).unwrap_or_else(|| id.clone());
        let Some(file) = self.job_file(&job, job::Standing::AtWork)? else { return Ok(None) };
        let JobKind::Merge(merge) = &file.kind else { return Ok(None) };
        let failed = |doing| self.failed(doing, id.as_str());
        let home = Home::of(self, id).map_err(failed("open"))?;
        let log = dir::open_file(home.dir(), &log_path(id), dir::Open::Read).map_err(failed("open the log of"))?;
        let ending = Ending { queue: self, home, file: &file, merge };
        let (recipients, noted, _) = ending.recipients(id)?;
        let envelope = merge.envelope(id.clone(), recipients).map_err(failed("read"))?;
        let state = if left_of(&rows, &mut SeenRows::default()) == Left::Held { State::Hold } else { State::Failed };
        let last = rows.iter().map(|(_, row)| row.at).max().unwrap_or_default();
        let spot = Spot { state, name: EntryName::new(last, id.clone()) };
        let extent = Extent { start: 0, len: 0, apart: true, rows: Some(noted) };
        Ok(Some(Seen { spot, envelope, extent, file: log, path: format!("jobs/{job}/{}", log_path(id)) }))
    }

    /// Shows `each` what is wrong with the logs of the merge `job`, and whether that was mended: one that is missing, and an
    /// open row whose entry has no head. With `repair` that gets one.
    pub(in crate::spool) fn check_rows(
        &self,
        job: &EntryId,
        file: &JobFile,
        repair: bool,
        each: &mut dyn FnMut(String, String, bool),
    ) -> Result<(), QueueError> {
        let JobKind::Merge(merge) = &file.kind else { return Ok(()) };
        let home = match Home::of(self, &job.of_job(0, 0)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(self.failed("open", job.as_str()))?,
        };
        let ending = Ending { queue: self, home, file, merge };
        for id in file.entry_ids(job) {
            let path = log_path(&id);
            let what = match look(ending.home.dir(), &path, (&id, ending.rows_of(&id)), &mut |_| {}) {
                Ok(states) if states.open().next().is_none() || self.locate(&id)?.is_some() => continue,
                Ok(_) => "an open row, and its entry has no head".to_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    "its log is missing, so its rows will be held".to_owned()
                }
                Err(error) => {
                    each(format!("jobs/{job}/{path}"), error.to_string(), false);
                    continue;
                }
            };
            let mended = repair && self.locate(&id)?.is_none() && ending.entry(&id, &mut SeenRows::default()).is_ok();
            each(format!("jobs/{job}/{path}"), what, mended);
        }
        Ok(())
    }

    /// Has the logs of the merge in the folder `top` read again at its next end.
    pub(in crate::spool) fn forget_held(&self, top: &str) {
        // If it stays, the sweep removes it.
        let _ = dir::unlink(&self.dir, &format!("{top}/{HELD}"));
    }
}

impl Ending<'_> {
    /// What is left of all entries, and what was seen of them.
    fn all(&self, job: &EntryId) -> Result<(Left, SeenRows), QueueError> {
        let (mut left, mut seen) = (Left::Nothing, SeenRows::default());
        for id in self.file.entry_ids(job) {
            match self.entry(&id, &mut seen)? {
                Left::Open => left = Left::Open,
                Left::Held if left == Left::Nothing => left = Left::Held,
                Left::Held | Left::Nothing => {}
            }
        }
        Ok((left, seen))
    }

    fn entry(&self, id: &EntryId, seen: &mut SeenRows) -> Result<Left, QueueError> {
        let path = log_path(id);
        let rows = self.rows_of(id);
        match look(self.home.dir(), &path, (id, rows), &mut |_| {}) {
            Ok(states) if states.open().next().is_none() => return Ok(left_of(&states, seen)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.failed("read", id)(error)),
            // It is looked at under its lock.
            Ok(_) | Err(_) => {}
        }
        self.log(id)?.map_or(Ok(Left::Open), |log| self.head(id, log, false, seen))
    }

    /// The log of an entry without a head; `None` if it has one, or somebody has its log.
    fn log(&self, id: &EntryId) -> Result<Option<Log>, QueueError> {
        let locked = match lock_log(&self.home, &log_path(id)).map_err(self.failed("lock", id))? {
            Taken::Ours(locked) => locked,
            Taken::Contended | Taken::Missing => return Ok(None),
        };
        if self.queue.locate(id)?.is_some() {
            return Ok(None);
        }
        let claimant = Claimant { at: clock::now(), by: process::real_uid() };
        let log = locked.read((id, self.rows_of(id)), None, claimant, &mut |_| {});
        log.map(Some).map_err(self.failed("read", id))
    }

    /// Gives an entry without a head one, if a row is open or it is `wanted`.
    fn head(&self, id: &EntryId, mut log: Log, wanted: bool, seen: &mut SeenRows) -> Result<Left, QueueError> {
        let now = clock::now();
        let hold = |log: &mut Log, rows: &[u16], why: &str| {
            log.hold(rows, now, &Reason::new(why)).map_err(self.failed("write", id))
        };
        if log.is_short() {
            let open: Vec<u16> = log.rows().open().collect();
            hold(&mut log, &open, super::claim::LOST)?;
        }
        if wanted || log.rows().open().next().is_some() {
            let (recipients, noted, damaged) = self.recipients(id)?;
            let damaged: Vec<u16> = log.rows().open().filter(|row| damaged.contains(row)).collect();
            hold(&mut log, &damaged, UNKNOWN)?;
            let first = self.first_due(id, &mut log, now)?;
            log.sync().map_err(self.failed("sync", id))?;
            if let Some((due, at)) = first.or(wanted.then_some((now, false))) {
                let name = EntryName { due, at, id: id.clone(), log: Some(log.durable()) };
                self.publish(name, recipients, noted).map_err(self.failed("make a head for", id))?;
                return Ok(Left::Open);
            }
        }
        log.sync().map_err(self.failed("sync", id))?;
        Ok(left_of(log.rows(), seen))
    }

    /// When the first open row is due, and whether that was asked for. Rows without a time of their own are due when the job
    /// begins; where another is sooner, that becomes their own.
    fn first_due(&self, id: &EntryId, log: &mut Log, now: Micros) -> Result<Option<(Micros, bool)>, QueueError> {
        let begins = self.merge.list.not_before.filter(|&begins| begins > now);
        let with_head = begins.map_or((now, false), |begins| (begins, true));
        let open = || log.rows().iter().filter(|(_, row)| row.is_open());
        let due = |row: &RowState| row.due.map_or(with_head, |due| (due, row.attempts == 0));
        let first = open().map(|(_, row)| due(row)).min();
        if begins.is_some_and(|begins| first.is_some_and(|(first, _)| first < begins)) {
            let waits = open().filter(|(_, row)| row.due.is_none() && !row.in_flight).map(|(number, _)| number);
            let waits: Vec<u16> = waits.collect();
            log.reopen(&waits, now, begins).map_err(self.failed("write", id))?;
        }
        Ok(first)
    }

    /// The addresses of an entry's rows, what a head notes of them, and the rows whose address cannot be read.
    fn recipients(&self, id: &EntryId) -> Result<(Vec<Address>, super::rows::Noted, Vec<u16>), QueueError> {
        let path = self.queue.path(&format!("jobs/{}", id.job().map_or("", |(job, _)| job)));
        let unreadable = |error: RowsError| QueueError::Corrupt { path: path.clone(), why: error.to_string() };
        let columns = columns::read(self.home.dir(), &path).map_err(unreadable)?;
        let place = id.number_in_job().unwrap_or_default();
        let rows = Rows::open_alone(self.home.dir(), &path, place, columns.names().len()).map_err(unreadable)?;
        let column = columns.position(&self.merge.address);
        let (mut recipients, mut damaged) = (Vec::new(), Vec::new());
        for at in 0..rows.len() {
            let row = rows.row(at).ok();
            let text = row.as_ref().and_then(|row| row.cells.get(column?)?.text());
            let address = text.and_then(|text| text.trim().parse().ok());
            if address.is_none() {
                damaged.extend(u16::try_from(at));
            }
            recipients.extend(address.or_else(|| NOWHERE.parse().ok()));
        }
        Ok((recipients, rows.noted().map_err(unreadable)?, damaged))
    }

    fn publish(&self, name: EntryName, recipients: Vec<Address>, noted: super::rows::Noted) -> io::Result<()> {
        let envelope = self.merge.envelope(name.id.clone(), recipients)?;
        fault::point("merge.head")?;
        let file = Unnamed::create(&self.queue.dir, "tmp", name.id.as_str())?;
        file.file().write_all(&entry::head_of_rows(&envelope, noted)?)?;
        file.file().sync_data()?;
        let spot = Spot { state: State::Ready, name };
        let (folder, path) = (spot.folder(), spot.path());
        let (folder, path) = (self.home.inner(&folder), self.home.inner(&path));
        make_folder(self.home.dir(), folder)?;
        file.link(self.home.dir(), path)?;
        fault::instant("merge.linked");
        sync_dir(self.home.dir(), folder)
    }

    fn rows_of(&self, id: &EntryId) -> u16 {
        u16::try_from(self.file.recipients_of(id)).unwrap_or(u16::MAX)
    }

    fn failed(&self, doing: &'static str, id: &EntryId) -> impl FnOnce(io::Error) -> QueueError + use<> {
        let job = id.job().map_or("", |(job, _)| job);
        let path = self.queue.path(&format!("jobs/{job}/{}", log_path(id)));
        move |source| QueueError::Io { doing, path, source }
    }
}

/// A command has removed it.
fn is_gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn left_of(states: &RowStates, seen: &mut SeenRows) -> Left {
    seen.add(states);
    let held = states.iter().any(|(_, row)| row.standing == Standing::Held);
    if held { Left::Held } else { Left::Nothing }
}
