//! Writing the rows of a job that is being built: its folder lies in `tmp/`, so nothing is synced here, and what is left of
//! a killed one is the sweep's.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use super::error::unwritten;
use super::{Noted, line};
use crate::model::Row;
use crate::queue::QueueError;
use crate::sys::dir;

/// The most files in one folder, as of a job's entries.
const FOLDER_MAX: u32 = 1_000;
/// How much is written at once, in bytes.
const BUFFER: usize = 64 << 10;

/// The rows of a job, being written.
#[derive(Debug)]
pub struct RowsDraft {
    job: File,
    /// Where the job's folder lies, for messages.
    path: PathBuf,
    rows_an_entry: u32,
    /// The entry that is being written: its number in the job.
    entry: u32,
    file: Option<File>,
    /// Lines that are not in the file yet.
    pending: Vec<u8>,
    written: u64,
    index: Vec<u8>,
    rows: u32,
}

/// The rows of one entry, written: file `rows/<n>/<k>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRows {
    pub n: u32,
    pub k: u32,
    pub noted: Noted,
}

impl RowsDraft {
    /// Starts to write into the job's folder `job`, which lies at `path`, with `rows_an_entry` rows in each
    /// entry (1,000 at most).
    pub fn new(job: File, path: PathBuf, rows_an_entry: u32) -> Result<RowsDraft, QueueError> {
        dir::make(&job, "rows").map_err(unwritten(path.join("rows")))?;
        Ok(RowsDraft {
            job,
            path,
            rows_an_entry: rows_an_entry.clamp(1, super::MOST as u32),
            entry: 0,
            file: None,
            pending: Vec::with_capacity(2 * BUFFER),
            written: 0,
            index: Vec::new(),
            rows: 0,
        })
    }

    /// Adds a row; the entry's rows, if it was the last of one.
    ///
    /// Errors: those of writing; a row whose line is too long ([`line::LONGEST`]).
    pub fn add(&mut self, row: &Row) -> Result<Option<EntryRows>, QueueError> {
        if self.file.is_none() {
            self.file = Some(self.make().map_err(|error| self.failed(error))?);
        }
        let start = self.pending.len();
        line::write(row, &mut self.pending).map_err(|error| self.failed(error))?;
        let line = self.pending.get(start..).unwrap_or_default();
        // A thousand of the longest lines fit into 32 bits.
        let end = (self.written + self.pending.len() as u64) as u32;
        self.index.extend_from_slice(&end.to_le_bytes());
        self.index.extend_from_slice(&crc32fast::hash(line).to_le_bytes());
        self.rows += 1;
        if self.pending.len() >= BUFFER {
            self.flush()?;
        }
        if self.rows >= self.rows_an_entry { self.close() } else { Ok(None) }
    }

    /// Writes what is left; the last entry's rows, if that has any.
    pub fn finish(&mut self) -> Result<Option<EntryRows>, QueueError> {
        self.close()
    }

    fn place(&self) -> (u32, u32) {
        (self.entry / FOLDER_MAX, self.entry % FOLDER_MAX)
    }

    fn inside(&self) -> String {
        let (n, k) = self.place();
        super::reader::path_of(n, k)
    }

    fn failed(&self, error: std::io::Error) -> QueueError {
        unwritten(self.path.join(self.inside()))(error)
    }

    fn make(&self) -> std::io::Result<File> {
        let (n, k) = self.place();
        if k == 0 {
            dir::make(&self.job, &format!("rows/{n}"))?;
        }
        dir::open_file(&self.job, &self.inside(), dir::Open::CreateNew)
    }

    fn flush(&mut self) -> Result<(), QueueError> {
        if let Some(mut file) = self.file.as_ref() {
            file.write_all(&self.pending).map_err(|error| self.failed(error))?;
        }
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Ends the entry's file with its index.
    fn close(&mut self) -> Result<Option<EntryRows>, QueueError> {
        if self.rows == 0 {
            return Ok(None);
        }
        self.index.extend_from_slice(&self.rows.to_le_bytes());
        let checksum = crc32fast::hash(&self.index);
        self.pending.append(&mut self.index);
        self.flush()?;
        let (n, k) = self.place();
        let noted = Noted { rows: self.rows, length: self.written, checksum };
        self.file = None;
        (self.entry, self.written, self.rows) = (self.entry + 1, 0, 0);
        Ok(Some(EntryRows { n, k, noted }))
    }
}
