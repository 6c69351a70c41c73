//! What the sender of a merge is told: once at its end, and once a day at most while it lasts.
//!
//! The order of steps at the end: all heads are gone → all logs are read → the notice is published → the folder is renamed to
//! `done/` (`job/ending.rs`). While it lasts: the logs are counted → the notice is published →
//! `JOB/noticed` tells when, which one it was, and its counts. Each notice has an id that counts once: that of the end follows
//! from what failed last, the others are numbered. So a kill in between repeats none, and whoever comes next goes on there.

use serde::{Deserialize, Serialize};

use crate::model::{EntryId, Micros};
use crate::policy::notice::MergeCounts;
use crate::policy::reminder::{DAILY, is_due};
use crate::queue::QueueError;
use crate::spool::job::{self, JobKind, MergeFile};
use crate::spool::queue::SpoolQueue;
use crate::sys::fault;

/// A merge whose sender is notified.
#[derive(Clone, Debug)]
pub struct ToldMerge<'m> {
    pub job: &'m EntryId,
    pub about: &'m MergeFile,
    pub counts: MergeCounts,
    pub when: When,
}

/// When its sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Its last row failed then.
    Ended { failed: Micros },
    /// Counted from 1.
    Meanwhile { number: u64 },
}

/// Who is shown a merge.
pub type Tell<'t> = dyn FnMut(&ToldMerge<'_>) -> Result<(), QueueError> + 't;

/// `JOB/noticed`: the last notice while the job lasted.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Noticed {
    number: u64,
    at: Micros,
    failed: u64,
    held: u64,
}

impl SpoolQueue {
    /// Shows `tell` each merge at work of which rows failed or are held since its sender was told last, a day ago or more.
    pub fn tell_meanwhile(&self, now: Micros, tell: &mut Tell<'_>) -> Result<(), QueueError> {
        for job in self.jobs(job::Standing::AtWork)? {
            // What is wrong with its file is a check's to tell.
            let Ok(Some(file)) = self.job_file(&job, job::Standing::AtWork) else { continue };
            let JobKind::Merge(about) = &file.kind else { continue };
            let path = format!("jobs/{job}");
            // It ended or was moved meanwhile, or a log cannot be read, which `jobs` reports.
            let Ok(counts) = self.count_rows(&path, &job, &file) else { continue };
            let note = format!("{path}/noticed");
            let before = self.read_note(&note)?.and_then(|(text, _)| serde_json::from_str::<Noticed>(&text).ok());
            let since = before.map_or(about.list.not_before.map_or(file.at, |at| at.max(file.at)), |before| before.at);
            let before = before.unwrap_or_default();
            let has_news = counts.failed > before.failed || counts.held > before.held;
            if !has_news || counts.open + counts.held == 0 || !is_due(Some(since), DAILY, now) {
                continue;
            }
            let number = before.number + 1;
            tell(&ToldMerge { job: &job, about, counts, when: When::Meanwhile { number } })?;
            fault::instant("merge.noticed");
            let noticed = Noticed { number, at: now, failed: counts.failed, held: counts.held };
            // Where it cannot be written this notice stays the last one.
            let _ = serde_json::to_string(&noticed).map(|text| self.write_note(&note, &text));
        }
        Ok(())
    }
}
