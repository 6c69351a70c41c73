//! A message as a claim gives it to a transport.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::error::QueueError;
use crate::model::{Reason, Verdict};

/// A message ready to be handed over.
#[derive(Clone, Debug)]
pub struct Message {
    content: Content,
    /// Bytes of header and body.
    pub len: u64,
    /// Its header is known to need SMTPUTF8 (RFC 6532).
    pub utf8: bool,
}

/// Where a message's bytes are.
#[derive(Clone, Debug)]
pub enum Content {
    /// A description of its own, positioned at the first byte; or, where that was asked for, the claim's, which is read by
    /// position alone and given to nobody. `start` is where in the file the first byte is.
    File { file: Arc<File>, start: u64 },
    /// In this process, for one who reads by position; `start` is where in the bytes the first one is.
    Memory { bytes: Arc<Vec<u8>>, start: u64 },
}

impl Message {
    /// The `len` bytes of `file` from `start` on.
    pub fn of_file(file: Arc<File>, start: u64, len: u64) -> Message {
        Message { content: Content::File { file, start }, len, utf8: false }
    }

    /// The `len` bytes of `bytes` from `start` on.
    pub fn of_memory(bytes: Arc<Vec<u8>>, start: u64, len: u64) -> Message {
        Message { content: Content::Memory { bytes, start }, len, utf8: false }
    }

    /// The same, whose header needs SMTPUTF8 if `utf8`.
    pub fn with_utf8(self, utf8: bool) -> Message {
        Message { utf8, ..self }
    }

    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Its file, to be given away.
    ///
    /// Errors: it was asked for by one who reads by position, and has none.
    pub fn file(&self) -> io::Result<&Arc<File>> {
        match &self.content {
            Content::File { file, .. } => Ok(file),
            Content::Memory { .. } => Err(io::Error::other("internal fault: the message has no file")),
        }
    }

    /// Reads from `at` bytes behind its beginning on. Returns how many bytes came; 0 only at the end of the file.
    pub fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        match &self.content {
            Content::File { file, start } => file.read_at(bytes, start.saturating_add(at)),
            Content::Memory { .. } => {
                let left = self.held_from(at);
                let len = left.len().min(bytes.len());
                bytes[..len].copy_from_slice(&left[..len]);
                Ok(len)
            }
        }
    }

    /// What is in memory from `at` bytes behind its beginning on; nothing, if it is in a file.
    pub fn held_from(&self, at: u64) -> &[u8] {
        let Content::Memory { bytes, start } = &self.content else { return &[] };
        let place = |at: u64| usize::try_from(start.saturating_add(at)).unwrap_or(usize::MAX).min(bytes.len());
        let (from, end) = (place(at), place(self.len));
        bytes.get(from..end).unwrap_or_default()
    }
}

/// Why a group has no message.
#[derive(Debug, thiserror::Error)]
pub enum NoMessage {
    /// No recipient's fault.
    #[error(transparent)]
    Fault(#[from] QueueError),
    /// Of a merge: this row has none, and this is what came of it. Other rows are not concerned.
    #[error("{}", .0.reason().map_or("", |reason| reason.text.as_str()))]
    Row(Verdict),
    /// Of a merge: what all its mails are made of cannot be read.
    #[error(transparent)]
    Common(QueueError),
    /// The same, and somebody has paused the job, or cancelled it: nothing of it is handed over.
    #[error("its job was paused or cancelled")]
    Moved,
    /// The same, and it is tried once more after all others: nothing came of it yet.
    #[error("{}", .0.text)]
    PutBack(Reason),
}

impl NoMessage {
    /// The same to one who asks for no row.
    pub fn into_fault(self) -> QueueError {
        match self {
            NoMessage::Fault(error) | NoMessage::Common(error) => error,
            NoMessage::Row(_) | NoMessage::PutBack(_) | NoMessage::Moved => {
                QueueError::Corrupt { path: "a row".into(), why: self.to_string() }
            }
        }
    }
}
