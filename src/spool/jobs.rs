//! Jobs as wholes: where they lie, how far they are, and moving one. A job is paused, let go on and cancelled by one rename of
//! its folder; workers look before each hand-over whether its name still leads to the folder that they hold.
//!
//! How far one is, is told by the names of its entries: an entry counts with all its recipients until it is settled. Where
//! it has a journal, which is when some were tried and not all delivered, the journal tells of each of them.

use std::io;

use super::SpoolError;
use super::history::read_history;
use super::job::JobFile;
use super::names::{EntryName, State};
use super::queue::SpoolQueue;
use crate::model::EntryId;
use crate::model::verdict::Kind;
use crate::sys::{dir, durable, fault, lock};

/// So many entries are looked at for a journal; beyond that they count as wholes.
const LOOKED_AT: u64 = 100_000;

/// Where a job lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    AtWork,
    Paused,
    Done,
    Cancelled,
}

impl Standing {
    pub const ALL: [Standing; 4] = [Standing::AtWork, Standing::Paused, Standing::Done, Standing::Cancelled];

    /// The folder, relative to the queue's.
    pub fn folder(self) -> &'static str {
        match self {
            Standing::AtWork => "jobs",
            Standing::Paused => "paused",
            Standing::Done => "done",
            Standing::Cancelled => "cancelled",
        }
    }

    /// For a person.
    pub fn name(self) -> &'static str {
        match self {
            Standing::AtWork => "at work",
            Standing::Paused => "paused",
            Standing::Done => "done",
            Standing::Cancelled => "cancelled",
        }
    }
}

/// How far a job is, in recipients; of a batch in entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub all: u64,
    /// Not settled yet.
    pub left: u64,
    pub held: u64,
    /// Given up, as long as their entries are kept.
    pub failed: u64,
    /// Some entries were counted as wholes though they have journals.
    pub rough: bool,
}

impl Progress {
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
    /// The ids of the jobs that lie there. One that is still being published is none yet.
    pub fn jobs(&self, standing: Standing) -> Result<Vec<EntryId>, SpoolError> {
        let folder = standing.folder();
        let mut jobs = Vec::new();
        for name in self.names(folder).map_err(self.failed("list", folder))? {
            let id = name.map_err(self.failed("list", folder))?.parse::<EntryId>();
            jobs.extend(id.ok().filter(|id| standing != Standing::AtWork || self.is_published(id.as_str())));
        }
        jobs.sort();
        Ok(jobs)
    }

    /// Whether a job's publisher has let go of its folder.
    pub(super) fn is_published(&self, job: &str) -> bool {
        let top = dir::open_at(&self.dir, &format!("jobs/{job}"));
        top.and_then(|top| lock::try_shared(&top)).unwrap_or(false)
    }

    /// Where the job `id` lies. Looked for twice, as it may be moved meanwhile.
    pub fn standing(&self, id: &EntryId) -> Result<Option<Standing>, SpoolError> {
        for standing in Standing::ALL.into_iter().chain(Standing::ALL) {
            let path = format!("{}/{id}", standing.folder());
            if dir::stat(&self.dir, &path).map_err(self.failed("look at", &path))?.is_some()
                && (standing != Standing::AtWork || self.is_published(id.as_str()))
            {
                return Ok(Some(standing));
            }
        }
        Ok(None)
    }

    /// What was noted of a job at its submission; `None` if it is not there.
    pub fn job_file(&self, id: &EntryId, standing: Standing) -> Result<Option<JobFile>, SpoolError> {
        let path = format!("{}/{id}/job.json", standing.folder());
        let Some((text, _)) = self.read_note(&path)? else { return Ok(None) };
        let corrupt = |error: serde_json::Error| SpoolError::Corrupt { path: self.path(&path), why: error.to_string() };
        serde_json::from_str(&text).map(Some).map_err(corrupt)
    }

    /// Moves a job; `false` if it does not lie there. On disk when this returns.
    pub fn move_job(&self, id: &EntryId, from: Standing, to: Standing) -> Result<bool, SpoolError> {
        let (old, new) = (format!("{}/{id}", from.folder()), format!("{}/{id}", to.folder()));
        let steps = || -> io::Result<bool> {
            self.ensure_folder(to.folder())?;
            fault::point("shift.rename")?;
            match dir::rename_new(&self.dir, &old, &new) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                other => other?,
            }
            fault::instant("shift.renamed");
            // Workers are told before the disk is waited for.
            let told = self.wake();
            durable::sync_dir(&self.dir, to.folder())?;
            durable::sync_dir(&self.dir, from.folder())?;
            fault::instant("shift.synced");
            told.map_err(io::Error::other).map(|()| true)
        };
        steps().map_err(self.failed("move the job", &old))
    }

    /// Syncs a move that an earlier command made, and wakes the workers: that command may have been killed, or have failed,
    /// before it did so.
    pub fn confirm_move(&self, from: &[Standing], to: Standing) -> Result<(), SpoolError> {
        self.wake()?;
        for standing in [to].iter().chain(from) {
            match durable::sync_dir(&self.dir, standing.folder()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(self.failed("sync", standing.folder()))?,
            }
        }
        Ok(())
    }

    /// How far a job is.
    pub fn progress(&self, id: &EntryId, standing: Standing, file: &JobFile) -> Result<Progress, SpoolError> {
        let top = format!("{}/{id}", standing.folder());
        let mut folders = vec![(State::Hold, format!("{top}/hold")), (State::Failed, format!("{top}/failed"))];
        let ready = format!("{top}/ready");
        for n in self.names(&ready).map_err(self.failed("list", &ready))?.flatten() {
            folders.push((State::Ready, format!("{ready}/{n}")));
        }
        let all = file.post.as_ref().map_or(file.entries, |post| post.recipients);
        let (mut progress, mut looked_at) = (Progress { all, ..Progress::default() }, 0_u64);
        for (state, folder) in folders {
            let failed = || self.failed("list", &folder);
            for name in self.names(&folder).map_err(failed())? {
                let Some(name) = EntryName::parse(&name.map_err(failed())?) else { continue };
                let recipients = file.recipients_of(&name.id);
                let journal = format!("{top}/journal/{}.log", name.id);
                looked_at += 1;
                progress.rough |= file.post.is_some() && looked_at > LOOKED_AT;
                if file.post.is_none() || looked_at > LOOKED_AT {
                    progress.add(state, recipients);
                } else {
                    self.add_journal(&mut progress, state, recipients, &journal)
                        .map_err(self.failed("read", &journal))?;
                }
            }
        }
        Ok(progress)
    }

    /// Counts an entry's recipients by what its journal tells of each.
    fn add_journal(&self, progress: &mut Progress, state: State, recipients: u64, path: &str) -> io::Result<()> {
        let file = match dir::open_file(&self.dir, path, dir::Open::Read) {
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
