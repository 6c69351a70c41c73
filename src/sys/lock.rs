//! File locks: flock(2), held by the open file and let go when it is closed.
//!
//! Never unlock explicitly: a descriptor inherited over fork shares the lock, so an unlock would take it from everybody.

use std::fs::File;
use std::io;

/// Waits for the exclusive lock, whatever signals come meanwhile. Only for locks that are held for an instant.
pub fn exclusive(file: &File) -> io::Result<()> {
    loop {
        match fs2::FileExt::lock_exclusive(file) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Waits for the exclusive lock; `false` if a signal came first. With [`super::signals::Signals::tick`] one soon does.
pub fn await_exclusive(file: &File) -> io::Result<bool> {
    match fs2::FileExt::lock_exclusive(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes a shared lock if nobody holds the exclusive one; `false` if somebody does.
pub fn try_shared(file: &File) -> io::Result<bool> {
    taken(fs2::FileExt::try_lock_shared(file))
}

/// Takes the exclusive lock if nobody holds it; `false` if somebody does.
pub fn try_exclusive(file: &File) -> io::Result<bool> {
    taken(fs2::FileExt::try_lock_exclusive(file))
}

fn taken(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(false),
        Err(error) => Err(error),
    }
}
