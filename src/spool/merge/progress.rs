//! What is known of the rows of entries of merges at work, as their logs tell.

use std::fs::File;
use std::io;

use super::claim::log_path;
use super::log::file::look;
use super::log::replay::Rows;
use crate::model::EntryId;
use crate::queue::QueueError;
use crate::spool::job::{self, JobFile, JobKind};
use crate::spool::queue::SpoolQueue;
use crate::sys::dir;

impl SpoolQueue {
    /// Shows `each` entry of a merge at work whose id is `wanted`, and what is known of its rows.
    pub fn each_entry_with_rows(
        &self,
        wanted: &dyn Fn(&EntryId) -> bool,
        each: &mut dyn FnMut(&EntryId, &Rows) -> Result<(), QueueError>,
    ) -> Result<(), QueueError> {
        for job in self.jobs(job::Standing::AtWork)? {
            let Some((file, top)) = self.merge_at_work(&job)? else { continue };
            for id in file.entry_ids(&job).filter(wanted) {
                if let Some(rows) = self.rows_of(&top, &file, &id)? {
                    each(&id, &rows)?;
                }
            }
        }
        Ok(())
    }

    /// What is known of the rows of entry `id`, if it is one of a merge at work.
    pub fn entry_with_rows(&self, id: &EntryId) -> Result<Option<Rows>, QueueError> {
        let Some(Ok(job)) = id.job().map(|(job, _)| job.parse::<EntryId>()) else { return Ok(None) };
        let Some((file, top)) = self.merge_at_work(&job)? else { return Ok(None) };
        let is_one = file.entry_ids(&job).any(|other| other == *id);
        if is_one { self.rows_of(&top, &file, id) } else { Ok(None) }
    }

    fn merge_at_work(&self, job: &EntryId) -> Result<Option<(JobFile, File)>, QueueError> {
        let path = format!("jobs/{job}");
        match (self.job_file(job, job::Standing::AtWork), dir::open_at(&self.dir, &path)) {
            (Ok(Some(file)), Ok(top)) if matches!(file.kind, JobKind::Merge(_)) => Ok(Some((file, top))),
            (Err(error), _) if !matches!(error, QueueError::Corrupt { .. } | QueueError::Newer { .. }) => Err(error),
            // It moved meanwhile, or a check tells what is wrong with it.
            (Ok(_) | Err(_), _) => Ok(None),
        }
    }

    fn rows_of(&self, top: &File, file: &JobFile, id: &EntryId) -> Result<Option<Rows>, QueueError> {
        let count = u16::try_from(file.recipients_of(id)).unwrap_or(u16::MAX);
        match look(top, &log_path(id), (id, count), &mut |_| {}) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(self.failed("read the log of", id.as_str())),
        }
    }
}
