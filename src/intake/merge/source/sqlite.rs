//! A query in a SQLite database, which stays as it is, with all that lies beside it.
//!
//! | type | cell |
//! |---|---|
//! | NULL | NULL |
//! | INTEGER | its digits |
//! | REAL | at most 15 digits that count, as sqlite3(1) has it, but never with an exponent: `12.5`, `100.0`, `0.3` |
//! | TEXT, BLOB | the text; a blob that is not UTF-8 is a bad row, so have the query write it as `hex(x)` |
//!
//! What holds:
//! - The connection only reads, loads no extension, and lets the query be one SELECT.
//! - All rows are of one state of the database: that of the first look, when it was opened. Until the last row was read
//!   nobody can commit to a database with a rollback journal.
//! - With a write-ahead log SQLite itself would make files beside the database, in whose folder another user may need them,
//!   and take the log into it. So the shared memory of such a log is only read, and a database without one is read as if it
//!   could not change; that it did not is looked at in the end, as of a file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags, Rows, Statement};

use super::bad_row::BadRow;
use super::error::{ReadError, SourceError};
use super::row_source::{Each, RowSource};
use super::witness::Witness;
use super::{names, sqlite_cell};
use crate::model::{Columns, Row};
use crate::sys::{named, sqlite};

/// How long somebody else's commit is waited for.
const BUSY: Duration = Duration::from_secs(10);
/// The most bytes of a value, and of a row of a table, that SQLite brings into memory.
const LARGEST: i32 = 16 << 20;
/// A database's first bytes, and which of them says how it is read: 2 is by a write-ahead log ("Database File Format" of
/// SQLite, section 1.3).
const MAGIC: &[u8] = b"SQLite format 3\0";
const READ_VERSION: usize = 19;

/// An open database and its query.
#[derive(Debug)]
pub struct SqliteSource {
    what: Arc<str>,
    db: Connection,
    query: String,
    /// Of a database that nobody seems to have open.
    witness: Option<Witness>,
}

/// How a database is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By its locks.
    Plain,
    /// By a write-ahead log whose shared memory is read.
    ByLog,
    /// As if nobody could change it.
    Still,
}

impl SqliteSource {
    /// Opens the database at `path` for `query`, and begins to read: what is committed from now on is not seen.
    pub fn open(path: &Path, query: String) -> Result<SqliteSource, SourceError> {
        let what: Arc<str> = path.display().to_string().into();
        let no_input = |source| SourceError::NoInput { what: what.clone(), source };
        let (way, file) = look(&what, path)?;
        let witness = match way {
            Way::Still => Some(Witness::of(&file, Some(path.to_owned())).map_err(no_input)?),
            Way::Plain | Way::ByLog => None,
        };
        // SQLite's locks of a file would end whenever a descriptor of it is closed (fcntl(2)).
        drop(file);
        let full = path.canonicalize().map_err(no_input)?;
        let db = connect(&uri(&full, way)).map_err(|source| match way {
            Way::ByLog if is_locked_out(&source) => no_log(&what),
            Way::Plain | Way::ByLog | Way::Still => sql(&what, 0, source),
        })?;
        Ok(SqliteSource { what, db, query, witness })
    }

    fn read_rows(&self, each: &mut Each<'_>) -> Result<Columns, ReadError> {
        let what = &self.what;
        let query = |why: String| SourceError::Query { what: what.clone(), why };
        let mut statement = self.db.prepare(&self.query).map_err(|error| match error {
            rusqlite::Error::MultipleStatement => query("it has several statements; give one SELECT".to_owned()),
            rusqlite::Error::Empty => query("it is empty; give a SELECT".to_owned()),
            error => query(error.to_string()),
        })?;
        if statement.column_count() == 0 || !statement.readonly() {
            return Err(query("it gives no rows; give a SELECT, which changes nothing".to_owned()).into());
        }
        if statement.parameter_count() > 0 {
            return Err(
                query("it has a parameter, and no value comes with it; write the value itself".to_owned()).into()
            );
        }
        let columns = self.columns()?;
        let rows = statement.raw_query();
        self.each_row(rows, &columns, each)?;
        Ok(columns)
    }

