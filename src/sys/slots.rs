//! At most so many holders at a time, over all processes: each holds the lock of one of N small files in a folder, which
//! the kernel lets go with its holder, however that one ends. No command that is started inherits it (close-on-exec).
//!
//! Who wants a slot waits in line for one more lock, the *turn*, and only its holder looks for a slot. So one that takes its
//! slots again and again, for a queue of a million, keeps nobody else waiting for the whole of it.

use std::fs::File;
use std::io;
use std::time::Duration;

use super::signals::Signals;
use super::{dir, lock};

/// How late whoever is first in line may notice that a slot is free.
const PAUSE: Duration = Duration::from_millis(5);

/// The slots of one name.
#[derive(Debug)]
pub struct Slots {
    folder: File,
    name: String,
    count: usize,
}

/// A slot that is taken, until this is dropped.
#[must_use = "a slot is free again as soon as this is dropped"]
#[derive(Debug)]
pub struct HeldSlot {
    _lock: File,
}

impl Slots {
    /// The slots `name.1` to `name.<count>` in `folder`; the files are made now, so that later there need be no room.
    pub fn open(folder: File, name: &str, count: usize) -> io::Result<Slots> {
        let slots = Slots { folder, name: name.to_owned(), count };
        slots.file("turn")?;
        for number in 1..=count {
            slots.file(&number.to_string())?;
        }
        Ok(slots)
    }

    fn file(&self, which: &str) -> io::Result<File> {
        dir::open_file(&self.folder, &format!("{}.{which}", self.name), dir::Open::ReadOrCreate)
    }

    /// Takes a slot, and waits while there is none as long as `go_on` says so, which is asked after each signal; `None` if
    /// it does not. The caller has [`Signals::tick`].
    pub fn take(&self, signals: &Signals, go_on: &dyn Fn() -> bool) -> io::Result<Option<HeldSlot>> {
        let turn = self.file("turn")?;
        while !lock::await_exclusive(&turn)? {
            if !go_on() {
                return Ok(None);
            }
        }
        loop {
            if let Some(slot) = self.free()? {
                return Ok(Some(slot));
            }
            if !go_on() {
                return Ok(None);
            }
            signals.wait(None, PAUSE)?;
        }
    }

    /// Whether somebody waits for one; on a fault it is supposed so.
    pub fn are_wanted(&self) -> bool {
        !self.file("turn").and_then(|turn| lock::try_exclusive(&turn)).unwrap_or(false)
    }

    /// A slot that nobody holds.
    fn free(&self) -> io::Result<Option<HeldSlot>> {
        for number in 1..=self.count {
            let file = self.file(&number.to_string())?;
            if lock::try_exclusive(&file)? {
                return Ok(Some(HeldSlot { _lock: file }));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_and_one_that_is_dropped_is_free_again() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let open = || Slots::open(dir::open(temp.path()).expect("opened"), "t", 2).expect("slots");
        let (ours, theirs) = (open(), open());
        let held = [ours.free().expect("no fault"), theirs.free().expect("no fault")];
        assert!(held.iter().all(Option::is_some));
        assert!(ours.free().expect("no fault").is_none() && theirs.free().expect("no fault").is_none());
        drop(held);
        assert!(theirs.free().expect("no fault").is_some());
    }
}
