//! What is wrong with rows on disk.

use std::io;
use std::path::PathBuf;

use crate::model::Exit;
use crate::queue::QueueError;

/// Why rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    #[error("{}: cannot read: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: its rows are missing; restore the file from a copy", path.display())]
    Missing { path: PathBuf },
    /// None of its rows can be trusted.
    #[error("{}: {why}, so none of its rows can be used; restore the file from a copy", path.display())]
    Damaged { path: PathBuf, why: &'static str },
    /// One row alone.
    #[error("{}: row {at} of the entry is damaged ({why}); restore the file from a copy", path.display())]
    Row {
        path: PathBuf,
        /// Its place in the entry, counted from 0.
        at: u32,
        why: String,
    },
}

impl RowsError {
    pub fn exit(&self) -> Exit {
        match self {
            RowsError::Io { .. } | RowsError::Missing { .. } => Exit::IoErr,
            RowsError::Damaged { .. } | RowsError::Row { .. } => Exit::DataErr,
        }
    }

    pub(super) fn io(path: PathBuf) -> impl FnOnce(io::Error) -> RowsError {
        move |source| match source.kind() {
            io::ErrorKind::NotFound => RowsError::Missing { path },
            _ => RowsError::Io { path, source },
        }
    }
}

/// What cannot be written.
pub(super) fn unwritten(path: PathBuf) -> impl FnOnce(io::Error) -> QueueError {
    move |source| QueueError::Io { doing: "write rows", path, source }
}
