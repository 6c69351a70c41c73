//! `stopped`: a person stops the queue, and lets it go on.
//!
//! Kept true: when [`SpoolQueue::stop`] has returned, no worker begins to hand anything over, also after a power cut. Workers
//! look before each hand-over.

use std::io;

use serde::{Deserialize, Serialize};

use super::freshness::Freshness;
use super::queue::SpoolQueue;
use crate::model::Micros;
use crate::queue::QueueError;
use crate::sys::mutex::locked;
use crate::sys::{dir, durable};

/// Who stopped a queue, and when. That the file is there is what counts; on a full disk it has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    pub at: Micros,
    /// The real user id.
    pub by: u32,
}

impl SpoolQueue {
    /// Stops the queue: from now on no worker hands anything over, also after a power cut. `false` if it was stopped already.
    pub fn stop(&self, who: Stopped) -> Result<bool, QueueError> {
        let steps = || -> io::Result<bool> {
            let file = match dir::open_file(&self.dir, "stopped", dir::Open::CreateNew) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
                Err(error) => return Err(error),
            };
            // Workers are told before the disk is waited for.
            let told = self.wake();
            // A full disk takes the name and not the text.
            let _ = serde_json::to_writer(&file, &who).is_ok() && file.sync_all().is_ok();
            durable::sync_dir(&self.dir, ".")?;
            told.map_err(io::Error::other).map(|()| true)
        };
        steps().map_err(self.failed("stop the queue", "stopped"))
    }

    /// Lets a stopped queue go on. `false` if it was not stopped.
    pub fn start(&self) -> Result<bool, QueueError> {
        let steps = || -> io::Result<bool> {
            match dir::unlink(&self.dir, "stopped") {
                Ok(()) => durable::sync_dir(&self.dir, ".").map(|()| true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            }
        };
        let started = steps().map_err(self.failed("start the queue", "stopped"))?;
        self.wake()?;
        Ok(started)
    }

    /// When the queue was stopped, if it is. One call of the system.
    pub fn stopped(&self) -> Result<Option<Micros>, QueueError> {
        let stat = dir::stat(&self.dir, "stopped").map_err(self.failed("look for", "stopped"))?;
        let since = |seconds: i64| Micros(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000));
        Ok(stat.map(|stat| since(stat.st_mtime)))
    }

    /// Whether the queue is stopped, or that cannot be found out: nothing may be handed over.
    pub fn may_be_stopped(&self) -> bool {
        !matches!(self.stopped(), Ok(None))
    }

    /// Whether the queue is stopped: looked at again when [`SpoolQueue::wake`] was called since.
    pub(super) fn is_stopped_by_now(&self) -> bool {
        let woken = self.woken();
        let mut seen = locked(&self.seen_stopped);
        match *seen {
            Some((look, stopped)) if look.holds(woken) => stopped,
            Some(_) | None => seen.insert((Freshness::new(woken), self.may_be_stopped())).1,
        }
    }

    /// Who stopped the queue, as far as that was noted.
    pub fn stopper(&self) -> Option<Stopped> {
        let (text, _) = self.read_note("stopped").ok().flatten()?;
        serde_json::from_str(&text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Spool;

    #[test]
    fn what_another_process_stops_is_seen_at_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(&dir.path().join("s")).expect("a spool");
        let (ours, theirs) = (spool.queue("q").expect("a queue"), spool.queue("q").expect("the same"));
        for _ in 0..100 {
            assert!(!ours.is_stopped_by_now());
            let who = Stopped { at: Micros(1), by: 2 };
            assert!(theirs.stop(who).expect("stopped"));
            assert!(ours.is_stopped_by_now());
            assert!(theirs.start().expect("started"));
        }
    }
}
