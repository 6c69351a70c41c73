//! The ledger: who bounced, when and why, what that weighs, and who gets no more mail. It is the spool's `state.db`.
//!
//! Kept true:
//! - What [`Ledger::record`] returned without an error survives a power cut (WAL, synced at each commit).
//! - A report counts once, however often it is recorded: it is known by the entry that it came in, and its place there.
//! - An address is one whatever the case of its letters.
//! - Whoever finds the file finds a whole ledger: it is made without a name, synced, and linked, never over another, by
//!   [`file`]. So a file that is empty or has no layout is damage, and so is a `state.db-wal` without it. What is damaged is
//!   reported with what to do, and says nothing of anybody: mail waits. Only where there is neither is nobody suppressed.
//! - Bounce workers and commands write; workers that deliver only read, and hold no lock between two questions. But an older
//!   layout is brought up to date by whoever opens it first.
//!
//! SQLite's locks belong to a process: nobody opens it before he forks.

mod ask;
mod file;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

pub use self::ask::{Count, Filter, Recorded, Standing};
use super::{Action, Reading, Report};
use crate::model::{Address, Exit, Micros};
use crate::policy::score::{Rules, Score};
use crate::sys::{room, sqlite};

/// The file's name in the spool.
pub const FILE: &str = "state.db";
/// What SQLite keeps beside it while it is open, and after a crash.
const WAL: &str = "state.db-wal";
/// The layout that this program writes; a newer one is refused.
const LAYOUT: i64 = 2;
/// How long somebody else's commit is waited for.
const BUSY: Duration = Duration::from_secs(60);
/// So many reports that are too old go with each commit, so that none has much to do.
const PRUNED: usize = 500;

/// The addresses that are suppressed, and they alone: whoever delivers looks for each recipient here, and these few pages stay
/// in his memory where those of the whole ledger would not.
const SUPPRESSED: &str = "
DROP INDEX IF EXISTS suppressed;
CREATE INDEX suppressed ON address (address) WHERE suppressed IS NOT NULL;
";

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("{}: {source}", path.display())]
    Sql { path: PathBuf, source: rusqlite::Error },
    #[error("{}: cannot open: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: cannot make the ledger: {source}", path.display())]
    NoLedger { path: PathBuf, source: io::Error },
    #[error("{}: cannot write: {source}", path.display())]
    NoRoom { path: PathBuf, source: io::Error },
    #[error(
        "{}: the ledger is damaged ({why}), so nobody knows who is suppressed: restore it from a copy, or, while no run is \
         at work, remove {FILE}, {WAL} and {FILE}-shm, which forgets everybody",
        path.display()
    )]
    Damaged { path: PathBuf, why: String },
    #[error("{}: this ledger has layout {found}, and this bulkmailer knows layouts up to {LAYOUT}; use the newer one", path.display())]
    Newer { path: PathBuf, found: i64 },
}

impl LedgerError {
    /// The exit status that says it.
    pub fn exit(&self) -> Exit {
        use rusqlite::ErrorCode;
        match self {
            LedgerError::Sql { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Exit::TempFail,
                Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => Exit::NoPerm,
                Some(_) | None => Exit::IoErr,
            },
            LedgerError::Io { source, .. } | LedgerError::NoLedger { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => Exit::NoPerm,
                _ if room::is_lacking(source) => Exit::TempFail,
                _ => Exit::IoErr,
            },
            LedgerError::NoRoom { .. } => Exit::TempFail,
            LedgerError::Damaged { .. } => Exit::IoErr,
            LedgerError::Newer { .. } => Exit::Config,
        }
    }
}

/// Who gets no more mail, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    pub address: String,
    pub since: Micros,
    pub why: String,
}

/// A message of the bounce queue that was read.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub entry: &'a str,
    pub at: Micros,
    pub reading: &'a Reading,
}

/// What became of one report.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub score: f64,
    pub suppressed: bool,
    /// By this report, also if it is recorded again: whoever was to be told may not have been.
    pub newly: bool,
}

/// The open ledger.
#[derive(Debug)]
pub struct Ledger {
    db: Connection,
    path: PathBuf,
}

/// An address as the ledger has it.
fn key(address: &Address) -> String {
    address.as_str().to_lowercase()
}

fn whole(micros: Micros) -> i64 {
    i64::try_from(micros.0).unwrap_or(i64::MAX)
}

