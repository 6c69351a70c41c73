//! What the spool could not do, and which file that is about.

use std::io;
use std::path::PathBuf;

use crate::queue::QueueError;

/// The spool's errors are those of a queue.
pub type SpoolError = QueueError;

/// What an `io::Error` was about; turns it into a [`SpoolError`].
pub(super) fn io_at(doing: &'static str, path: PathBuf) -> impl FnOnce(io::Error) -> SpoolError {
    move |source| SpoolError::Io { doing, path, source }
}
