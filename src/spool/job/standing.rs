//! Where a job lies, and moving it: it is paused, let go on and cancelled by one rename of its folder. Workers look before
//! each hand-over whether its name still leads to the folder that they hold.

use std::io;

use super::file::{JobFault, JobFile};
use super::newer::newer_in;
use crate::model::EntryId;
use crate::model::format::Newer;
use crate::queue::QueueError;
use crate::spool::queue::SpoolQueue;
use crate::sys::{dir, durable, fault, lock};

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

impl SpoolQueue {
    /// The ids of the jobs that lie there. One that is still being published is none yet.
    pub fn jobs(&self, standing: Standing) -> Result<Vec<EntryId>, QueueError> {
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
    pub(in crate::spool) fn is_published(&self, job: &str) -> bool {
        let top = dir::open_at(&self.dir, &format!("jobs/{job}"));
        top.and_then(|top| lock::try_shared(&top)).unwrap_or(false)
    }

    /// Where the job `id` lies. Looked for twice, as it may be moved meanwhile.
    pub fn standing(&self, id: &EntryId) -> Result<Option<Standing>, QueueError> {
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
    pub fn job_file(&self, id: &EntryId, standing: Standing) -> Result<Option<JobFile>, QueueError> {
        let path = format!("{}/{id}/job.json", standing.folder());
        let Some((text, _)) = self.read_note(&path)? else { return Ok(None) };
        JobFile::parse(&text).map(Some).map_err(|fault| match fault {
            JobFault::Newer(newer) => QueueError::Newer { path: self.path(&path), newer },
            JobFault::Json(error) => QueueError::Corrupt { path: self.path(&path), why: error.to_string() },
        })
    }

    /// Why the job in the folder `top` is left as it is, if a newer program made it.
    pub(in crate::spool) fn newer_job(&self, top: &str) -> Option<Newer> {
        newer_in(&self.dir, &format!("{top}/job.json"))
    }

    /// The jobs at work that a newer program made: how many, and what the first is.
    pub fn newer_jobs(&self) -> Result<(u64, Option<Newer>), QueueError> {
        let jobs = self.jobs(Standing::AtWork)?;
        let mut newer = jobs.iter().filter_map(|job| self.newer_job(&format!("jobs/{job}")));
        let first = newer.next();
        Ok((u64::from(first.is_some()) + newer.count() as u64, first))
    }

    /// Moves a job; `false` if it does not lie there. On disk when this returns.
    pub fn move_job(&self, id: &EntryId, from: Standing, to: Standing) -> Result<bool, QueueError> {
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
    pub fn confirm_move(&self, from: &[Standing], to: Standing) -> Result<(), QueueError> {
        self.wake()?;
        for standing in [to].iter().chain(from) {
            match durable::sync_dir(&self.dir, standing.folder()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(self.failed("sync", standing.folder()))?,
            }
        }
        Ok(())
    }
}
