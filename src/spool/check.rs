//! Verifying a queue, and mending what can be mended without guessing.
//!
//! | found | mended by |
//! |---|---|
//! | something old in `tmp/` that nobody writes | removing it; it is never adopted |
//! | an entry that is truncated or cannot be read | moving it to `corrupt/` |
//! | an entry in the wrong bucket, or with the wrong mode | moving it (to `corrupt/`, if its twin lies there); setting 0600 |
//! | a name that is none of ours, a link, a folder | moving it to `corrupt/` |
//! | a name that is not UTF-8, anywhere ([`Spool::odd_names`]) | not at all: nothing of ours looks at it |
//! | an old journal without its entry, all recipients closed | removing it |
//! | a post's message that is missing or truncated | not at all |
//! | a merge's open row whose entry has no head | making one, as the end of the job would |
//! | a merge's log that is missing | holding its rows, as the next claim would |
//! | a journal without its entry, some recipient open | not at all: a person looks |
//!
//! An entry is mended only under its lock, so `check` may run beside anything.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::error::io_at;
use super::inspect::{Fault, Faulty, Piece};
use super::job::Standing;
use super::lock::Locked;
use super::lone::Lone;
use super::names::{EntryName, Spot, State};
use super::orphans::ORPHAN_AGE;
use super::queue::SpoolQueue;
use super::root::Spool;
use crate::model::reserved::DROP;
use crate::queue::QueueError;
use crate::sys::dir;
use crate::sys::in_order::{in_order, one_by_one};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Relative to the queue's folder.
    pub path: String,
    pub what: String,
    /// What was done about it, if anything.
    pub mended: Option<&'static str>,
}

/// What a check saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Entries looked at.
    pub entries: u64,
    pub problems: Vec<Finding>,
}

impl Spool {
    /// The names that are not UTF-8, below the queue `queue` or in the whole spool but `drop/`, shown to `each`. No
    /// listing has them, and nothing that could be mended lies there.
    pub fn odd_names(&self, queue: Option<&str>, each: &mut dyn FnMut(PathBuf)) -> Result<(), QueueError> {
        let mut folders = vec![PathBuf::from(queue.unwrap_or(""))];
        while let Some(folder) = folders.pop() {
            let failed = |error| io_at("list", self.root().join(&folder))(error);
            let names = match dir::Names::open_raw(&self.dir, &Path::new(".").join(&folder)) {
                Ok(names) => names,
                // It has gone meanwhile, or is no folder.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
                Err(error) => return Err(failed(error)),
            };
            for name in names.raw() {
                let name = name.map_err(failed)?;
                let path = folder.join(&name.name);
                if name.name.to_str().is_none() {
                    each(self.root().join(&path));
                }
                if name.may_be_folder && path != Path::new(DROP) {
                    folders.push(path);
                }
            }
        }
        Ok(())
    }
}

/// At most this many problems are kept for a report, so that its memory is bounded.
const PROBLEMS_MAX: usize = 100_000;

impl SpoolQueue {
    /// Looks at everything in this queue, and mends what can be mended if `repair`.
    pub fn check(&self, repair: bool) -> Result<CheckReport, QueueError> {
        let mut report = CheckReport::default();
        self.check_tmp(repair, &mut report)?;
        let mut each = |piece: Piece| {
            report.entries += piece.entries;
            let failure = piece.failure;
            piece.problems.into_iter().for_each(|(path, what)| report.add(path, what, None));
            for Faulty { state, path, text, fault } in piece.faulty {
                self.found(state, path, &text, &fault, repair, &mut report);
            }
            failure.map_or(Ok(true), Err)
        };
        let worker = || self.inspector();
        if repair {
            // What is mended here may move to where nobody has looked yet.
            one_by_one(self.units()?, worker(), &mut each)?;
        } else {
            in_order(self.units()?, worker, &mut each)?;
        }
        self.check_journals(repair, &mut report)?;
        self.check_merges(repair, &mut report)?;
        Ok(report)
    }

