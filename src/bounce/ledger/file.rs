//! The ledger's file: what there is of one, and how one begins. It is made in memory, written to a file without a name,
//! synced, linked to its name, never over another, and the folder is synced. A process that is killed on the way leaves
//! nothing or a whole ledger; of several that make one at once one does, and the others find it.
//!
//! Where files need a name, one that is killed leaves `.state.db-PID`, which the next one removes.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use rusqlite::{Connection, MAIN_DB};

use super::error::LedgerError;
use super::layout::{FILE, SUPPRESSED, TABLES, WAL};
use crate::model::Format;
use crate::sys::durable::Unnamed;
use crate::sys::{dir, fault, process};

/// What a file is called while it is written, where it needs a name; the process follows.
const SPARE: &str = ".state.db-";
/// The bytes of a database's header that say who may write and read it, and their value for a write-ahead log
/// (SQLite's "Database File Format", section 1.3.3).
const VERSIONS: std::ops::Range<usize> = 18..20;
const WITH_LOG: u8 = 2;

/// What there is of a ledger.
pub(super) enum Size {
    Nothing,
    /// Changes to a ledger that is not there.
    WalAlone,
    Bytes(u64),
}

/// Looks at the files in `folder`. Whoever makes a ledger links it whole, and only then can it have changes: so a ledger that
/// is missing, also after its changes were seen, is missing.
pub(super) fn size(folder: &Path) -> io::Result<Size> {
    let folder = dir::open(folder)?;
    let look = || match dir::open_file(&folder, FILE, dir::Open::ReadWrite) {
        Ok(file) => Ok(Some(Size::Bytes(file.metadata()?.len()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    if let Some(size) = look()? {
        return Ok(size);
    }
    match dir::stat(&folder, WAL)? {
        Some(wal) if wal.st_size > 0 => Ok(look()?.unwrap_or(Size::WalAlone)),
        Some(_) | None => Ok(Size::Nothing),
    }
}

/// Makes the ledger of the spool at `spool`, unless there is one.
pub(super) fn make(spool: &Path) -> Result<(), LedgerError> {
    let path = spool.join(FILE);
    let image = image().map_err(|source| LedgerError::Sql { path: path.clone(), source })?;
    publish(spool, &image).map_err(|source| LedgerError::NoLedger { path, source })
}

/// The bytes of a ledger that knows nobody.
fn image() -> rusqlite::Result<Vec<u8>> {
    let mut db = Connection::open_in_memory()?;
    db.execute_batch(TABLES)?;
    db.execute_batch(SUPPRESSED)?;
    db.pragma_update(None, "user_version", Format::Ledger.number())?;
    let mut bytes = db.serialize(MAIN_DB)?.to_vec();
    // A database in memory has no log, so it cannot be asked for one.
    if let Some(versions) = bytes.get_mut(VERSIONS) {
        versions.fill(WITH_LOG);
    }
    Ok(bytes)
}

fn publish(spool: &Path, image: &[u8]) -> io::Result<()> {
    let folder = dir::open(spool)?;
    clear(&folder);
    let spare = format!("{SPARE}{}", std::process::id());
    fault::point("ledger.create")?;
    let new = Unnamed::create(&folder, ".", &spare)?;
    let written =
        new.file().write_all(image).and_then(|()| fault::point("ledger.written")).and_then(|()| new.file().sync_all());
    if let Err(error) = written {
        new.discard(&folder);
        return Err(error);
    }
    match new.link(&folder, FILE) {
        Ok(_) => {}
        // Another process was first. Where files need a name, ours is still there.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => clear_one(&folder, &spare),
        Err(error) => return Err(error),
    }
    fault::instant("ledger.linked");
    folder.sync_all()
}

/// Removes what killed processes left.
fn clear(folder: &File) {
    for name in dir::Names::open(folder, ".").into_iter().flatten().flatten() {
        let pid = name.strip_prefix(SPARE).and_then(|pid| pid.parse().ok());
        if pid.is_some_and(|pid| !process::exists(pid)) {
            clear_one(folder, &name);
        }
    }
}

fn clear_one(folder: &File, name: &str) {
    // If this fails the next one does it.
    let _ = dir::unlink(folder, name);
}

#[cfg(test)]
mod tests {
    use super::super::database::Ledger;
    use super::*;

    #[test]
    fn a_new_ledger_is_whole_before_it_has_its_name() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(temp.path().join(FILE), image().expect("a ledger")).expect("written");
        let ledger = Ledger::existing(temp.path()).expect("no fault").expect("a ledger");
        let mode: String = ledger.db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).expect("a mode");
        let checked: String = ledger.db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
        assert_eq!((mode.as_str(), checked.as_str()), ("wal", "ok"));
    }

    #[test]
    fn what_a_killed_maker_left_is_removed_and_a_ledger_is_not_replaced() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let (dead, alive) = (temp.path().join(".state.db-4194304"), temp.path().join(".state.db-1"));
        std::fs::write(&dead, "half").and_then(|()| std::fs::write(&alive, "half")).expect("written");
        std::fs::write(temp.path().join(FILE), "another's").expect("written");
        publish(temp.path(), b"ours").expect("no fault");
        assert_eq!(std::fs::read(temp.path().join(FILE)).expect("a file"), b"another's");
        assert!(!dead.exists() && alive.exists());
    }
}
