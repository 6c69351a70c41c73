//! What the ledger's file is called, and which tables it has.

use rusqlite::Connection;

/// The file's name in the spool.
pub const FILE: &str = "state.db";
/// What SQLite keeps beside it while it is open, and after a crash.
pub(super) const WAL: &str = "state.db-wal";
/// The addresses that are suppressed, and they alone: whoever delivers looks for each recipient here, and these few pages stay
/// in his memory where those of the whole ledger would not.
pub(super) const SUPPRESSED: &str = "
DROP INDEX IF EXISTS suppressed;
CREATE INDEX suppressed ON address (address) WHERE suppressed IS NOT NULL;
";

pub(super) const TABLES: &str = "
CREATE TABLE address (
    address TEXT PRIMARY KEY,
    score REAL NOT NULL,
    at INTEGER NOT NULL,
    day INTEGER NOT NULL,
    of_day REAL NOT NULL,
    bounces INTEGER NOT NULL,
    suppressed INTEGER,
    why TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE bounce (
    entry TEXT NOT NULL,
    place INTEGER NOT NULL,
    at INTEGER NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    class TEXT NOT NULL,
    status TEXT,
    reply INTEGER,
    remote TEXT,
    text TEXT NOT NULL,
    message_id TEXT,
    PRIMARY KEY (entry, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX bounce_address ON bounce (address, at);
CREATE INDEX bounce_at ON bounce (at);
";

/// The layout that the file has.
pub(super) fn of(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}
