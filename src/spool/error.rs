//! Names what the spool was doing, and to which file, when the system refused it.

use std::io;
use std::path::PathBuf;

use crate::queue::QueueError;

/// Adds to an `io::Error` what was being done, and where.
pub(super) fn io_at(doing: &'static str, path: PathBuf) -> impl FnOnce(io::Error) -> QueueError {
    move |source| QueueError::Io { doing, path, source }
}
