//! `wake`: its time is set when workers should look again, and they compare it with what it was.

use super::queue::SpoolQueue;
use crate::queue::QueueError;
use crate::sys::dir::{self, Stamp};
use crate::sys::durable;

impl SpoolQueue {
    /// Says "look again" to whoever works on this queue. Whatever concerns workers ends with it: publishing, flushing,
    /// stopping and starting, moving a job. So one look, which is cheap, tells a worker that nothing of that has happened.
    pub fn wake(&self) -> Result<(), QueueError> {
        durable::touch_at(&self.dir, "wake").map_err(self.failed("touch", "wake"))
    }

    /// When [`SpoolQueue::wake`] was last called, as something to compare with ≠.
    pub fn woken(&self) -> Stamp {
        let stat = match nix::sys::stat::fstat(&self.wake) {
            Ok(stat) if stat.st_nlink > 0 => Some(stat),
            // Somebody has replaced it.
            Ok(_) | Err(_) => dir::stat(&self.dir, "wake").ok().flatten(),
        };
        stat.as_ref().map(Stamp::of).unwrap_or_default()
    }
}
