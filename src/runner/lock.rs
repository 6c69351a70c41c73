//! A queue's lock: flock on `<queue>/lock`, taken by the queue's supervisor before it forks a worker, and by main while it
//! looks whether there is anything to do.
//!
//! The workers inherit it and keep it while they live, so a next launch stays away until the last of a dead supervisor's
//! workers has settled what it had in hand. The file is never unlinked: the kernel holds the lock, the text in it is for
//! people.

use std::fs::File;
use std::io::{Read, Seek, Write};

use serde::{Deserialize, Serialize};

use crate::model::Micros;
use crate::queue::QueueError;
use crate::spool::SpoolQueue;
use crate::sys::{clock, fault, lock, process};

/// Who works on a queue, as the lock file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub host: String,
    pub started: Micros,
}

/// The lock of one queue, held until this and every forked copy of it is gone.
#[derive(Debug)]
pub struct QueueLock {
    file: File,
}

impl QueueLock {
    /// Takes the lock, and signs it; `None` if another run has it.
    pub fn take(queue: &SpoolQueue) -> Result<Option<QueueLock>, QueueError> {
        let Some(mut lock) = QueueLock::take_unsigned(queue)? else { return Ok(None) };
        fault::instant("lock.taken");
        let holder = Holder { pid: std::process::id(), host: process::host_name(), started: clock::now() };
        // The lock is what counts: a full disk leaves it without a text.
        let _ = lock.sign(&holder);
        Ok(Some(lock))
    }

    /// Takes the lock for an instant in which nothing is done but to look: nothing is written.
    pub fn take_unsigned(queue: &SpoolQueue) -> Result<Option<QueueLock>, QueueError> {
        let file = queue.lock_file()?;
        let failed = |source| QueueError::Io { doing: "lock", path: queue.path("lock"), source };
        Ok(lock::try_exclusive(&file).map_err(failed)?.then_some(QueueLock { file }))
    }

    fn sign(&mut self, holder: &Holder) -> std::io::Result<()> {
        let text = serde_json::to_string(holder)? + "\n";
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }
}

/// Whether nobody holds the lock; this takes it for an instant.
pub fn is_free(queue: &SpoolQueue) -> bool {
    queue.lock_file().is_ok_and(|file| lock::try_exclusive(&file).unwrap_or(false))
}

/// Who the lock file names: who works on the queue if anybody does, else who did last.
pub fn last_holder(queue: &SpoolQueue) -> Option<Holder> {
    let mut text = String::new();
    queue.lock_file().ok()?.take(4_096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}
