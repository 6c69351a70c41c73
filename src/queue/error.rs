//! Why storage could not do what it was asked for, and the exit status that says it.

use std::io;
use std::path::PathBuf;

use crate::model::Exit;
use crate::model::format::Newer;
use crate::sys::room;

/// Why storage could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("{}: cannot {doing}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{}: {why}", path.display())]
    Corrupt { path: PathBuf, why: String },
    #[error("{}: {newer}", path.display())]
    Newer { path: PathBuf, newer: Newer },
    #[error("{}: this is no spool ({why}); name another with --spool", path.display())]
    NotASpool { path: PathBuf, why: &'static str },
    #[error("{}: {why}", path.display())]
    NotYet { path: PathBuf, why: String },
    #[error("{}: {why}", path.display())]
    Shut { path: PathBuf, why: String },
    #[error("a batch holds at most {0} entries")]
    BatchFull(usize),
}

impl QueueError {
    /// The exit status that says it: the disk (74), the configuration (78), or no room and no right (75, 77).
    pub fn exit(&self) -> Exit {
        match self {
            QueueError::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => Exit::NoPerm,
                _ if room::is_lacking(source) => Exit::TempFail,
                _ => Exit::IoErr,
            },
            QueueError::Corrupt { .. } => Exit::DataErr,
            QueueError::Newer { .. } | QueueError::NotASpool { .. } => Exit::Config,
            QueueError::NotYet { .. } => Exit::TempFail,
            QueueError::Shut { .. } => Exit::NoPerm,
            QueueError::BatchFull(_) => Exit::Software,
        }
    }

    /// Whether a newer program wrote what was to be read.
    pub fn is_newer(&self) -> bool {
        match self {
            QueueError::Newer { .. } => true,
            QueueError::Io { source, .. } => source.get_ref().is_some_and(|source| source.is::<Newer>()),
            QueueError::Corrupt { .. }
            | QueueError::NotASpool { .. }
            | QueueError::NotYet { .. }
            | QueueError::Shut { .. }
            | QueueError::BatchFull(_) => false,
        }
    }

    /// Whether there is no room for what was to be written.
    pub fn lacks_room(&self) -> bool {
        match self {
            QueueError::Io { source, .. } => room::is_lacking(source),
            QueueError::Corrupt { .. }
            | QueueError::Newer { .. }
            | QueueError::NotASpool { .. }
            | QueueError::NotYet { .. }
            | QueueError::Shut { .. }
            | QueueError::BatchFull(_) => false,
        }
    }
}
