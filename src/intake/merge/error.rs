//! Why a merge is not taken, in words that say what to do. Nothing of it was queued.

use std::io;
use std::path::PathBuf;

use super::source::error::{ReadError, SourceError};
use crate::bounce::ledger::LedgerError;
use crate::compose::{self, TemplateError};
use crate::intake::refused::{Failure, Refused};
use crate::model::Exit;
use crate::queue::QueueError;
use crate::spool::merge::attachment::MARK;

/// What is wrong with a merge.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Spool(#[from] QueueError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Files(#[from] compose::ReadError),
    #[error("{}: {error}", path.display())]
    Template { path: PathBuf, error: TemplateError },
    #[error("{what}: its column {MARK:?} has the name of one that bulkmailer adds; give it another name")]
    OwnColumn { what: String },
    #[error("the kernel has no random number for Message-IDs; nothing was queued, so try again later")]
    Random,
    #[error("{what}: it has no rows")]
    NoRows { what: String },
    #[error(
        "{what}: the template needs columns which it does not have: {columns}; name them in the data, or take them out"
    )]
    MissingColumns { what: String, columns: String },
    #[error(
        "{what}: {bad} of {rows} rows cannot be sent; correct them, or leave them out with --skip-bad; nothing was queued"
    )]
    BadRows { what: String, bad: u64, rows: u64 },
    #[error("{what}: none of its {rows} rows is left to be sent; nothing was queued")]
    NothingLeft { what: String, rows: u64 },
    #[error("{what}: there is no such row: {row}")]
    NoRow { what: String, row: String },
    #[error("{what}: row {number}: {why}")]
    BadRow { what: String, number: u64, why: String },
    #[error("{}: cannot make it: {error}; name one that is not there, where you may write", path.display())]
    CannotCreate { path: PathBuf, error: io::Error },
    #[error("{}: cannot write: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{}: the folder of the attachments cannot be opened by the spool's owner: {source}", path.display())]
    Attachments { path: PathBuf, source: io::Error },
    #[error("{}: the attachment of row {number} has changed since it was looked at; nothing was queued", path.display())]
    AttachmentChanged { path: PathBuf, number: u64 },
    #[error("a thread for rendering cannot be started: {0}; try again later")]
    Thread(io::Error),
}

impl From<Failure> for MergeError {
    fn from(failure: Failure) -> MergeError {
        match failure {
            Failure::Refused(refused) => refused.into(),
            Failure::Spool(error) => error.into(),
        }
    }
}

impl From<ReadError> for MergeError {
    fn from(error: ReadError) -> MergeError {
        match error {
            ReadError::Source(error) => error.into(),
            ReadError::Spool(error) => error.into(),
        }
    }
}

impl MergeError {
    /// The exit status that says it.
    pub fn exit(&self) -> Exit {
        match self {
            MergeError::Refused(refused) => refused.exit(),
            MergeError::Spool(error) => error.exit(),
            MergeError::Source(error) => error.exit(),
            MergeError::Ledger(error) => error.exit(),
            MergeError::Files(compose::ReadError::Io { .. }) => Exit::NoInput,
            MergeError::Attachments { .. } => Exit::NoInput,
            MergeError::Files(compose::ReadError::Refused { .. })
            | MergeError::Template { .. }
            | MergeError::NoRows { .. }
            | MergeError::OwnColumn { .. }
            | MergeError::MissingColumns { .. }
            | MergeError::BadRows { .. }
            | MergeError::NothingLeft { .. }
            | MergeError::NoRow { .. }
            | MergeError::BadRow { .. } => Exit::DataErr,
            MergeError::CannotCreate { .. } => Exit::CantCreate,
            MergeError::Write { .. } => Exit::IoErr,
            MergeError::AttachmentChanged { .. } => Exit::TempFail,
            MergeError::Thread(_) | MergeError::Random => Exit::OsErr,
        }
    }
}
