//! Cleaning up what a killed process left, and what was kept long enough.
//!
//! - `tmp/`: a file or folder that can be locked and is older than an hour; whoever writes there holds the lock.
//! - journals that close every recipient and whose entry is in no state, looked for twice;
//! - `failed/`: entries kept longer than `failed_keep`, with their journals;
//! - keys that were marked or made longer than `key_keep` ago;
//! - jobs that have ended; those of a post and those that were cancelled after `failed_keep`.
//!
//! Nothing here ever adopts a half-written file, and nothing here touches mail that somebody still waits for.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::layout::SpoolQueue;
use super::names::{EntryName, Spot, State};
use super::{SpoolError, claim};
use crate::model::{EntryId, Micros};
use crate::sys::{clock, dir, fault, lock};

/// How old something in `tmp/` must be before it counts as left behind.
pub const ORPHAN_AGE: Duration = Duration::from_secs(3_600);

/// Removes a folder and what is in it, as far as that goes. A symbolic link is removed, never followed.
pub(super) fn remove_tree(dir_fd: impl AsFd, path: &str) {
    let dir_fd = dir_fd.as_fd();
    if let Ok(names) = dir::Names::open(dir_fd, path) {
        for name in names.flatten() {
            let inner = format!("{path}/{name}");
            if dir::unlink(dir_fd, &inner).is_err() {
                remove_tree(dir_fd, &inner);
            }
        }
    }
    let _ = dir::remove(dir_fd, path);
}

/// Something in `tmp/` that nobody writes any more, locked by us.
pub(super) struct Orphan {
    pub path: String,
    pub is_dir: bool,
    /// Held until it is removed.
    _lock: File,
}

/// A journal whose entry is nowhere.
pub(super) struct Lone {
    pub path: String,
    /// It closes every recipient.
    pub closed: bool,
    /// How long it has not changed.
    pub age: Duration,
}

impl Lone {
    fn closed(self) -> Option<String> {
        self.closed.then_some(self.path)
    }
}

impl SpoolQueue {
    /// Moves an ended job to done/: nothing in ready/ and hold/ (the kernel tells, by rmdir), nothing in failed/. One with
    /// failed entries stays until they are gone. `folder` is the part of it that was seen empty, as `ready/<n>`.
    pub(super) fn finish_job(&self, job: &str, folder: &str) {
        // Each step may fail because somebody else is at it or something is in there; then the job has not ended.
        let end = || -> io::Result<bool> {
            // By its descriptor: of a job that was paused meanwhile nothing would be there by its name, as if it had ended.
            let top = dir::open_at(&self.dir, &format!("jobs/{job}"))?;
            let ended = dir::remove(&top, folder)? && dir::remove(&top, "ready")? && dir::remove(&top, "hold")?;
            fault::instant("job.empty");
            if !ended || !dir::remove(&top, "failed")? {
                return Ok(false);
            }
            // Its journals go with it, so the unlinks of its entries must be durable first.
            self.sync().map_err(io::Error::other)?;
            fault::instant("job.synced");
            self.ensure_folder("done")?;
            dir::rename_new(&self.dir, &format!("jobs/{job}"), &format!("done/{job}"))?;
            fault::instant("job.renamed");
            self.clear(job, Duration::MAX);
            Ok(true)
        };
        let _ = end();
    }

    /// Removes an ended job's folder in `done/`, that of a post when it is older than `keep`; or brings it back, where
    /// somebody has made a place for an entry in it just before it was renamed. Nobody makes one afterwards: who came from
    /// elsewhere goes by the name in `jobs/`, and whoever held an entry in it kept it from ending.
    fn clear(&self, job: &str, keep: Duration) {
        let (done, jobs) = (format!("done/{job}"), format!("jobs/{job}"));
        let gone = |place: &&str| dir::stat(&self.dir, &format!("{done}/{place}")).is_ok_and(|stat| stat.is_none());
        if State::ALL.map(State::name).iter().all(gone) {
            if gone(&"message") || self.age(&done).is_some_and(|age| age >= keep) {
                self.remove_job(job, &done);
            } else {
                // What a post's journals told is over.
                remove_tree(&self.dir, &format!("{done}/journal"));
            }
        } else if dir::rename_new(&self.dir, &done, &jobs).is_ok() {
            let _ = self.wake();
        }
    }

