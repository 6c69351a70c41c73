//! `corrupt/`: files that could not be read as entries. The program never deletes one by itself; a person looks at it,
//! removes it, or mends it by hand and has it queued again.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;

use super::decision::Decision;
use super::entry::{self, Extent};
use super::home::Home;
use super::journal::Journal;
use super::lock::Locked;
use super::names::{EntryName, Spot, State};
use super::queue::SpoolQueue;
use crate::model::{EntryId, Envelope, Micros};
use crate::queue::QueueError;
use crate::sys::{dir, fault};

/// A file in `corrupt/`.
#[derive(Debug)]
pub struct Corrupt {
    /// Its name in there.
    pub name: String,
    pub bytes: u64,
    /// When it was set aside.
    pub since: Micros,
    /// What can be read of it, if anything.
    pub envelope: Option<(Envelope, Extent)>,
    /// What is wrong with it, for a person; `None` if it could be queued again.
    pub why: Option<String>,
    /// `None` if it is no regular file.
    pub file: Option<File>,
}

impl Corrupt {
    /// What it is called in listings: the entry's id, if its name tells it.
    pub fn label(&self) -> &str {
        label(&self.name)
    }
}

/// The id in the name of a file in `corrupt/`, or the whole name.
pub fn label(name: &str) -> &str {
    let id = |_| name[17..].split('+').next().unwrap_or(name);
    EntryName::parse(name).map_or(name, id)
}

/// What came of queueing a file of `corrupt/` again.
#[derive(Debug)]
pub enum Mended {
    /// It is in ready/ now.
    Queued(EntryId),
    /// It stays where it is, because of this.
    No(String),
    /// It is not there any more, or somebody else is at it.
    Gone,
}

impl SpoolQueue {
    /// Moves an entry that cannot be read to `corrupt/`. The caller holds its lock.
    pub(super) fn set_aside(&self, spot: &Spot) -> Result<(), QueueError> {
        let path = spot.path();
        fault::point("aside.rename").map_err(self.failed("set aside", &path))?;
        self.to_corrupt(&path, &spot.name.to_string()).map_err(self.failed("set aside", &path))?;
        fault::instant("aside.renamed");
        Ok(())
    }

    /// Renames what lies at `path` to `name` in `corrupt/`, or to `name.2` and so on where that is taken.
    pub(super) fn to_corrupt(&self, path: &str, name: &str) -> io::Result<()> {
        self.ensure_folder("corrupt")?;
        let mut to = format!("corrupt/{name}");
        for n in 2..1_000 {
            match dir::rename_new(&self.dir, path, &to) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => to = format!("corrupt/{name}.{n}"),
                other => return other,
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// How many files lie in `corrupt/`.
    pub fn count_corrupt(&self) -> Result<u64, QueueError> {
        Ok(self.names("corrupt").map_err(self.failed("list", "corrupt"))?.count() as u64)
    }

    /// Shows `each` the name of every file in `corrupt/`, until it answers `false`.
    pub fn each_corrupt(&self, each: &mut dyn FnMut(String) -> bool) -> Result<(), QueueError> {
        for name in self.names("corrupt").map_err(self.failed("list", "corrupt"))? {
            if !each(name.map_err(self.failed("list", "corrupt"))?) {
                break;
            }
        }
        Ok(())
    }

    /// Looks at a file in `corrupt/`; `None` if it is not there.
    pub fn look_corrupt(&self, name: &str) -> Result<Option<Corrupt>, QueueError> {
        let path = format!("corrupt/{name}");
        let Some(stat) = dir::stat(&self.dir, &path).map_err(self.failed("look at", &path))? else { return Ok(None) };
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        let since = Micros(u64::try_from(stat.st_ctime).unwrap_or(0).saturating_mul(1_000_000));
        let regular = stat.st_mode & 0o170_000 == 0o100_000;
        let file = if regular { dir::open_file(&self.dir, &path, dir::Open::Read).ok() } else { None };
        let (envelope, why) = match &file {
            None if regular => (None, Some("it cannot be opened".to_owned())),
            None => (None, Some("it is no regular file".to_owned())),
            Some(file) => match entry::read(file) {
                Err(fault) => (None, Some(fault.to_string())),
                Ok((envelope, extent)) => {
                    let why = extent.wrong_size(bytes);
                    (Some((envelope, extent)), why)
                }
            },
        };
        Ok(Some(Corrupt { name: name.to_owned(), bytes, since, envelope, why, file }))
    }

    /// Removes a file in `corrupt/`, with its journal if it was an entry's; `false` if it was gone or somebody is at it.
    pub fn remove_corrupt(&self, name: &str, decision: Decision) -> Result<bool, QueueError> {
        let path = format!("corrupt/{name}");
        let _held = match self.lock_entry(&path)? {
            None | Some(Locked::Contended) => return Ok(false),
            Some(Locked::Ours(file, _)) => Some(file),
            Some(Locked::NoFile) => None,
        };
        let id = EntryName::parse(name).map(|name| name.id);
        let steps = || -> io::Result<()> {
            dir::unlink(&self.dir, &path)?;
            let Some(id) = &id else { return Ok(()) };
            if self.locate(id).map_err(io::Error::other)?.is_none() {
                let home = match Home::of(self, id) {
                    // What its job had has gone with it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                    other => other?,
                };
                let mut journal = Journal::open(&home, id, 0)?;
                if journal.exists() {
                    journal.remove(&home, id, decision.at, decision.by)?;
                    self.leave_journal(id);
                }
            }
            Ok(())
        };
        steps().map(|()| true).map_err(self.failed("remove", &path))
    }

    /// Queues a file of `corrupt/` again, due at `decision.at`, if it can be read as an entry now.
    pub fn mend_corrupt(&self, name: &str, decision: Decision) -> Result<Mended, QueueError> {
        let path = format!("corrupt/{name}");
        let (file, size) = match self.lock_entry(&path)? {
            None | Some(Locked::Contended) => return Ok(Mended::Gone),
            Some(Locked::NoFile) => return Ok(Mended::No("it is no regular file".to_owned())),
            Some(Locked::Ours(file, size)) => (file, size),
        };
        let (envelope, extent) = match entry::read(&file) {
            Ok(read) => read,
            Err(fault) => return Ok(Mended::No(fault.to_string())),
        };
        if let Some(why) = extent.wrong_size(size) {
            return Ok(Mended::No(why));
        }
        let id = envelope.id;
        if let Some(twin) = self.locate(&id)? {
            return Ok(Mended::No(format!("its twin lies in {}", twin.folder())));
        }
        let steps = || -> io::Result<Option<String>> {
            let home = match Home::of(self, &id) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let why = "its job is paused, was cancelled or has ended; let it go on, or submit its message anew";
                    return Ok(Some(why.to_owned()));
                }
                other => other?,
            };
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
            let mut journal = Journal::open(&home, &id, envelope.recipients.len())?;
            if journal.exists() {
                let history = &journal.history;
                let open = |i: &usize| !history.is_closed(*i) && !history.in_flight.contains(i);
                let open = (0..envelope.recipients.len()).filter(open).collect();
                journal.reopen(&home, &id, open, decision.at, decision.by)?;
            }
            let to = Spot { state: State::Ready, name: EntryName::new(decision.at, id.clone()) };
            // By the job's name, as it comes from elsewhere: see `amend`.
            self.ensure_folder(&to.folder())?;
            dir::rename_new(&self.dir, &path, &to.path())?;
            Ok(None)
        };
        match steps().map_err(self.failed("requeue", &path))? {
            Some(why) => Ok(Mended::No(why)),
            None => Ok(Mended::Queued(id)),
        }
    }
}
