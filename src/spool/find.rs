//! Finding entries: every name of a state, and one entry by its id.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use super::entry::{self, Extent, Unreadable};
use super::error::io_at;
use super::history::{AttemptLine, Delivery, History, JournalLine, read_history};
use super::journal::reply::{add_delivery, read_deliveries};
use super::merge::view;
use super::names::{EntryName, Spot, State, bucket_path, folder, journal_path, message_path};
use super::queue::SpoolQueue;
use super::quiet::Rest;
use crate::model::format::Newer;
use crate::model::{EntryId, Envelope};
use crate::queue::QueueError;
use crate::sys::{clock, dir};

/// An entry as an onlooker sees it; nobody is kept from working on it.
#[derive(Debug)]
pub struct Seen {
    pub spot: Spot,
    pub envelope: Envelope,
    pub extent: Extent,
    pub file: File,
    /// Where that lies, relative to the queue's folder.
    pub path: String,
}

impl SpoolQueue {
    /// Shows `each` every name in `state`, of single entries and of jobs, until it answers `false`. Names may vanish or
    /// move meanwhile; memory does not grow with their number.
    pub fn each_name(&self, state: State, each: &mut dyn FnMut(EntryName) -> bool) -> Result<(), QueueError> {
        let failed = || self.failed("list", state.name());
        for folder in self.single_folders(state).map_err(failed())? {
            if !self.each_name_in(&folder, each)? {
                return Ok(());
            }
        }
        let mut folder = |path: &str| self.names_in(path, each);
        self.each_folder_of_jobs(state, &mut folder).map_err(failed())
    }

    /// The names of entries in the folder `path`, a buffer at a time; none if it is not there.
    pub fn names_of(
        &self,
        path: &str,
    ) -> Result<impl Iterator<Item = Result<EntryName, QueueError>> + use<>, QueueError> {
        let names = self.names(path).map_err(self.failed("list", path))?;
        let at = self.path(path);
        Ok(names.filter_map(move |name| match name {
            Ok(name) => EntryName::parse(&name).map(Ok),
            Err(error) => Some(Err(io_at("list", at.clone())(error))),
        }))
    }

    /// Shows `each` name of an entry in the folder `path`, until it answers `false`; whether it never did. A folder that
    /// is not there has none.
    pub fn each_name_in(&self, path: &str, each: &mut dyn FnMut(EntryName) -> bool) -> Result<bool, QueueError> {
        self.names_in(path, each).map_err(self.failed("list", path))
    }

