//! A person reaches for an entry of a merge, to act on its rows: `want/<entry>`, locked, keeps workers away, and the one that has
//! the entry lets it go after its row. A command that was killed leaves a file that nobody has locked, which is stale.
//!
//! An entry whose rows are all closed or held has no head. It gets one first, early but harmless: a claim that finds no open
//! row removes it.

use std::fs::File;
use std::time::{Duration, Instant};

use super::claim::MergeClaim;
use crate::model::EntryId;
use crate::queue::QueueError;
use crate::spool::claim::Taken;
use crate::spool::job::Standing;
use crate::spool::queue::SpoolQueue;
use crate::sys::{dir, lock};

/// How long a worker may take for the row that it has in hand.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it let the entry go.
const LOOK: Duration = Duration::from_millis(20);

/// An entry that a person acts on. Workers stay away as long as this is here.
#[derive(Debug)]
pub struct Wanted<'q> {
    queue: &'q SpoolQueue,
    path: String,
    _lock: File,
}

/// What came of reaching for an entry.
#[derive(Debug)]
pub enum Reach<'q> {
    Claim(Box<MergeClaim<'q>>),
    /// A worker has it for longer than is waited, or its job was paused meanwhile.
    InHand,
    /// Its head could not be read, and lies in `corrupt/` now. Reached for again it gets another.
    Corrupt {
        name: String,
        why: String,
    },
    /// Its job is over or cancelled.
    Gone,
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        // Before the lock goes: what stays is stale.
        let _ = dir::unlink(&self.queue.dir, &self.path);
    }
}

impl SpoolQueue {
    /// Keeps workers away from entry `id` of a merge.
    pub fn want(&self, id: &EntryId) -> Result<Wanted<'_>, QueueError> {
        let path = format!("want/{id}");
        let lock = self.lock_named(&path, dir::Open::Create).map_err(self.failed("lock", &path))?;
        self.wake()?;
        Ok(Wanted { queue: self, path, _lock: lock })
    }
}

impl SpoolQueue {
    /// Removes what commands left that were killed; returns how many.
    pub(in crate::spool) fn drop_stale_wants(&self) -> u64 {
        let mut removed = 0;
        for name in self.names("want").into_iter().flatten().flatten() {
            let path = format!("want/{name}");
            let Ok(file) = dir::open_file(&self.dir, &path, dir::Open::ReadWrite) else { continue };
            // A command that locks one looks afterwards whether its name leads to it.
            let stale =
                lock::try_exclusive(&file).is_ok_and(|ours| ours) && self.is_named(&file, &path).is_ok_and(|is| is);
            removed += u64::from(stale && dir::unlink(&self.dir, &path).is_ok());
        }
        removed
    }
}

impl<'q> Wanted<'q> {
    /// Claims the entry, once the worker that has it has let it go.
    pub fn claim(&self, id: &EntryId) -> Result<Reach<'q>, QueueError> {
        let began = Instant::now();
        loop {
            match self.queue.locate(id)? {
                Some(spot) => match self.queue.take_rows_of(&spot)? {
                    Taken::Head(claim) => return Ok(Reach::Claim(claim)),
                    Taken::Claim(_) => return Ok(Reach::Gone),
                    Taken::Corrupt { why } => return Ok(Reach::Corrupt { name: spot.name.to_string(), why }),
                    Taken::Contended | Taken::Gone => {}
                },
                None => match self.queue.standing(&self.job(id))? {
                    // Somebody else has its log if it gets none.
                    Some(Standing::AtWork) => self.queue.make_head(id)?,
                    Some(Standing::Paused) => return Ok(Reach::InHand),
                    Some(Standing::Done | Standing::Cancelled) | None => return Ok(Reach::Gone),
                },
            }
            if began.elapsed() >= PATIENCE {
                return Ok(Reach::InHand);
            }
            std::thread::park_timeout(LOOK);
        }
    }

    fn job(&self, id: &EntryId) -> EntryId {
        let job = id.job().and_then(|(job, _)| job.parse().ok());
        job.unwrap_or_else(|| id.clone())
    }
}