    fn check_tmp(&self, repair: bool, report: &mut CheckReport) -> Result<(), QueueError> {
        for orphan in self.orphans(ORPHAN_AGE)? {
            if repair {
                self.remove_orphan(&orphan);
            }
            let what = "nobody writes it any more; it was never accepted".to_owned();
            report.add(orphan.path.clone(), what, repair.then_some("removed"));
        }
        Ok(())
    }

    /// Notes a fault, and mends it if `repair`. One that cannot be mended does not keep the others from it.
    fn found(&self, state: State, path: String, text: &str, fault: &Fault, repair: bool, report: &mut CheckReport) {
        let mended = if repair { self.mend(state, &path, text, fault) } else { Ok(None) };
        match mended {
            Ok(mended) => report.add(path, fault.text(), mended),
            Err(error) => report.add(path, format!("{}, and it cannot be mended: {error}", fault.text()), None),
        }
    }

    fn mend(&self, state: State, path: &str, text: &str, fault: &Fault) -> io::Result<Option<&'static str>> {
        match fault {
            Fault::Strange(_) => {
                self.to_corrupt(path, text)?;
                return Ok(Some("moved to corrupt/"));
            }
            Fault::Newer(_) | Fault::Journal(_) => return Ok(None),
            Fault::Misplaced | Fault::Mode(_) | Fault::Unreadable(_) => {}
        }
        let Some(Locked::Ours(file, _)) = self.lock_entry(path).map_err(io::Error::other)? else { return Ok(None) };
        match (fault, EntryName::parse(text)) {
            (Fault::Misplaced, Some(name)) => {
                let to = Spot { state, name };
                self.ensure_folder(&to.folder())?;
                match dir::rename_new(&self.dir, path, &to.path()) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        self.to_corrupt(path, text)?;
                        Ok(Some("moved to corrupt/, for its twin lies where it belongs"))
                    }
                    other => other.map(|()| Some("moved to where it belongs")),
                }
            }
            (Fault::Mode(_), _) => {
                file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
                Ok(Some("set to 0600"))
            }
            (Fault::Unreadable(_) | Fault::Newer(_) | Fault::Journal(_) | Fault::Strange(_) | Fault::Misplaced, _) => {
                self.to_corrupt(path, text)?;
                Ok(Some("moved to corrupt/"))
            }
        }
    }

    fn check_merges(&self, repair: bool, report: &mut CheckReport) -> Result<(), QueueError> {
        for job in self.jobs(Standing::AtWork)? {
            // What is wrong with it was found before.
            let Ok(Some(file)) = self.job_file(&job, Standing::AtWork) else { continue };
            self.check_rows(&job, &file, repair, &mut |path, what, mended| {
                report.add(path, what, mended.then_some("put right"));
            })?;
        }
        Ok(())
    }

    fn check_journals(&self, repair: bool, report: &mut CheckReport) -> Result<(), QueueError> {
        let lone = self.lone_journals()?;
        if repair && lone.iter().any(|lone| lone.closed) {
            // An entry that came back after a power cut without its journal would be sent again.
            self.sync()?;
        }
        for Lone { path, closed, age } in lone {
            if closed && age < ORPHAN_AGE {
                // A worker removes it after the next sync, or was killed before, and then the sweep does.
            } else if closed {
                let removed = repair && dir::unlink(&self.dir, &path).is_ok();
                let what = "a journal whose entry was settled".to_owned();
                report.add(path, what, removed.then_some("removed"));
            } else {
                let what = "a journal with open recipients, and its entry is nowhere: see whom it names".to_owned();
                report.add(path, what, None);
            }
        }
        Ok(())
    }
}

impl CheckReport {
    fn add(&mut self, path: String, what: String, mended: Option<&'static str>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Finding { path, what, mended });
        }
    }
}