    fn names_in(&self, path: &str, each: &mut dyn FnMut(EntryName) -> bool) -> io::Result<bool> {
        let mut names = match dir::Names::open(&self.dir, path) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        while let Some(name) = names.next_with(|name| std::str::from_utf8(name).ok().and_then(EntryName::parse)) {
            if !name?.is_none_or(&mut *each) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The folders with entries in `state`, in the order of the spool. One that is known to be empty may be missing.
    pub fn entry_folders(&self, state: State) -> Result<Vec<String>, QueueError> {
        let failed = || self.failed("list", state.name());
        let mut folders = self.single_folders(state).map_err(failed())?;
        let mut add = |folder: &str| {
            folders.push(folder.to_owned());
            Ok(true)
        };
        self.each_folder_of_jobs(state, &mut add).map_err(failed())?;
        Ok(folders)
    }

    /// The folders with single entries in `state`, in the order of their names.
    fn single_folders(&self, state: State) -> io::Result<Vec<String>> {
        match state {
            // These are made with the queue.
            State::Ready => {
                let now = clock::now();
                let has_some = |bucket: &u8| self.quiet.rests(&self.dir, *bucket, now) != Some(Rest(None));
                Ok((0..=u8::MAX).filter(has_some).map(bucket_path).collect())
            }
            // And these one by one, when they are needed.
            State::Hold | State::Failed => {
                let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                let bucket = |name: &String| name.len() == 2 && name.bytes().all(is_digit);
                let mut buckets = self.names(state.name())?.collect::<io::Result<Vec<String>>>()?;
                buckets.retain(bucket);
                buckets.sort();
                Ok(buckets.into_iter().map(|bucket| format!("{}/{bucket}", state.name())).collect())
            }
        }
    }

    /// The folders of the jobs with entries in `state`, as long as `folder` answers `true`.
    pub(super) fn each_folder_of_jobs(
        &self,
        state: State,
        folder: &mut dyn FnMut(&str) -> io::Result<bool>,
    ) -> io::Result<()> {
        for job in self.names("jobs")? {
            let top = format!("jobs/{}/{}", job?, state.name());
            let going = match state {
                State::Ready => self
                    .names(&top)?
                    .try_fold(true, |on, n| Ok::<_, io::Error>(on && folder(&format!("{top}/{}", n?))?))?,
                State::Hold | State::Failed => folder(&top)?,
            };
            if !going {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Where entry `id` lies. Every state is looked through twice, for a listing can miss a name that is being renamed.
    pub fn locate(&self, id: &EntryId) -> Result<Option<Spot>, QueueError> {
        for _pass in 0..2 {
            for state in State::ALL {
                let folder = folder(state, id);
                let failed = || self.failed("list", &folder);
                for name in self.names(&folder).map_err(failed())? {
                    match EntryName::parse(&name.map_err(failed())?) {
                        Some(name) if name.id == *id => return Ok(Some(Spot { state, name })),
                        Some(_) | None => {}
                    }
                }
            }
        }
        Ok(None)
    }

    /// Reads the entry at `spot` without claiming it; `None` if it is not there any more.
    pub fn look(&self, spot: &Spot) -> Result<Option<Seen>, QueueError> {
        let path = spot.path();
        let file = match dir::open_file(&self.dir, &path, dir::Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("open", &path)(error)),
        };
        let (envelope, extent) = entry::read(&file).map_err(|fault| self.unreadable(&path, fault))?;
        Ok(Some(Seen { spot: spot.clone(), envelope, extent, file, path }))
    }

    /// That the head of the entry at `path` cannot be read.
    pub(super) fn unreadable(&self, path: &str, fault: Unreadable) -> QueueError {
        match fault {
            Unreadable::Newer(newer) => QueueError::Newer { path: self.path(path), newer },
            Unreadable::Damaged(why) => QueueError::Corrupt { path: self.path(path), why },
        }
    }

    /// Why entry `id` is left alone, if it is there and a newer program wrote it, its journal or its job.
    pub fn newer_entry(&self, id: &EntryId) -> Result<Option<Newer>, QueueError> {
        let Some(spot) = self.locate(id)? else { return Ok(None) };
        if let Some(newer) = id.job().and_then(|(job, _)| self.newer_job(&format!("jobs/{job}"))) {
            return Ok(Some(newer));
        }
        let read = self.look(&spot).and_then(|seen| match seen {
            Some(_) => self.history(id, 0, &mut |_| {}).map(|_| ()),
            None => Ok(()),
        });
        match read {
            Err(QueueError::Newer { newer, .. }) => Ok(Some(newer)),
            Ok(()) | Err(_) => Ok(None),
        }
    }

    /// The message of entry `id`, whose own file and extent these are, positioned at its first byte.
    pub fn message_of(&self, id: &EntryId, file: File, extent: Extent) -> Result<File, QueueError> {
        let path = message_path(id);
        let open = || match extent.apart {
            true => dir::open_file(&self.dir, &path, dir::Open::Read),
            false => Ok(file),
        };
        open().and_then(|file| extent.of_message(file)).map_err(self.failed("open the message", &path))
    }

    /// What the journal of entry `id` tells; the empty history if it has none. Each attempt is shown to `each`.
    pub fn history(
        &self,
        id: &EntryId,
        recipients: usize,
        each: &mut dyn FnMut(&AttemptLine),
    ) -> Result<History, QueueError> {
        let (_, path) = journal_path(id);
        match dir::open_file(&self.dir, &path, dir::Open::Read) {
            Ok(file) => {
                let read = read_history(file, recipients, each).map_err(self.failed("read", &path))?;
                Ok(read.0)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.history_of_rows(id, recipients, each),
            Err(error) => Err(self.failed("open", &path)(error)),
        }
    }

    /// What the log of a merge's entry tells; the empty history if it has none.
    fn history_of_rows(
        &self,
        id: &EntryId,
        recipients: usize,
        each: &mut dyn FnMut(&AttemptLine),
    ) -> Result<History, QueueError> {
        let mut history = History::empty(recipients);
        if id.job().is_none() {
            return Ok(history);
        }
        let read = view::each_line(&self.dir, id, recipients, &mut |line| {
            if let JournalLine::Attempt(attempt) = &line {
                each(attempt);
            }
            history.take(line);
        });
        match read {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("read the log of", id.as_str())(error))
            }
            Ok(()) | Err(_) => Ok(history),
        }
    }

    /// The deliveries that the journal of entry `id`, or its log, tells of, by the recipients' positions.
    pub fn deliveries(&self, id: &EntryId, recipients: usize) -> Result<BTreeMap<usize, Delivery>, QueueError> {
        let (_, path) = journal_path(id);
        match dir::open_file(&self.dir, &path, dir::Open::Read) {
            Ok(file) => read_deliveries(file).map_err(self.failed("read", &path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && id.job().is_some() => {
                let mut found = BTreeMap::new();
                match view::each_line(&self.dir, id, recipients, &mut |line| add_delivery(&mut found, line)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        Err(self.failed("read the log of", id.as_str())(error))
                    }
                    Ok(()) | Err(_) => Ok(found),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(self.failed("open", &path)(error)),
        }
    }
}
