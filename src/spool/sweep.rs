//! Cleaning up what a killed process left, and what was kept long enough.
//!
//! - `tmp/`: a file or folder that can be locked and is older than an hour; whoever writes there holds the lock.
//! - journals that close every recipient and whose entry is in no state, looked for twice;
//! - `failed/`: entries kept longer than `failed_keep`, with their journals;
//! - keys that were marked or made longer than `key_keep` ago;
//! - files in `want/` that nobody has locked;
//! - jobs that have ended; those of a post and those that were cancelled after `failed_keep`, of a merge after `merge_keep`.
//!
//! Nothing here ever adopts a half-written file, touches mail that somebody still waits for, or what a newer program wrote.

use std::fs::File;
use std::io;
use std::time::Duration;

use super::entry::{self, Unreadable};
use super::home::Home;
use super::job::ending::JobKeep;
use super::lock::Locked;
use super::lone::Lone;
use super::names::{EntryName, Spot, State, journal_path};
use super::orphans::ORPHAN_AGE;
use super::queue::SpoolQueue;
use crate::model::{EntryId, Micros};
use crate::queue::QueueError;
use crate::sys::{clock, dir, fault};

/// How long what is over is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Mail that was given up, and list posts.
    pub failed: Duration,
    pub keys: Duration,
    pub merges: Duration,
}

/// Its time is that of the last sweep.
const SWEPT: &str = "swept";

impl SpoolQueue {
    /// Whether the last sweep is longer ago than `every`; if so, notes that one begins now.
    pub fn sweep_is_due(&self, every: Duration) -> bool {
        let note = || -> io::Result<()> {
            let mut note = dir::open_file(&self.dir, SWEPT, dir::Open::Create)?;
            io::Write::write_all(&mut note, b"the time of this file is that of the last sweep\n")
        };
        !self.was_swept_within(every) && note().is_ok()
    }

    /// Whether the last sweep was so long ago at most. One that a clock set back puts into the future does not count.
    pub fn was_swept_within(&self, every: Duration) -> bool {
        let swept = dir::stat(&self.dir, SWEPT).ok().flatten();
        // On a full disk it has no text, and says nothing.
        let at = swept.filter(|stat| stat.st_size > 0).map(|stat| Micros(dir::Stamp::of(&stat).micros()));
        let now = clock::now();
        at.is_some_and(|at| at <= now && now.since(at) < every)
    }

    /// One sweep; returns how many things were removed.
    pub fn sweep(&self, keep: Keep) -> Result<u64, QueueError> {
        fault::instant("sweep.begin");
        let mut removed = 0;
        for orphan in self.orphans(ORPHAN_AGE)? {
            self.remove_orphan(&orphan);
            removed += 1;
        }
        removed += self.drop_old_failures(keep.failed)?;
        removed += self.drop_old_keys(keep.keys)?;
        let lone: Vec<String> = self.lone_journals()?.into_iter().filter_map(Lone::closed).collect();
        if !lone.is_empty() {
            // The unlinks of their entries may be a killed worker's, and synced by nobody.
            self.sync()?;
        }
        for path in lone {
            removed += u64::from(dir::unlink(&self.dir, &path).is_ok());
        }
        removed += self.drop_stale_wants();
        self.finish_jobs();
        self.clear_done(JobKeep { merges: keep.merges, others: keep.failed });
        let cancelled = JobKeep { merges: keep.merges.max(ORPHAN_AGE), others: keep.failed.max(ORPHAN_AGE) };
        self.drop_cancelled(cancelled);
        Ok(removed)
    }

    /// Removes entries in `failed/` that were given up longer than `keep` ago (the file's change time tells: the rename).
    fn drop_old_failures(&self, keep: Duration) -> Result<u64, QueueError> {
        let mut old: Vec<EntryName> = Vec::new();
        let limit = clock::now().minus(keep);
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
            if Home::of(self, &name.id).is_ok_and(|home| home.newer_job().is_some()) {
                continue;
            }
            // Claimed first, as whoever removes an entry must.
            if let Some(Locked::Ours(held, _)) = self.lock_entry(&path)? {
                let (_, journal) = journal_path(&name.id);
                if self.is_newer(&name.id, &held) {
                    continue;
                }
                self.mark_key(&name.id).map_err(self.failed("mark", "keys"))?;
                let _ = dir::unlink(&self.dir, &path);
                let _ = dir::unlink(&self.dir, &journal);
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Whether a newer program wrote the entry `file` or its journal.
    fn is_newer(&self, id: &EntryId, file: &File) -> bool {
        matches!(entry::read(file), Err(Unreadable::Newer(_)))
            || matches!(self.history(id, 0, &mut |_| {}), Err(QueueError::Newer { .. }))
    }

    /// Removes keys that have not changed for `keep`: from then on the same key is a new one. Those of adopted entries that
    /// a killed adopter left go as soon as nothing lies in `drop/` for this queue, after an hour.
    pub(super) fn drop_old_keys(&self, keep: Duration) -> Result<u64, QueueError> {
        let now = clock::now();
        let limit = now.minus(keep);
        let adopted = match self.drop_names()?.next() {
            Some(_) => limit,
            None => limit.max(now.minus(ORPHAN_AGE)),
        };
        let (mut removed, mut synced) = (0, false);
        for bucket in self.names("keys").map_err(self.failed("list", "keys"))? {
            let folder = format!("keys/{}", bucket.map_err(self.failed("list", "keys"))?);
            for name in self.names(&folder).map_err(self.failed("list", &folder))? {
                let name = name.map_err(self.failed("list", &folder))?;
                let of_drop = name.parse().is_ok_and(|id: EntryId| id.is_adopted());
                if of_drop && !synced {
                    // Its file may have been removed by a killed adopter, and the removal synced by nobody.
                    self.sync()?;
                    synced = true;
                }
                let limit = if of_drop { adopted } else { limit };
                let path = format!("{folder}/{name}");
                removed += u64::from(self.drop_key(&path, limit).map_err(self.failed("remove", &path))?);
            }
        }
        Ok(removed)
    }
}
