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
//! | a journal without its entry, some recipient open | not at all: a person looks |
//!
//! An entry is mended only under its lock, so `check` may run beside anything.

use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::entry::{self, Unreadable};
use super::error::io_at;
use super::job::Standing;
use super::lock::Locked;
use super::lone::Lone;
use super::names::{EntryName, Spot, State};
use super::orphans::ORPHAN_AGE;
use super::queue::SpoolQueue;
use super::root::Spool;
use crate::model::format::Newer;
use crate::model::reserved::DROP;
use crate::queue::QueueError;
use crate::sys::dir;

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
        for state in State::ALL {
            for bucket in self.names(state.name()).map_err(self.failed("list", state.name()))? {
                let bucket = bucket.map_err(self.failed("list", state.name()))?;
                let path = format!("{}/{bucket}", state.name());
                let stat = dir::stat(&self.dir, &path).map_err(self.failed("check", &path))?;
                if stat.is_some_and(|stat| stat.st_mode & 0o170_000 != 0o040_000) {
                    self.found(state, path, &bucket, &Fault::Strange("it is no folder"), repair, &mut report);
                    continue;
                }
                self.check_folder(state, &path, repair, &mut report)?;
            }
        }
        for job in self.names("jobs").map_err(self.failed("list", "jobs"))?.flatten() {
            if let Some(newer) = self.newer_job(&format!("jobs/{job}")) {
                report.add(format!("jobs/{job}/job.json"), newer.to_string(), None);
                continue;
            }
            let ready = format!("jobs/{job}/ready");
            for n in self.names(&ready).map_err(self.failed("list", &ready))?.flatten() {
                self.check_folder(State::Ready, &format!("{ready}/{n}"), repair, &mut report)?;
            }
            self.check_folder(State::Hold, &format!("jobs/{job}/hold"), repair, &mut report)?;
            self.check_folder(State::Failed, &format!("jobs/{job}/failed"), repair, &mut report)?;
            self.check_message(&job, &mut report)?;
        }
        self.check_journals(repair, &mut report)?;
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

    /// Whether a post has its whole message. Who is to have it is not lost, so nothing is moved.
    fn check_message(&self, job: &str, report: &mut CheckReport) -> Result<(), QueueError> {
        let path = format!("jobs/{job}/message");
        let Ok(id) = job.parse() else { return Ok(()) };
        let file = match self.job_file(&id, Standing::AtWork) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(()),
            Err(error) => {
                report.add(format!("jobs/{job}/job.json"), error.to_string(), None);
                return Ok(());
            }
        };
        let Some(written) = file.kind.shared_message() else { return Ok(()) };
        let stat = dir::stat(&self.dir, &path).map_err(self.failed("check", &path))?;
        let bytes = stat.map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
        // It may have ended meanwhile.
        if bytes != written && self.standing(&id)? == Some(Standing::AtWork) {
            report.add(path, format!("it has {bytes} bytes, and {written} were written"), None);
        }
        Ok(())
    }

    fn check_folder(
        &self,
        state: State,
        folder: &str,
        repair: bool,
        report: &mut CheckReport,
    ) -> Result<(), QueueError> {
        let failed = || self.failed("list", folder);
        for text in self.names(folder).map_err(failed())? {
            let text = text.map_err(failed())?;
            let path = format!("{folder}/{text}");
            report.entries += 1;
            if let Some(fault) = self.fault_of(state, &path, &text).map_err(self.failed("check", &path))? {
                self.found(state, path, &text, &fault, repair, report);
            }
        }
        Ok(())
    }

    /// Notes a fault, and mends it if `repair`. One that cannot be mended does not keep the others from it.
    fn found(&self, state: State, path: String, text: &str, fault: &Fault, repair: bool, report: &mut CheckReport) {
        let mended = if repair { self.mend(state, &path, text, fault) } else { Ok(None) };
        match mended {
            Ok(mended) => report.add(path, fault.said(), mended),
            Err(error) => report.add(path, format!("{}, and it cannot be mended: {error}", fault.said()), None),
        }
    }

    /// What is wrong with the entry file at `path`, if anything. One that vanishes meanwhile is fine.
    fn fault_of(&self, state: State, path: &str, text: &str) -> io::Result<Option<Fault>> {
        let Some(stat) = dir::stat(&self.dir, path)? else { return Ok(None) };
        let Some(name) = EntryName::parse(text) else { return Ok(Some(Fault::Strange("its name is no entry's"))) };
        if stat.st_mode & 0o170_000 != 0o100_000 {
            return Ok(Some(Fault::Strange("it is no regular file")));
        }
        if (Spot { state, name: name.clone() }).path() != path {
            return Ok(Some(Fault::Misplaced));
        }
        if stat.st_mode & 0o7777 != 0o600 {
            return Ok(Some(Fault::Mode(stat.st_mode & 0o7777)));
        }
        let file = match dir::open_file(&self.dir, path, dir::Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = file.metadata()?.size();
        match entry::read_named(&file, size, &name) {
            Err(Unreadable::Newer(newer)) => Ok(Some(Fault::Newer(newer))),
            Err(Unreadable::Damaged(why)) => Ok(Some(Fault::Unreadable(why))),
            Ok((envelope, _)) => match self.history(&name.id, envelope.recipients.len(), &mut |_| {}) {
                Err(QueueError::Newer { newer, .. }) => Ok(Some(Fault::Newer(newer))),
                Err(error) => Ok(Some(Fault::Journal(error.to_string()))),
                Ok(_) => Ok(None),
            },
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

enum Fault {
    /// None of ours.
    Strange(&'static str),
    Misplaced,
    Mode(u32),
    Unreadable(String),
    /// A newer program's, which is left as it is.
    Newer(Newer),
    /// Its journal cannot be read.
    Journal(String),
}

impl Fault {
    fn said(&self) -> String {
        match self {
            Fault::Strange(why) => (*why).to_owned(),
            Fault::Misplaced => "it lies in the wrong folder".to_owned(),
            Fault::Mode(mode) => format!("its mode is {mode:04o} and not 0600"),
            Fault::Unreadable(why) => why.clone(),
            Fault::Newer(newer) => newer.to_string(),
            Fault::Journal(why) => format!("its journal cannot be read: {why}"),
        }
    }
}
