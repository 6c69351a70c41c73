//! What SQLite knows and its safe interface does not tell.

use std::io;

use rusqlite::{Connection, ffi};

/// The error of the system call that made the last call on `db` fail, as far as it was one that failed: SQLite has codes of
/// its own for a full disk and none for a quota or a limit on the size of files.
pub fn system_error(db: &Connection) -> io::Error {
    // SAFETY: the handle is open as long as `db` lives, and the call reads one number of it.
    io::Error::from_raw_os_error(unsafe { ffi::sqlite3_system_errno(db.handle()) })
}
