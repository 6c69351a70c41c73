//! A queue's small files, which are no mail: `wake`, `stopped`, the lock's file, the heartbeat and other notes; and what
//! shows or makes sure that the disk takes changes.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::claim::locked;
use super::layout::{Spool, SpoolQueue};
use crate::model::Micros;
use crate::policy::reminder;
use crate::sys::dir::Stamp;
use crate::sys::{dir, durable, fault, lock};

/// More bytes are not kept of what nobody heard.
const UNHEARD_MAX: u64 = 64 << 10;

/// Who stopped a queue, and when. That the file is there is what counts; on a full disk it has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    pub at: Micros,
    /// The real user id.
    pub by: u32,
}

impl SpoolQueue {
    /// Says "look again" to whoever works on this queue. Whatever concerns workers ends with it: publishing, flushing,
    /// stopping and starting, moving a job. So one look, which is cheap, tells a worker that nothing of that has happened.
    pub fn wake(&self) -> Result<(), SpoolError> {
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

    /// Stops the queue: from now on no worker hands anything over, also after a power cut. `false` if it was stopped already.
    pub fn stop(&self, who: Stopped) -> Result<bool, SpoolError> {
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
    pub fn start(&self) -> Result<bool, SpoolError> {
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
    pub fn stopped(&self) -> Result<Option<Micros>, SpoolError> {
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
            Some(_) | None => seen.insert((LookedAt::new(woken), self.may_be_stopped())).1,
        }
    }

    /// Who stopped the queue, as far as that was noted.
    pub fn stopper(&self) -> Option<Stopped> {
        let (text, _) = self.read_note("stopped").ok().flatten()?;
        serde_json::from_str(&text).ok()
    }

    /// The queue's lock file, open and not locked.
    pub fn lock_file(&self) -> Result<File, SpoolError> {
        dir::open_file(&self.dir, "lock", dir::Open::Create).map_err(self.failed("open", "lock"))
    }

    /// Replaces the small file `name` (the heartbeat `run.json`, `sink`) in one step. It is not synced: it tells of what
    /// goes on, and no mail depends on it.
    pub fn write_note(&self, name: &str, text: &str) -> Result<(), SpoolError> {
        let spare = format!("tmp/{name}-{}", std::process::id());
        let steps = || -> io::Result<()> {
            let file = dir::open_file(&self.dir, &spare, dir::Open::Create)?;
            file.set_len(0)?;
            io::Write::write_all(&mut &file, text.as_bytes())?;
            dir::rename_over(&self.dir, &spare, name)
        };
        steps().inspect_err(|_| self.drop_spare(&spare)).map_err(self.failed("write", name))
    }

    /// Removes what a step that failed left in `tmp/`: while a disk is full, each run would leave one there.
    fn drop_spare(&self, path: &str) {
        // The sweep removes what stays.
        let _ = dir::unlink(&self.dir, path);
    }

    /// The text of a small file and when it was written; `None` if it is not there.
    pub fn read_note(&self, name: &str) -> Result<Option<(String, std::time::SystemTime)>, SpoolError> {
        let file = match dir::open_file(&self.dir, name, dir::Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("open", name)(error)),
        };
        let mut text = String::new();
        let modified = file.metadata().and_then(|meta| meta.modified()).map_err(self.failed("look at", name))?;
        io::Read::read_to_string(&mut io::Read::take(file, 1 << 20), &mut text).map_err(self.failed("read", name))?;
        Ok(Some((text, modified)))
    }

    /// Removes a small file.
    pub fn remove_note(&self, name: &str) -> Result<(), SpoolError> {
        dir::unlink(&self.dir, name).map_err(self.failed("remove", name))
    }

    /// Where a run that nobody reads says what it has to say. The file's lock is shared by those who write there, as long as
    /// they live.
    pub fn unheard(&self) -> Result<File, SpoolError> {
        let steps = || -> io::Result<File> {
            let file = dir::open_file(&self.dir, "unheard", dir::Open::Append)?;
            if file.metadata()?.len() > UNHEARD_MAX || !lock::try_shared(&file)? {
                return Err(io::ErrorKind::ResourceBusy.into());
            }
            Ok(file)
        };
        steps().map_err(self.failed("open", "unheard"))
    }

    /// What was said by runs that nobody read, and have ended; it is forgotten then.
    pub fn hear(&self) -> Option<String> {
        let mut file = dir::open_file(&self.dir, "unheard", dir::Open::ReadWrite).ok()?;
        if file.metadata().ok()?.len() == 0 || !lock::try_exclusive(&file).ok()? {
            return None;
        }
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(&mut file, 2 * UNHEARD_MAX), &mut text).ok()?;
        file.set_len(0).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    /// Shows that this queue can be changed: makes, renames and removes a file. A spool that refuses this would let a
    /// run hand mail over that it cannot settle, minute after minute.
    pub fn prove(&self) -> Result<(), SpoolError> {
        let name = format!("tmp/prove-{}", std::process::id());
        let steps = || -> io::Result<()> {
            fault::point("prove")?;
            dir::open_file(&self.dir, &name, dir::Open::Create)?;
            fault::instant("prove.made");
            dir::rename_over(&self.dir, &name, "tmp/proved")?;
            dir::unlink(&self.dir, "tmp/proved")
        };
        steps().inspect_err(|_| self.drop_spare(&name)).map_err(self.failed("change the spool", "tmp"))
    }

    /// Waits until everything that was settled is on disk.
    pub fn sync(&self) -> Result<(), SpoolError> {
        durable::sync_file_system(&self.dir).map_err(self.failed("sync", ""))
    }
}

/// How long a look holds at most: what a person does is seen by then, also where his command died before it woke the queue,
/// or he did it by hand.
const HOLDS: Duration = Duration::from_millis(500);

/// When something was looked at that changes with a call of [`SpoolQueue::wake`].
#[derive(Clone, Copy, Debug)]
pub(super) struct LookedAt {
    woken: Stamp,
    at: Instant,
}

impl LookedAt {
    /// Taken now, after the queue was `woken`.
    pub fn new(woken: Stamp) -> LookedAt {
        LookedAt { woken, at: Instant::now() }
    }