fn micros(whole: i64) -> Micros {
    Micros(u64::try_from(whole).unwrap_or(0))
}

impl Ledger {
    /// Opens the ledger of the spool at `spool`, and makes it where it is missing.
    pub fn open(spool: &Path) -> Result<Ledger, LedgerError> {
        if let Some(ledger) = Self::existing(spool)? {
            return Ok(ledger);
        }
        file::make(spool)?;
        let missing = || LedgerError::Io { path: spool.join(FILE), source: io::ErrorKind::NotFound.into() };
        Self::existing(spool)?.ok_or_else(missing)
    }

    /// Opens the ledger, if there is one.
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
        let mut ledger = Ledger { db, path: path.clone() };
        let found = ledger.prepare().map_err(ledger.failed())?;
        match found {
            ..1 => return Err(damaged("it has no layout")),
            LAYOUT => {}
            1..LAYOUT => ledger.renew()?,
            _ => return Err(LedgerError::Newer { path, found }),
        }
        Ok(Some(ledger))
    }

    /// Sets what holds for a connection; the layout that the file has.
    fn prepare(&self) -> rusqlite::Result<i64> {
        self.db.busy_timeout(BUSY)?;
        let found = layout(&self.db)?;
        self.db.pragma_update(None, "synchronous", "full")?;
        Ok(found)
    }

    /// Brings a ledger of an older layout up to date, unless somebody else has done so meanwhile.
    fn renew(&mut self) -> Result<(), LedgerError> {
        self.change(|db| {
            if layout(db)? < LAYOUT {
                db.execute_batch(SUPPRESSED)?;
                db.pragma_update(None, "user_version", LAYOUT)?;
            }
            Ok(())
        })
    }

    /// What SQLite's errors are here.
    fn failed(&self) -> impl Fn(rusqlite::Error) -> LedgerError + use<'_> {
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
    fn change<T>(&mut self, steps: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        let changed = self.db.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|change| {
            let result = steps(&change)?;
            change.commit()?;
            Ok(result)
        });
        changed.map_err(self.failed())
    }

    /// Records what messages report, in one step. Reports that are older than `keep` go. For each item, what became of its
    /// reports, in their order.
    pub fn record(
        &mut self,
        items: &[Item<'_>],
        rules: &Rules,
        keep: Duration,
    ) -> Result<Vec<Vec<Outcome>>, LedgerError> {
        self.change(|db| {
            let mut outcomes = Vec::with_capacity(items.len());
            for item in items {
                let reports = item.reading.reports.iter().enumerate();
                let each = reports.map(|(place, report)| record_one(db, item, place, report, rules));
                outcomes.push(each.collect::<rusqlite::Result<Vec<_>>>()?);
            }
            if let Some(last) = items.iter().map(|item| item.at).max() {
                let keep = u64::try_from(keep.as_micros()).unwrap_or(u64::MAX);
                let old = whole(Micros(last.0.saturating_sub(keep)));
                db.prepare_cached(
                    "DELETE FROM bounce WHERE (entry, place) IN (SELECT entry, place FROM bounce WHERE at < ?1 LIMIT ?2)",
                )?
                .execute(params![old, PRUNED as i64])?;
            }
            Ok(outcomes)
        })
    }

    /// Since when `address` gets no more mail, and why.
    pub fn suppression(&self, address: &Address) -> Result<Option<Suppression>, LedgerError> {
        Ok(self.suppressed_among([(0, address)])?.pop().map(|(_, found)| found))
    }

    /// Those of `addresses`, each with its place, who get no more mail: one look at the ledger for all.
    pub fn suppressed_among<'a>(
        &self,
        addresses: impl IntoIterator<Item = (usize, &'a Address)>,
    ) -> Result<Vec<(usize, Suppression)>, LedgerError> {
        let look = || -> rusqlite::Result<Vec<(usize, Suppression)>> {
            // The lock is taken once.
            let look = self.db.unchecked_transaction()?;
            let mut ask = look.prepare_cached(
                "SELECT address, suppressed, why FROM address INDEXED BY suppressed \
                 WHERE address = ?1 AND suppressed IS NOT NULL",
            )?;
            let mut found = Vec::new();
            for (place, address) in addresses {
                if let Some(one) = ask.query_row([key(address)], suppression).optional()? {
                    found.push((place, one));
                }
            }
            Ok(found)
        };
        look().map_err(self.failed())
    }

    /// Sets `addresses` on the list; those that are on it stay as they are. Returns how many are new.
    pub fn suppress(&mut self, addresses: &[(Address, Micros, String)]) -> Result<u64, LedgerError> {
        self.change(|db| {
            let mut new = 0;
            for (address, since, why) in addresses {
                new += suppress(db, &key(address), *since, why)?;
            }
            Ok(new)
        })
    }

    /// Takes `addresses` off the list, and begins their accounts anew. Returns how many were on it.
    pub fn release(&mut self, addresses: &[Address]) -> Result<u64, LedgerError> {
        self.change(|db| {
            let mut released = 0;
            let mut put = db.prepare_cached(
                "UPDATE address SET suppressed = NULL, why = NULL, score = 0, of_day = 0 \
                 WHERE address = ?1 AND suppressed IS NOT NULL",
            )?;
            for address in addresses {
                released += put.execute([key(address)])? as u64;
            }
            Ok(released)
        })
    }
}

