//! What SQLite knows and its safe interface does not tell.

use std::ffi::{CStr, CString};
use std::io;
use std::ptr;

use rusqlite::{Connection, ffi};

/// The error of the system call that made the last call on `db` fail, as far as it was one that failed: SQLite has codes of
/// its own for a full disk and none for a quota or a limit on the size of files.
pub fn system_error(db: &Connection) -> io::Error {
    // SAFETY: the handle is open as long as `db` lives, and the call reads one number of it.
    io::Error::from_raw_os_error(unsafe { ffi::sqlite3_system_errno(db.handle()) })
}

/// The names of the columns that `query` gives, whatever their bytes: the safe interface panics at one that is not UTF-8.
pub fn column_names(db: &Connection, query: &str) -> rusqlite::Result<Vec<Vec<u8>>> {
    let query = CString::new(query)?;
    let mut statement = ptr::null_mut();
    // SAFETY: the handle is open as long as `db` lives, which one thread uses; the query ends in a NUL; SQLite writes a
    // statement or null.
    let code = unsafe { ffi::sqlite3_prepare_v2(db.handle(), query.as_ptr(), -1, &raw mut statement, ptr::null_mut()) };
    if code != ffi::SQLITE_OK {
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    }
    // SAFETY: the statement is ours until it is finalized, and null is allowed in each call; a name lives until then and
    // ends in a NUL, or is null where memory lacks.
    unsafe {
        let name = |at| {
            let name = ffi::sqlite3_column_name(statement, at);
            if name.is_null() { Vec::new() } else { CStr::from_ptr(name).to_bytes().to_vec() }
        };
        let names = (0..ffi::sqlite3_column_count(statement)).map(name).collect();
        ffi::sqlite3_finalize(statement);
        Ok(names)
    }
}
