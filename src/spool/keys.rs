//! Ids that must count once: `keys/<hh>/<id>`, an empty file for each.
//!
//! An entry whose id follows from a key ([`EntryId::of_key`]) may be published many times, by a program that repeats its
//! submit or by a worker that was killed before it could note what it did. It is in the queue once, because it is
//! published under the lock of its key's file:
//! 1. the file is made where it is missing, and locked; its name must still lead to it, for the sweep removes old ones;
//! 2. mode 0400 is the mark: it was accepted, and there is nothing to do;
//! 3. else it is looked for in every state, and among the jobs: who published it may have been killed before the mark;
//! 4. it is published if it is nowhere, and the mark is set, which needs no space.
//!
//! Whoever removes such an entry sets the mark first, so it is never in no state without one. Where the file itself did
//! not survive a power cut, neither did the removal, and the entry is found.
//!
//! An adopted entry's key is of use only while its file may still lie in `drop/`: once the removal of that file is synced,
//! the adopter removes the key, and nobody makes it again. So whoever removes such an entry marks a key that is there, and
//! makes none.
//!
//! A lock here is held for as long as a publish takes, so it is waited for.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::queue::SpoolQueue;
use crate::model::{EntryId, Micros};
use crate::queue::QueueError;
use crate::sys::{dir, fault, lock};

/// The mode that says that an id was accepted.
const MARK: u32 = 0o400;

/// What was found under an id that counts once.
pub(super) enum Key {
    /// It was accepted before.
    Marked,
    /// It was not, and nobody else can publish it while this lives.
    Open(OpenKey),
}

/// The locked file of an id.
pub(super) struct OpenKey(File);

impl OpenKey {
    /// Says that the id was accepted.
    pub fn mark(&self) -> io::Result<()> {
        fault::point("key.mark")?;
        self.0.set_permissions(PermissionsExt::from_mode(MARK))
    }
}

/// The file of an id's key, relative to the queue's folder.
fn key_path(id: &EntryId) -> String {
    format!("keys/{:02x}/{id}", id.bucket())
}

impl SpoolQueue {
    /// Whether an entry of this id was published, whatever became of it. Who is about to publish it is not waited for.
    pub fn knows_key(&self, id: &EntryId) -> Result<bool, QueueError> {
        let path = key_path(id);
        let stat = dir::stat(&self.dir, &path).map_err(self.failed("look at", &path))?;
        Ok(stat.is_some_and(|stat| stat.st_mode & 0o7777 == MARK) || self.locate(id)?.is_some())
    }

    /// Locks the key of `id`, and finds out whether it was accepted.
    pub(super) fn key(&self, id: &EntryId) -> Result<Key, QueueError> {
        let path = key_path(id);
        let file = self.lock_named(&path, dir::Open::ReadOrCreate).map_err(self.failed("lock", &path))?;
        if is_marked(&file).map_err(self.failed("look at", &path))? {
            return Ok(Key::Marked);
        }
        let key = OpenKey(file);
        if self.locate(id)?.is_some() || self.standing(id)?.is_some() {
            // Without the mark it would only be looked for again.
            let _ = key.mark();
            return Ok(Key::Marked);
        }
        // It may have been removed since the first look, and then the mark was set before.
        let marked = is_marked(&key.0).map_err(self.failed("look at", &path))?;
        Ok(if marked { Key::Marked } else { Key::Open(key) })
    }

    /// Sets the mark of an id that counts once; for whoever removes its entry, and before. Nothing to do for any other.
    pub(super) fn mark_key(&self, id: &EntryId) -> io::Result<()> {
        if !id.counts_once() {
            return Ok(());
        }
        // Nobody is waited for: who holds the lock finds the entry that is about to be removed, or has just set the mark.
        let path = key_path(id);
        let file = match id.is_adopted() {
            false => self.open_made(&path, dir::Open::ReadOrCreate)?,
            true => match dir::open_file(&self.dir, &path, dir::Open::Read) {
                // Its file in drop/ is gone for good.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                other => other?,
            },
        };
        if is_marked(&file)? { Ok(()) } else { OpenKey(file).mark() }
    }

    /// Removes the key of an adopted entry, whose file in `drop/` is gone for good: its removal is synced. The key of any
    /// other id stays.
    pub(super) fn drop_key_of(&self, id: &EntryId) {
        if id.is_adopted() {
            // One that stays behind is the sweep's.
            let _ = dir::unlink(&self.dir, &key_path(id));
        }
    }

    /// Removes the key at `path` if it has not changed since `limit` and nobody holds it.
    pub(super) fn drop_key(&self, path: &str, limit: Micros) -> io::Result<bool> {
        let Some(stat) = dir::stat(&self.dir, path)? else { return Ok(false) };
        let changed = u64::try_from(stat.st_ctime).unwrap_or(0).saturating_mul(1_000_000);
        if changed >= limit.0 {
            return Ok(false);
        }
        let file = dir::open_file(&self.dir, path, dir::Open::Read)?;
        let ours = lock::try_exclusive(&file)? && self.is_named(&file, path)?;
        if ours {
            dir::unlink(&self.dir, path)?;
        }
        Ok(ours)
    }
}

fn is_marked(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.mode() & 0o7777 == MARK)
}
