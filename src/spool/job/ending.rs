//! The end of a job: one that nobody has anything left to do in goes to `done/`, and is removed there; that of a post or a
//! merge, and one that was cancelled, when it was kept long enough. A merge has ended when its logs say so
//! ([`merge::ending`](crate::spool::merge::ending)); its sender is told before it is renamed, so a run ends it and no worker.
//!
//! Kept true: the kernel says that nothing is left in a job (rmdir), and what was settled in it is on disk before its
//! journals go. A kill at any step leaves a job that the next worker, run or sweep ends.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::file::JobKind;
use super::newer::read_in;
use crate::queue::QueueError;
use crate::spool::merge::ending::Left;
use crate::spool::merge::told::{Tell, ToldMerge, When};
use crate::spool::names::State;
use crate::spool::queue::SpoolQueue;
use crate::sys::{dir, fault};

/// What every merge has in its folder, and no other job.
const ROWS: &str = "rows";

/// How long jobs are kept that have ended or were cancelled.
#[derive(Clone, Copy, Debug)]
pub(in crate::spool) struct JobKeep {
    pub merges: Duration,
    pub others: Duration,
}

impl JobKeep {
    const FOREVER: JobKeep = JobKeep { merges: Duration::MAX, others: Duration::MAX };
}

impl SpoolQueue {
    /// Moves an ended job to done/: nothing in ready/ and hold/ (the kernel tells, by rmdir), nothing in failed/. One with
    /// failed entries stays until they are gone. `folder` is the part of it that was seen empty, as `ready/<n>`.
    pub(in crate::spool) fn finish_job(&self, job: &str, folder: &str) {
        self.end_job(job, folder, None);
    }