fn layout(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn suppression(row: &rusqlite::Row<'_>) -> rusqlite::Result<Suppression> {
    let why: Option<String> = row.get(2)?;
    Ok(Suppression { address: row.get(0)?, since: micros(row.get(1)?), why: why.unwrap_or_default() })
}

fn score(row: &rusqlite::Row<'_>) -> rusqlite::Result<Score> {
    let day: i64 = row.get(2)?;
    Ok(Score { value: row.get(0)?, at: micros(row.get(1)?), day: u64::try_from(day).unwrap_or(0), of_day: row.get(3)? })
}

/// Sets an address on the list, if it is not there; 1 if it is new.
fn suppress(db: &Transaction<'_>, address: &str, since: Micros, why: &str) -> rusqlite::Result<u64> {
    let changed = db
        .prepare_cached(
            "INSERT INTO address (address, score, at, day, of_day, bounces, suppressed, why) \
             VALUES (?1, 0, 0, 0, 0, 0, ?2, ?3) \
             ON CONFLICT (address) DO UPDATE SET suppressed = ?2, why = ?3 WHERE suppressed IS NULL",
        )?
        .execute(params![address, whole(since), why])?;
    Ok(changed as u64)
}

fn record_one(
    db: &Transaction<'_>,
    item: &Item<'_>,
    place: usize,
    report: &Report,
    rules: &Rules,
) -> rusqlite::Result<Outcome> {
    let (address, at) = (key(&report.recipient), item.at);
    let new = db
        .prepare_cached(
            "INSERT OR IGNORE INTO bounce (entry, place, at, address, action, class, status, reply, remote, text, message_id) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            item.entry,
            place as i64,
            whole(at),
            address,
            report.action.name(),
            report.class.name(),
            report.status,
            report.reply,
            report.remote,
            report.text,
            item.reading.message_id,
        ])?
        == 1;
    let mut ask =
        db.prepare_cached("SELECT score, at, day, of_day, bounces, suppressed FROM address WHERE address = ?1")?;
    let known = ask
        .query_row([&address], |row| Ok((score(row)?, row.get::<_, i64>(4)?, row.get::<_, Option<i64>>(5)?)))
        .optional()?;
    let (before, bounces, since) = known.unwrap_or_default();
    let suppressed = since.is_some();
    let weight = report.weight(rules);
    if !new || weight.is_none() {
        let mut ask = db.prepare_cached("SELECT at FROM bounce WHERE entry = ?1 AND place = ?2")?;
        let first: Option<i64> = ask.query_row(params![item.entry, place as i64], |row| row.get(0)).optional()?;
        let newly = !new && suppressed && weight.is_some() && first == since;
        return Ok(Outcome { score: before.faded(at, rules), suppressed, newly });
    }
    let after = before.with(weight.unwrap_or(0.0), at, rules);
    db.prepare_cached(
        "INSERT INTO address (address, score, at, day, of_day, bounces) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (address) DO UPDATE SET score = ?2, at = ?3, day = ?4, of_day = ?5, bounces = ?6",
    )?
    .execute(params![
        address,
        after.value,
        whole(after.at),
        i64::try_from(after.day).unwrap_or(0),
        after.of_day,
        bounces + 1
    ])?;
    let enough = report.action == Action::Complaint || after.value >= rules.threshold;
    let newly = enough && !suppressed && suppress(db, &address, at, &report.why())? == 1;
    Ok(Outcome { score: after.value, suppressed: suppressed || newly, newly })
}
