//! Names what the spool was doing, and to which file, when the system refused it, or when a newer program had written there.

use std::io;
use std::path::PathBuf;

use crate::model::format::Newer;
use crate::queue::QueueError;

/// Adds to an `io::Error` what was being done, and where. One that carries a [`Newer`] becomes that.
pub(super) fn io_at(doing: &'static str, path: PathBuf) -> impl FnOnce(io::Error) -> QueueError {
    move |source| match source.get_ref().and_then(|inner| inner.downcast_ref::<Newer>()) {
        Some(newer) => QueueError::Newer { path, newer: newer.clone() },
        None => QueueError::Io { doing, path, source },
    }
}
