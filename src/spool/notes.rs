//! Small files, which are no mail: a queue's lock file, its heartbeat and other notes, and messages that nobody saw; and
//! the proof that a queue can be changed.

use std::fs::File;
use std::io;
use std::time::Duration;

use super::queue::SpoolQueue;
use super::root::Spool;
use crate::model::Micros;
use crate::policy::reminder;
use crate::queue::QueueError;
use crate::sys::{dir, fault, lock};

/// The most bytes of such messages that are kept.
const UNREPORTED_MAX: u64 = 64 << 10;

impl SpoolQueue {
    /// The queue's lock file, open and not locked.
    pub fn lock_file(&self) -> Result<File, QueueError> {
        dir::open_file(&self.dir, "lock", dir::Open::Create).map_err(self.failed("open", "lock"))
    }

    /// Replaces the small file `name` (the heartbeat `run.json`, `sink`) in one step. It is not synced: it tells of what
    /// goes on, and no mail depends on it.
    pub fn write_note(&self, name: &str, text: &str) -> Result<(), QueueError> {
        self.write_bytes(name, text.as_bytes())
    }

    /// The same for a file that is no text.
    pub(super) fn write_bytes(&self, name: &str, bytes: &[u8]) -> Result<(), QueueError> {
        let spare = format!("tmp/{}-{}", name.replace('/', "-"), std::process::id());
        let steps = || -> io::Result<()> {
            let file = dir::open_file(&self.dir, &spare, dir::Open::Create)?;
            file.set_len(0)?;
            io::Write::write_all(&mut &file, bytes)?;
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
    pub fn read_note(&self, name: &str) -> Result<Option<(String, std::time::SystemTime)>, QueueError> {
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

    /// When a small file was written; `None` if it is not there, or cannot be looked at.
    pub fn note_time(&self, name: &str) -> Option<Micros> {
        let stat = dir::stat(&self.dir, name).ok().flatten()?;
        Some(Micros(dir::Stamp::of(&stat).micros()))
    }

    /// Whether a small file is there, or that cannot be found out.
    pub fn has_note(&self, name: &str) -> bool {
        !matches!(dir::stat(&self.dir, name), Ok(None))
    }

    /// Removes a small file.
    pub fn remove_note(&self, name: &str) -> Result<(), QueueError> {
        dir::unlink(&self.dir, name).map_err(self.failed("remove", name))
    }

    /// The file for the messages of a run whose output nobody sees, open. Its lock is shared by those who write there, as
    /// long as they live.
    pub fn open_unreported(&self) -> Result<File, QueueError> {
        let steps = || -> io::Result<File> {
            let file = dir::open_file(&self.dir, "unheard", dir::Open::Append)?;
            if file.metadata()?.len() > UNREPORTED_MAX || !lock::try_shared(&file)? {
                return Err(io::ErrorKind::ResourceBusy.into());
            }
            Ok(file)
        };
        steps().map_err(self.failed("open", "unheard"))
    }

    /// The messages of runs that have ended and whose output nobody saw; they are removed here.
    pub fn take_unreported(&self) -> Option<String> {
        let mut file = dir::open_file(&self.dir, "unheard", dir::Open::ReadWrite).ok()?;
        if file.metadata().ok()?.len() == 0 || !lock::try_exclusive(&file).ok()? {
            return None;
        }
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(&mut file, 2 * UNREPORTED_MAX), &mut text).ok()?;
        file.set_len(0).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    /// Shows that this queue can be changed: makes, renames and removes a file. A spool that refuses this would let a
    /// run hand mail over that it cannot settle, minute after minute.
    pub fn prove(&self) -> Result<(), QueueError> {
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
