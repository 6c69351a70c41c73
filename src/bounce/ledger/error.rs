//! What is wrong with the ledger, and how to mend it.

use std::io;
use std::path::PathBuf;

use super::layout::{FILE, WAL};
use crate::model::Exit;
use crate::model::format::Newer;
use crate::sys::room;

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
    #[error("{}: {newer}", path.display())]
    Newer { path: PathBuf, newer: Newer },
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
