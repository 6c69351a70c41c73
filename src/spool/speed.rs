//! What the spool does for speed alone, each with one line where it helps. Nothing here matters for safety: each may be
//! deleted, with that line. See also `quiet` and `freshness`, which spare
//! looks at what has not changed, and [`crate::sys::speed`].

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

use super::names::{EntryName, Spot, State};
use super::queue::SpoolQueue;
use crate::sys::speed::read_ahead::read_ahead;

/// How many bytes of the next entry are read ahead, for a while after a claim waited for the disk: one that took longer
/// than `WARM`, and the disk was read. What is in memory needs no such call.
const READ_AHEAD: i64 = 64 << 10;
const WARM: Duration = Duration::from_micros(200);
const COLD_FOR: u32 = 64;

/// A delivered entry that is larger is closed at once, and its space is free.
const CLOSED_LATER_MAX: u64 = 64 << 10;

/// Reads the next entry while one is handed over, as long as the disk is slow.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    /// For so many more claims the next entry is read ahead.
    cold: u32,
    /// What this process had read from disks when that was last looked at.
    blocks: i64,
}

impl ReadAhead {
    /// A claim took so long: has the disk read what will probably be next, if it is slow.
    pub fn claimed(&mut self, queue: &SpoolQueue, took: Duration, next: impl FnOnce() -> Option<EntryName>) {
        self.cold = self.cold.saturating_sub(1);
        if took > WARM {
            let blocks = getrusage(UsageWho::RUSAGE_SELF).map_or(i64::MAX, |usage| usage.block_reads());
            if blocks > std::mem::replace(&mut self.blocks, blocks) {
                self.cold = COLD_FOR;
            }
        }
        if self.cold == 0 {
            return;
        }
        if let Some(name) = next() {
            let spot = Spot { state: State::Ready, name };
            read_ahead(&queue.dir, &spot.path(), READ_AHEAD);
        }
    }
}

/// Has an entry of `len` bytes closed beside the work, which is delivered and unlinked. Gives a large one back.
pub(super) fn close_later(queue: &SpoolQueue, file: Arc<File>, len: u64) -> Option<Arc<File>> {
    if len > CLOSED_LATER_MAX {
        return Some(file);
    }
    queue.closer.close(file);
    None
}