    fn columns(&self) -> Result<Columns, SourceError> {
        let what = &self.what;
        let found = sqlite::column_names(&self.db, &self.query).map_err(|source| sql(what, 0, source))?;
        let text = |(at, name): (usize, Vec<u8>)| {
            let why = |_| format!("that of column {} is not UTF-8; name it with AS", at + 1);
            String::from_utf8(name).map_err(why).map_err(|why| SourceError::Header { what: what.clone(), why })
        };
        names::columns(what, found.into_iter().enumerate().map(text).collect::<Result<_, _>>()?)
    }

    fn each_row(&self, mut rows: Rows<'_>, columns: &Columns, each: &mut Each<'_>) -> Result<(), ReadError> {
        let mut number = 0;
        while let Some(row) = rows.next().map_err(|source| sql(&self.what, number, source))? {
            number += 1;
            let cells = sqlite_cell::cells(row, columns).map_err(|source| sql(&self.what, number, source))?;
            let row = cells.map(|cells| Row { number, cells });
            each(columns, row.map_err(|fault| BadRow::new(&self.what, number, fault, &[])))?;
        }
        Ok(())
    }
}

impl RowSource for SqliteSource {
    fn read(&mut self, each: &mut Each<'_>) -> Result<Columns, ReadError> {
        let read = self.read_rows(each);
        match &self.witness {
            Some(witness) => witness.judge(&self.what, read),
            None => read,
        }
    }
}

/// Which way the database at `path` is opened, and its file.
fn look(what: &Arc<str>, path: &Path) -> Result<(Way, File), SourceError> {
    let no_input = |source| SourceError::NoInput { what: what.clone(), source };
    let no_database = |why: &str| SourceError::NoDatabase { what: what.clone(), why: why.to_owned() };
    let file = named::open(path).map_err(no_input)?;
    let mut head = Vec::new();
    (&file).take(100).read_to_end(&mut head).map_err(no_input)?;
    if head.is_empty() {
        return Err(no_database("it is empty, and no database"));
    }
    if !head.starts_with(MAGIC) {
        return Err(no_database("this is no SQLite database; name a database, or leave out 'sqlite:'"));
    }
    if head.get(READ_VERSION) != Some(&2) {
        return Ok((Way::Plain, file));
    }
    // SQLite looks for them beside the file that a link leads to.
    let full = path.canonicalize().map_err(no_input)?;
    let size = |suffix| match beside(&full, suffix).metadata() {
        Ok(meta) => Ok(Some(meta.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(no_input(error)),
    };
    match (size("-wal")?, size("-shm")?) {
        (None | Some(0), _) => Ok((Way::Still, file)),
        (Some(_), Some(_)) => Ok((Way::ByLog, file)),
        (Some(_), None) => Err(no_log(what)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The database's name for SQLite, with how it is opened (sqlite.org/uri.html).
fn uri(path: &Path, way: Way) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_');
    let byte = |&b: &u8| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    let path: String = path.as_os_str().as_bytes().iter().map(byte).collect();
    let how = match way {
        Way::Plain => "",
        Way::ByLog => "&readonly_shm=1",
        Way::Still => "&immutable=1",
    };
    format!("file://{path}?mode=ro{how}")
}

/// Opens it and begins to read, so that all of its files are open and its state is fixed.
fn connect(uri: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(uri, flags)?;
    db.busy_timeout(BUSY)?;
    db.set_limit(Limit::SQLITE_LIMIT_LENGTH, LARGEST)?;
    db.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    // What its maker wrote into its schema must not run as anything but plain SQL.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    db.pragma_update(None, "query_only", true)?;
    db.execute_batch("BEGIN")?;
    let mut first: Statement<'_> = db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1")?;
    first.raw_query().next()?;
    drop(first);
    Ok(db)
}

/// Whether the log's shared memory cannot be used by one who only reads.
fn is_locked_out(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen))
}

fn no_log(what: &Arc<str>) -> SourceError {
    let why = "changes wait in its write-ahead log, and only who writes may read them; have its owner open it with sqlite3(1) \
               and run 'PRAGMA wal_checkpoint', or make a copy with '.backup'";
    SourceError::NoDatabase { what: what.clone(), why: why.to_owned() }
}

fn sql(what: &Arc<str>, row: u64, source: rusqlite::Error) -> SourceError {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            SourceError::NoDatabase { what: what.clone(), why: format!("{source}; restore it from a copy") }
        }
        Some(_) | None => SourceError::Sql { what: what.clone(), row, source },
    }
}

#[cfg(test)]
mod tests;