    /// How long ago the folder or file `path` was moved to where it is.
    fn age(&self, path: &str) -> Option<Duration> {
        let changed = dir::stat(&self.dir, path).ok().flatten()?.st_ctime;
        let changed = UNIX_EPOCH + Duration::from_secs(u64::try_from(changed).unwrap_or(0));
        Some(SystemTime::now().duration_since(changed).unwrap_or_default())
    }

    /// What lies in `tmp/` and belongs to nobody.
    pub(super) fn orphans(&self, older_than: Duration) -> Result<Vec<Orphan>, SpoolError> {
        let failed = || self.failed("list", "tmp");
        let mut found = Vec::new();
        for name in self.names("tmp").map_err(failed())?.take(10_000) {
            let path = format!("tmp/{}", name.map_err(failed())?);
            if let Some(orphan) = self.orphan(path, older_than) {
                found.push(orphan);
            }
        }
        Ok(found)
    }

    fn orphan(&self, path: String, older_than: Duration) -> Option<Orphan> {
        let file = dir::open_file(&self.dir, &path, dir::Open::Read).ok()?;
        let meta = file.metadata().ok()?;
        let age = SystemTime::now().duration_since(meta.modified().ok()?).unwrap_or_default();
        let free = age >= older_than && lock::try_exclusive(&file).ok()?;
        free.then_some(Orphan { path, is_dir: meta.is_dir(), _lock: file })
    }

    pub(super) fn remove_orphan(&self, orphan: &Orphan) {
        if orphan.is_dir {
            remove_tree(&self.dir, &orphan.path);
        } else {
            let _ = dir::unlink(&self.dir, &orphan.path);
        }
    }

