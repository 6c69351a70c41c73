//! The open ledger: a change is everything or nothing, and durable when it returns.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::LedgerError;
use super::file;
use super::layout::{self, FILE, SUPPRESSED};
use crate::model::format::{Age, Format};
use crate::sys::{room, sqlite};

/// How long somebody else's commit is waited for.
const BUSY: Duration = Duration::from_secs(60);

/// The open ledger.
#[derive(Debug)]
pub struct Ledger {
    pub(super) db: Connection,
    path: PathBuf,
    /// Of the layout that was found.
    pub(super) age: Age,
}

impl Ledger {
    /// Opens the ledger of the spool at `spool` to change it, and makes it where it is missing.
    pub fn open(spool: &Path) -> Result<Ledger, LedgerError> {
        if let Some(ledger) = Self::existing_to_change(spool)? {
            return Ok(ledger);
        }
        file::make(spool)?;
        let missing = || LedgerError::Io { path: spool.join(FILE), source: io::ErrorKind::NotFound.into() };
        Self::existing_to_change(spool)?.ok_or_else(missing)
    }

    /// Opens the ledger to change it, if there is one. An older layout is brought up to date.
    pub fn existing_to_change(spool: &Path) -> Result<Option<Ledger>, LedgerError> {
        let Some(mut ledger) = Self::existing(spool)? else { return Ok(None) };
        if ledger.age == Age::Older {
            ledger.renew()?;
        }
        Ok(Some(ledger))
    }

    /// Opens the ledger to look at it, if there is one. It stays as it is: an older layout lacks an index, and no table.
    pub fn existing(spool: &Path) -> Result<Option<Ledger>, LedgerError> {
        let path = spool.join(FILE);
        let io = |source| LedgerError::Io { path: path.clone(), source };
        // SQLite refuses any link on the way; the spool itself may lie behind one, and its file may be none.
        let folder = match spool.canonicalize() {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let damaged = |why: &str| LedgerError::Damaged { path: path.clone(), why: why.to_owned() };
        match file::size(&folder).map_err(io)? {
            file::Size::Nothing => return Ok(None),
            file::Size::WalAlone => return Err(damaged("it is not there, and state.db-wal is")),
            file::Size::Bytes(0) => return Err(damaged("it is empty")),
            file::Size::Bytes(_) => {}
        }
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let sql = |source| LedgerError::Sql { path: path.clone(), source };
        let db = Connection::open_with_flags(folder.join(FILE), flags).map_err(sql)?;
        let mut ledger = Ledger { db, path: path.clone(), age: Age::Current };
        let found = ledger.prepare().map_err(ledger.failed())?;
        let found = u64::try_from(found).ok().filter(|&found| found > 0).ok_or_else(|| damaged("it has no layout"))?;
        ledger.age = Format::Ledger.age(found).map_err(|newer| LedgerError::Newer { path, newer })?;
        Ok(Some(ledger))
    }

    /// Sets what holds for a connection; the layout that the file has.
    fn prepare(&self) -> rusqlite::Result<i64> {
        self.db.busy_timeout(BUSY)?;
        let found = layout::of(&self.db)?;
        self.db.pragma_update(None, "synchronous", "full")?;
        Ok(found)
    }

    /// Brings a ledger of an older layout up to date, unless somebody else has done so meanwhile.
    fn renew(&mut self) -> Result<(), LedgerError> {
        self.change(|db| {
            let number = Format::Ledger.number();
            if layout::of(db)? < i64::from(number) {
                db.execute_batch(SUPPRESSED)?;
                db.pragma_update(None, "user_version", number)?;
            }
            Ok(())
        })?;
        self.age = Age::Current;
        Ok(())
    }

    /// What SQLite's errors are here.
    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> LedgerError + use<'_> {
        use rusqlite::ErrorCode;
        |source| {
            let path = self.path.clone();
            match source.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    LedgerError::Damaged { path, why: source.to_string() }
                }
                Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => match sqlite::system_error(&self.db) {
                    error if room::is_lacking(&error) => LedgerError::NoRoom { path, source: error },
                    _ => LedgerError::Sql { path, source },
                },
                Some(_) | None => LedgerError::Sql { path, source },
            }
        }
    }

    /// One change of everything or nothing, durable when this returns.
    pub(super) fn change<T>(
        &mut self,
        steps: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let changed = self.db.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|change| {
            let result = steps(&change)?;
            change.commit()?;
            Ok(result)
        });
        changed.map_err(self.failed())
    }
}