    /// Whether what was seen still holds, as the queue was last `woken`. Where a file system keeps whole seconds alone, two
    /// calls may look like one, so there nothing does.
    pub fn holds(&self, woken: Stamp) -> bool {
        self.woken == woken && woken.is_fine() && self.at.elapsed() < HOLDS
    }
}

impl Spool {
    /// Whether something of the whole spool is to be said: `true` if it was not said for `every`. That it is said now is
    /// noted in the file `note` of the spool; where it cannot be, it is said again.
    pub fn is_to_say(&self, note: &str, every: Duration, now: Micros) -> bool {
        let said = dir::open_file(&self.dir, note, dir::Open::Create).and_then(|file| {
            let mut text = String::new();
            io::Read::read_to_string(&mut io::Read::take(&file, 64), &mut text)?;
            Ok((file, text.trim().parse().ok().map(Micros)))
        });
        let Ok((file, said)) = said else { return true };
        if !reminder::is_due(said, every, now) {
            return false;
        }
        let write = || -> io::Result<()> {
            file.set_len(0)?;
            io::Seek::rewind(&mut &file)?;
            io::Write::write_all(&mut &file, format!("{}\n", now.0).as_bytes())
        };
        let _ = write();
        true
    }

    /// Forgets that something was said.
    pub fn forget_said(&self, note: &str) {
        let _ = dir::unlink(&self.dir, note);
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

    #[test]
    fn a_look_holds_until_the_queue_is_woken() {
        let at = Stamp::new;
        // From a time that has not come, so that none passes.
        let look = LookedAt { woken: at(5, 7), at: Instant::now() + Duration::from_secs(3_600) };
        assert!(look.holds(at(5, 7)));
        assert!(!look.holds(at(5, 8)) && !look.holds(at(6, 7)), "woken since");
        assert!(!LookedAt { woken: at(5, 0), ..look }.holds(at(5, 0)), "a file system of whole seconds");
        let old = LookedAt { at: Instant::now().checked_sub(HOLDS).expect("this host is up for longer"), ..look };
        assert!(!old.holds(at(5, 7)), "some time ago");
    }
}