    /// Whether the last sweep is longer ago than `every`; if so, notes that one begins now.
    pub fn sweep_is_due(&self, every: Duration) -> bool {
        let last = dir::open_file(&self.dir, "swept", dir::Open::Create).ok();
        let Some(last) = last else { return false };
        let fresh = |meta: std::fs::Metadata| {
            meta.len() > 0 && meta.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age < every))
        };
        if last.metadata().is_ok_and(fresh) {
            return false;
        }
        io::Write::write_all(&mut &last, b"the time of this file is that of the last sweep\n").is_ok()
    }

    /// One sweep; returns how many things were removed.
    pub fn sweep(&self, failed_keep: Duration, key_keep: Duration) -> Result<u64, SpoolError> {
        fault::instant("sweep.begin");
        let mut removed = 0;
        for orphan in self.orphans(ORPHAN_AGE)? {
            self.remove_orphan(&orphan);
            removed += 1;
        }
        removed += self.drop_old_failures(failed_keep)?;
        removed += self.drop_old_keys(key_keep)?;
        let lone: Vec<String> = self.lone_journals()?.into_iter().filter_map(Lone::closed).collect();
        if !lone.is_empty() {
            // The unlinks of their entries may be a killed worker's, and synced by nobody.
            self.sync()?;
        }
        for path in lone {
            removed += u64::from(dir::unlink(&self.dir, &path).is_ok());
        }
        self.finish_jobs();
        self.clear_done(failed_keep);
        self.drop_cancelled(failed_keep.max(ORPHAN_AGE));
        Ok(removed)
    }

    /// Removes entries in `failed/` that were given up longer than `keep` ago (the file's change time tells: the rename).
    fn drop_old_failures(&self, keep: Duration) -> Result<u64, SpoolError> {
        let mut old: Vec<EntryName> = Vec::new();
        let limit = Micros(clock::now().0.saturating_sub(u64::try_from(keep.as_micros()).unwrap_or(u64::MAX)));
        self.each_name(State::Failed, &mut |name| {
            let path = Spot { state: State::Failed, name: name.clone() }.path();
            let changed = dir::stat(&self.dir, &path).ok().flatten().map_or(i64::MAX, |stat| stat.st_ctime);
            if changed.saturating_mul(1_000_000) < i64::try_from(limit.0).unwrap_or(0) {
                old.push(name);
            }
            old.len() < 100_000
        })?;
        let mut removed = 0;
        for name in old {
            let path = Spot { state: State::Failed, name: name.clone() }.path();
            // Claimed first, as whoever removes an entry must.
            if let Some(claim::Locked::Ours(_held, _)) = self.lock_entry(&path)? {
                let (_, journal) = super::names::journal_path(&name.id);
                self.mark_key(&name.id).map_err(self.failed("mark", "keys"))?;
                let _ = dir::unlink(&self.dir, &path);
                let _ = dir::unlink(&self.dir, &journal);
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Finishes what a process began that was killed while it ended a job.
    pub fn clear_ended(&self) {
        self.clear_done(Duration::MAX);
    }

    pub(super) fn clear_done(&self, keep: Duration) {
        for job in self.names("done").into_iter().flatten().flatten() {
            self.clear(&job, keep);
        }
    }

    /// Removes the folders of jobs that were cancelled longer than `keep` ago. A worker may have one's entry in hand for a
    /// while, so that is no short time.
    pub(super) fn drop_cancelled(&self, keep: Duration) {
        for job in self.names("cancelled").into_iter().flatten().flatten() {
            let path = format!("cancelled/{job}");
            if self.age(&path).is_some_and(|age| age >= keep) {
                self.remove_job(&job, &path);
            }
        }
    }

    /// Removes the folder of a job. One that counts once is marked first, or stays.
    fn remove_job(&self, job: &str, path: &str) {
        if job.parse().is_ok_and(|id| self.mark_key(&id).is_ok()) {
            remove_tree(&self.dir, path);
        }
    }

    /// Ends the jobs that nobody has anything left to do in.
    pub fn finish_jobs(&self) {
        // What cannot be listed now is met by the next worker that passes.
        for job in self.names("jobs").into_iter().flatten().flatten() {
            let ready = format!("jobs/{job}/ready");
            for n in self.names(&ready).into_iter().flatten().flatten() {
                let _ = dir::remove(&self.dir, &format!("{ready}/{n}"));
            }
            if self.names(&ready).is_ok_and(|mut names| names.next().is_none()) {
                self.finish_job(&job, "ready");
            }
        }
    }

    /// Journals whose entry is in no state.
    pub(super) fn lone_journals(&self) -> Result<Vec<Lone>, SpoolError> {
        let mut lone = Vec::new();
        for bucket in 0..=u8::MAX {
            let states = State::ALL.map(|state| format!("{}/{bucket:02x}", state.name()));
            self.lone_in(&format!("journal/{bucket:02x}"), &states, &mut lone)?;
        }
        for job in self.names("jobs").map_err(self.failed("list", "jobs"))?.flatten() {
            let ready = format!("jobs/{job}/ready");
            let mut states = vec![format!("jobs/{job}/hold"), format!("jobs/{job}/failed")];
            let folders = self.names(&ready).map_err(self.failed("list", &ready))?;
            states.extend(folders.flatten().map(|n| format!("{ready}/{n}")));
            self.lone_in(&format!("jobs/{job}/journal"), &states, &mut lone)?;
        }
        Ok(lone)
    }

    /// The lone ones among the journals of one folder, whose entries would lie in `states`. One folder's ids are in
    /// memory at a time. A journal is looked for before its entry, and what seems alone is looked up once more: a
    /// listing can miss a name that is being renamed.
    fn lone_in(&self, journals: &str, states: &[String], lone: &mut Vec<Lone>) -> Result<(), SpoolError> {
        let failed = || self.failed("list", journals);
        let id_of = |name: &str| name.strip_suffix(".log").and_then(|id| id.parse::<EntryId>().ok());
        let mut ids: HashSet<EntryId> =
            self.names(journals).map_err(failed())?.flatten().filter_map(|name| id_of(&name)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        for state in states {
            for name in self.names(state).map_err(failed())?.flatten() {
                if let Some(name) = EntryName::parse(&name) {
                    ids.remove(&name.id);
                }
            }
        }
        for id in ids {
            // A file in corrupt/ needs its journal when a person has mended it.
            let corrupt = |name: String| name.contains(id.as_str());
            if self.locate(&id)?.is_some() || self.names("corrupt").map_err(failed())?.flatten().any(corrupt) {
                continue;
            }
            let closed = self.history(&id, 0, &mut |_| {})?.all_closed();
            let path = format!("{journals}/{id}.log");
            // Looked at last: where it is gone by now, its worker has tidied up meanwhile.
            if let Some(stat) = dir::stat(&self.dir, &path).map_err(failed())? {
                let changed = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
                let age = SystemTime::now().duration_since(UNIX_EPOCH + changed).unwrap_or_default();
                lone.push(Lone { path, closed, age });
            }
        }
        Ok(())
    }
}
