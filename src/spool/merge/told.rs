//! Merges that have ended and whose senders were not notified yet.
//!
//! Kept true: `JOB/told` is made when the notice was published, or none is due; the notice has an id that counts once. So a kill
//! in between repeats none, and a run after it makes up for one.

use super::log::replay::Standing;
use super::progress::each_standing;
use crate::model::EntryId;
use crate::policy::notice::MergeCounts;
use crate::queue::QueueError;
use crate::spool::job::{self, JobKind, MergeFile};
use crate::spool::queue::SpoolQueue;
use crate::sys::{dir, fault};

/// In the job's folder: its sender was notified.
const TOLD: &str = "told";

/// A merge that has ended.
#[derive(Clone, Debug)]
pub struct EndedMerge {
    pub job: EntryId,
    pub about: MergeFile,
    pub counts: MergeCounts,
}

impl SpoolQueue {
    /// Shows `each` merge that has ended and was not shown before, or for which it failed.
    pub fn each_ended_merge(
        &self,
        each: &mut dyn FnMut(&EndedMerge) -> Result<(), QueueError>,
    ) -> Result<(), QueueError> {
        for job in self.jobs(job::Standing::Done)? {
            let path = format!("done/{job}");
            let has = |name: &str| dir::stat(&self.dir, &format!("{path}/{name}")).is_ok_and(|stat| stat.is_some());
            if has(TOLD) || !has("log") {
                continue;
            }
            // Without its job.json there is no sender to notify.
            let Ok(Some(file)) = self.job_file(&job, job::Standing::Done) else { continue };
            let JobKind::Merge(about) = &file.kind else { continue };
            let mut counts = MergeCounts { rows: file.count(), ..MergeCounts::default() };
            let top = dir::open_at(&self.dir, &path).map_err(self.failed("open", &path))?;
            let counted = each_standing(&top, &job, &file, &mut |standing, rows| match standing {
                Standing::Delivered => counts.delivered += rows,
                Standing::Failed => counts.failed += rows,
                Standing::Suppressed => counts.suppressed += rows,
                Standing::Removed => counts.removed += rows,
                Standing::Open | Standing::Held => {}
            });
            counted.map_err(self.failed("read the logs of", &path))?;
            each(&EndedMerge { job: job.clone(), about: (**about).clone(), counts })?;
            fault::instant("merge.told");
            dir::open_file(&top, TOLD, dir::Open::Create).map_err(self.failed("mark", &path))?;
        }
        Ok(())
    }
}