    /// The same; a merge ends only where there is somebody to `tell`, who is shown it when nothing else is left to be done.
    fn end_job(&self, job: &str, folder: &str, tell: Option<&mut Tell<'_>>) {
        // Each step may fail because somebody else is at it or something is in there; then the job has not ended.
        let end = |tell: Option<&mut Tell<'_>>| -> io::Result<bool> {
            // By its descriptor: of a job that was paused meanwhile nothing would be there by its name, as if it had ended.
            let top = dir::open_at(&self.dir, &format!("jobs/{job}"))?;
            let ended = dir::remove(&top, folder)? && dir::remove(&top, "ready")? && dir::remove(&top, "hold")?;
            fault::instant("job.empty");
            if !ended || self.rows_keep(job, &top, tell)? || !dir::remove(&top, "failed")? {
                return Ok(false);
            }
            // Its journals go with it, so the unlinks of its entries must be durable first.
            self.sync().map_err(io::Error::other)?;
            fault::instant("job.synced");
            self.ensure_folder("done")?;
            dir::rename_new(&self.dir, &format!("jobs/{job}"), &format!("done/{job}"))?;
            fault::instant("job.renamed");
            self.clear(job, JobKeep::FOREVER);
            Ok(true)
        };
        let _ = end(tell);
    }

    /// Whether rows of the merge `job`, whose folder is `top`, are open or held; an open one has a head by now. Or nobody may be
    /// told that it ends.
    fn rows_keep(&self, job: &str, top: &File, tell: Option<&mut Tell<'_>>) -> io::Result<bool> {
        if dir::stat(top, ROWS)?.is_none() {
            return Ok(false);
        }
        let Some(tell) = tell else { return Ok(true) };
        let (Some(Ok(file)), Ok(id)) = (read_in(top, "job.json"), job.parse()) else { return Ok(true) };
        let JobKind::Merge(merge) = &file.kind else { return Ok(true) };
        let (left, seen) = self.left_of_merge(&id, top, &file, merge).map_err(io::Error::other)?;
        match left {
            Left::Nothing => {
                let when = When::Ended { failed: seen.failed };
                tell(&ToldMerge { job: &id, about: merge, counts: seen.counts, when }).map_err(io::Error::other)?;
                fault::instant("merge.told");
                return Ok(false);
            }
            Left::Open => {
                let _ = self.wake();
            }
            Left::Held => {}
        }
        Ok(true)
    }

    /// Removes an ended job's folder in `done/`, that of a post or a merge when it is older than `keep`; or brings it back, where
    /// somebody has made a place for an entry in it just before it was renamed. Nobody makes one afterwards: who came from
    /// elsewhere goes by the name in `jobs/`, and whoever held an entry in it kept it from ending.
    fn clear(&self, job: &str, keep: JobKeep) {
        let (done, jobs) = (format!("done/{job}"), format!("jobs/{job}"));
        let gone = |place: &&str| dir::stat(&self.dir, &format!("{done}/{place}")).is_ok_and(|stat| stat.is_none());
        if State::ALL.map(State::name).iter().all(gone) {
            let is_batch = gone(&"message") && gone(&ROWS);
            if is_batch || self.age(&done).is_some_and(|age| age >= self.keep(&done, keep)) {
                self.remove_job(job, &done);
            } else {
                // What a post's journals told is over.
                dir::remove_tree(&self.dir, &format!("{done}/journal"));
            }
        } else if dir::rename_new(&self.dir, &done, &jobs).is_ok() {
            let _ = self.wake();
        }
    }

    /// How long the job in the folder `path` is kept.
    fn keep(&self, path: &str, keep: JobKeep) -> Duration {
        let is_merge = dir::stat(&self.dir, &format!("{path}/{ROWS}")).is_ok_and(|stat| stat.is_some());
        if is_merge { keep.merges } else { keep.others }
    }

    /// How long ago the folder or file `path` was moved to where it is.
    fn age(&self, path: &str) -> Option<Duration> {
        let changed = dir::stat(&self.dir, path).ok().flatten()?.st_ctime;
        let changed = UNIX_EPOCH + Duration::from_secs(u64::try_from(changed).unwrap_or(0));
        Some(SystemTime::now().duration_since(changed).unwrap_or_default())
    }

    /// Finishes what a process began that was killed while it ended a job.
    pub fn clear_ended(&self) {
        self.clear_done(JobKeep::FOREVER);
    }

    pub(in crate::spool) fn clear_done(&self, keep: JobKeep) {
        for job in self.names("done").into_iter().flatten().flatten() {
            self.clear(&job, keep);
        }
    }

    /// Removes the folders of jobs that were cancelled longer than `keep` ago. A worker may have one's entry in hand for a
    /// while, so that is no short time.
    pub(in crate::spool) fn drop_cancelled(&self, keep: JobKeep) {
        for job in self.names("cancelled").into_iter().flatten().flatten() {
            let path = format!("cancelled/{job}");
            if self.age(&path).is_some_and(|age| age >= self.keep(&path, keep)) {
                self.remove_job(&job, &path);
            }
        }
    }

    /// Removes the folder of a job. One that counts once is marked first, or stays; one of a newer program stays.
    fn remove_job(&self, job: &str, path: &str) {
        if self.newer_job(path).is_none() && job.parse().is_ok_and(|id| self.mark_key(&id).is_ok()) {
            dir::remove_tree(&self.dir, path);
        }
    }

    /// Ends the merges that nobody has anything left to do in, each after `tell` was shown it.
    ///
    /// Errors: those of `tell`; such a merge has not ended.
    pub fn end_merges(&self, tell: &mut Tell<'_>) -> Result<(), QueueError> {
        let mut told = Ok(());
        let mut tell = |merge: &ToldMerge<'_>| {
            tell(merge).map_err(|error| {
                let why = io::Error::other(error.to_string());
                told = Err(error);
                self.failed("notify the sender of", merge.job.as_str())(why)
            })
        };
        for job in self.names("jobs").into_iter().flatten().flatten() {
            let top = format!("jobs/{job}");
            if dir::stat(&self.dir, &format!("{top}/{ROWS}")).is_ok_and(|rows| rows.is_some())
                && self.newer_job(&top).is_none()
            {
                self.end_emptied(&job, Some(&mut tell));
            }
        }
        told
    }

    /// Ends the jobs that nobody has anything left to do in; a merge of which rows failed waits for a run, which tells its
    /// sender.
    pub fn finish_jobs(&self) {
        let mut unless_failed = |merge: &ToldMerge<'_>| match merge.counts.failed {
            0 => Ok(()),
            _ => Err(self.failed("end", merge.job.as_str())(io::ErrorKind::WouldBlock.into())),
        };
        // What cannot be listed now is met by the next worker that passes.
        for job in self.names("jobs").into_iter().flatten().flatten() {
            if self.newer_job(&format!("jobs/{job}")).is_some() {
                continue;
            }
            // Somebody may have acted on a row that was held, and died.
            self.forget_held(&format!("jobs/{job}"));
            self.end_emptied(&job, Some(&mut unless_failed));
        }
    }

    /// Ends a job in whose `ready/` is nothing but empty folders.
    fn end_emptied(&self, job: &str, tell: Option<&mut Tell<'_>>) {
        let ready = format!("jobs/{job}/ready");
        for n in self.names(&ready).into_iter().flatten().flatten() {
            let _ = dir::remove(&self.dir, &format!("{ready}/{n}"));
        }
        if self.names(&ready).is_ok_and(|mut names| names.next().is_none()) {
            self.end_job(job, "ready", tell);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::model::envelope::Origin;
    use crate::model::{EntryId, Envelope, Fields, Micros};
    use crate::spool::Spool;
    use crate::spool::job::{JobKind, PostFile, Standing};

    #[test]
    fn what_is_over_is_kept_for_a_time() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let queue = Spool::create(temp.path()).and_then(|spool| spool.queue("outbound")).expect("a queue");
        let of = |seconds| JobKeep { merges: Duration::MAX, others: Duration::from_secs(seconds) };
        let make = || {
            let id = EntryId::new(Micros(1));
            let mut post = queue.post(id.clone()).expect("a post");
            post.write_all(b"Subject: x\n\n").expect("written");
            let (submitted, verp) = (Micros(1), None);
            let origin = Origin { submitted, uid: 0, body: None, notify: None, ret: None, envid: None, verp };
            let envelope =
                Envelope { id: id.clone(), sender: None, recipients: Vec::new(), fields: Fields::default(), origin };
            let mut entries = post.entries(envelope, PostFile { per_entry: 2, ..PostFile::default() });
            for n in 0..5 {
                entries.add(format!("r{n}@x.org").parse().expect("an address")).expect("added");
            }
            let posted = entries.commit((0, 0)).expect("published");
            (id, posted)
        };
        let (id, posted) = make();
        let file = queue.job_file(&id, Standing::AtWork).expect("read").expect("a job");
        assert_eq!((&file.kind, file.entries), (&JobKind::Post(posted.about), posted.entries));
        let sizes = [0, 1, 2].map(|k| file.recipients_of(&id.of_job(0, k)));
        assert_eq!((sizes, file.entries), ([2, 2, 1], 3));
        let progress = queue.progress(&id, Standing::AtWork, &file).expect("counted");
        assert_eq!((progress.all, progress.left, progress.done()), (5, 5, 0));
        assert!(queue.move_job(&id, Standing::AtWork, Standing::Cancelled).expect("moved"));
        assert!(!queue.move_job(&id, Standing::AtWork, Standing::Paused).expect("not there"));
        queue.drop_cancelled(of(3_600));
        assert_eq!(queue.standing(&id).expect("found"), Some(Standing::Cancelled));
        queue.drop_cancelled(of(0));
        assert_eq!(queue.standing(&id).expect("nothing"), None);

        // One that has ended is kept, too; whose entries are still there has not ended.
        let (id, _) = make();
        assert!(queue.move_job(&id, Standing::AtWork, Standing::Done).expect("moved"));
        queue.clear_done(of(0));
        assert_eq!(queue.standing(&id).expect("found"), Some(Standing::AtWork));
        for k in 0..3 {
            let spot = queue.locate(&id.of_job(0, k)).expect("a look").expect("an entry");
            dir::unlink(&queue.dir, &spot.path()).expect("settled");
        }
        queue.finish_jobs();
        assert_eq!(queue.standing(&id).expect("found"), Some(Standing::Done));
        queue.clear_done(of(3_600));
        assert_eq!(queue.standing(&id).expect("found"), Some(Standing::Done));
        queue.clear_done(of(0));
        assert_eq!(queue.standing(&id).expect("nothing"), None);
    }
}
