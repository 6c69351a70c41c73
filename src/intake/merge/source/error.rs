//! Why a source as a whole is not taken. What else it holds is unknown then, so none of its rows may be used.

use std::io;
use std::sync::Arc;

use rusqlite::ErrorCode;

use super::bounds;
use crate::model::{Exit, Reason};
use crate::queue::QueueError;
use crate::sys::process::Ended;

/// What is wrong with a source, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{what}: cannot open: {source}")]
    NoInput { what: Arc<str>, source: io::Error },
    #[error("{what}: cannot read behind row {row}: {source}")]
    Unreadable { what: Arc<str>, row: u64, source: io::Error },
    #[error("{what}: it changed while it was read; nothing was queued, so try again when nobody writes to it")]
    Changed { what: Arc<str> },
    #[error("{what}: this is {found}, and rows must be UTF-8; convert it with 'iconv -f UTF-16 -t UTF-8'")]
    Encoding { what: Arc<str>, found: &'static str },
    #[error("{what}: it is empty; its first line must name the columns")]
    Empty { what: Arc<str> },
    #[error("{what}: the columns' names: {why}")]
    Header { what: Arc<str>, why: String },
    #[error("{what}: a quote in row {row} is never closed; close it, or write a quote inside of a cell twice")]
    OpenQuote { what: Arc<str>, row: u64 },
    #[error(
        "{what}: in row {row} text stands behind a quote that closes a cell; look there for a stray quote, and write a quote \
         inside of a cell twice"
    )]
    BehindQuote { what: Arc<str>, row: u64 },
    #[error(
        "{what}: row {row} has no end within its bounds of {} bytes and {} cells; look for a quote that is never closed",
        bounds::ROW,
        bounds::COLUMNS
    )]
    NoEnd { what: Arc<str>, row: u64 },
    #[error("{what}: row {row} makes more than {} columns; give fewer", bounds::COLUMNS)]
    TooManyColumns { what: Arc<str>, row: u64 },
    #[error("{what}: row {row} is a line of more than {} bytes; JSON lines have one object a line", bounds::LINE)]
    NoLine { what: Arc<str>, row: u64 },
    #[error("{what}: this is one JSON array, and no JSON lines; convert it with \"jq -c '.[]'\"")]
    NoJsonLines { what: Arc<str> },
    #[error("{what}: {why}")]
    NoCommand { what: Arc<str>, why: &'static str },
    #[error("{what}: cannot start it: {source}; nothing was queued")]
    NotStarted { what: Arc<str>, source: io::Error },
    #[error("{what}: it ended with {ended}, so its rows are not used{}; nothing was queued", last_words(said))]
    Command {
        what: Arc<str>,
        ended: Ended,
        /// Its standard error, at most 64 KiB.
        said: String,
    },
    #[error("{what}: how it ended is not known ({source}), so its rows are not used; nothing was queued")]
    Lost { what: Arc<str>, source: io::Error },
    #[error("{what}: {why}")]
    NoDatabase { what: Arc<str>, why: String },
    #[error("{what}: the query: {why}")]
    Query { what: Arc<str>, why: String },
    #[error("{what}: cannot read behind row {row}: {source}")]
    Sql { what: Arc<str>, row: u64, source: rusqlite::Error },
}

/// The last line of a command's standard error, for the middle of a sentence: the reason stands there.
fn last_words(said: &str) -> String {
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    last.map_or_else(String::new, |line| format!(" ({})", Reason::new(line).text))
}

impl SourceError {
    /// The exit status that says it.
    pub fn exit(&self) -> Exit {
        match self {
            SourceError::NoInput { .. } => Exit::NoInput,
            SourceError::Unreadable { .. } => Exit::IoErr,
            SourceError::Changed { .. } => Exit::TempFail,
            SourceError::Encoding { .. }
            | SourceError::Empty { .. }
            | SourceError::Header { .. }
            | SourceError::OpenQuote { .. }
            | SourceError::BehindQuote { .. }
            | SourceError::NoEnd { .. }
            | SourceError::TooManyColumns { .. }
            | SourceError::NoLine { .. }
            | SourceError::NoJsonLines { .. }
            | SourceError::NoDatabase { .. }
            | SourceError::Query { .. } => Exit::DataErr,
            SourceError::NoCommand { .. } => Exit::Usage,
            SourceError::NotStarted { .. } => Exit::NoInput,
            // sysexits.h: the command asks to be tried again.
            SourceError::Command { ended: Ended::Exited(75), .. } => Exit::TempFail,
            SourceError::Command { .. } => Exit::Unavailable,
            SourceError::Lost { .. } => Exit::OsErr,
            SourceError::Sql { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Exit::TempFail,
                Some(ErrorCode::PermissionDenied) => Exit::NoPerm,
                Some(_) | None => Exit::IoErr,
            },
        }
    }
}

/// Why the reading of a source ended early: by itself, or because its rows could not be put away.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Spool(#[from] QueueError),
}

impl ReadError {
    /// Whether the source is not to blame.
    pub fn is_of_spool(&self) -> bool {
        match self {
            ReadError::Source(_) => false,
            ReadError::Spool(_) => true,
        }
    }

    /// Whether it is that something is missing where the source ends.
    pub fn is_of_end(&self) -> bool {
        matches!(self, ReadError::Source(SourceError::OpenQuote { .. } | SourceError::Empty { .. }))
    }

    pub fn exit(&self) -> Exit {
        match self {
            ReadError::Source(error) => error.exit(),
            ReadError::Spool(error) => error.exit(),
        }
    }
}
