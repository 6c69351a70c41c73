//! The rows of a source, in a file without a name, before there is a job: they are counted, looked through for duplicates,
//! and then read again from the first, each time in order. A row's *place* is how many were added before it.
//!
//! The file vanishes with us, so nothing of it is ever cleaned up, and nothing of it is synced.
//!
//! Rows that follow one another are a *chunk*, of at most 1,000 rows and, but for its last row, 256 KiB. Threads read chunks
//! at the same time, each by its place in the file; of a chunk 8 bytes are in memory.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::error::unwritten;
use super::line;
use crate::model::Row;
use crate::queue::QueueError;
use crate::spool::queue::SpoolQueue;

/// How much is read or written at once, in bytes.
const BUFFER: usize = 64 << 10;
/// What a chunk has at most.
const CHUNK_ROWS: u64 = 1_000;
const CHUNK_BYTES: u64 = 256 << 10;

/// Rows that are being added.
#[derive(Debug)]
pub struct RowSpool {
    out: BufWriter<File>,
    line: Vec<u8>,
    rows: u64,
    bytes: u64,
    /// Where each chunk begins, and the place of the first row of the last one.
    chunks: Vec<u64>,
    first: u64,
    /// Where the file lies, for messages.
    path: PathBuf,
}

/// Rows that were added.
#[derive(Debug)]
pub struct Spooled {
    file: File,
    rows: u64,
    /// Where each chunk begins, and where the last one ends.
    chunks: Vec<u64>,
    path: PathBuf,
}

/// Spooled rows, one after the other.
#[derive(Debug)]
pub struct SpooledRows<'s> {
    input: BufReader<&'s File>,
    line: Vec<u8>,
    left: u64,
    columns: usize,
    path: PathBuf,
}

impl SpoolQueue {
    /// Starts to spool rows, in this queue's `tmp/`.
    pub fn row_spool(&self) -> Result<RowSpool, QueueError> {
        let out = BufWriter::with_capacity(BUFFER, self.scratch()?);
        Ok(RowSpool { out, line: Vec::new(), rows: 0, bytes: 0, chunks: Vec::new(), first: 0, path: self.path("tmp") })
    }
}

impl RowSpool {
    /// Adds a row; its place.
    ///
    /// Errors: those of writing; a row whose line is too long ([`line::LONGEST`]).
    pub fn add(&mut self, row: &Row) -> Result<u64, QueueError> {
        self.line.clear();
        let written = line::write(row, &mut self.line).and_then(|()| self.out.write_all(&self.line));
        written.map_err(unwritten(self.path.clone()))?;
        let is_full = |start: &u64| self.rows - self.first >= CHUNK_ROWS || self.bytes - start >= CHUNK_BYTES;
        if self.chunks.last().is_none_or(is_full) {
            self.chunks.push(self.bytes);
            self.first = self.rows;
        }
        self.bytes += self.line.len() as u64;
        self.rows += 1;
        Ok(self.rows - 1)
    }

    /// Those that were added.
    pub fn finish(self) -> Result<Spooled, QueueError> {
        let file = self.out.into_inner().map_err(|error| unwritten(self.path.clone())(error.into_error()))?;
        let mut chunks = self.chunks;
        chunks.push(self.bytes);
        Ok(Spooled { file, rows: self.rows, chunks, path: self.path })
    }
}

impl Spooled {
    /// How many there are.
    pub fn len(&self) -> u64 {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// How many chunks they are in.
    pub fn chunks(&self) -> usize {
        self.chunks.len().saturating_sub(1)
    }

    /// The rows of chunk `number`, counted from 0, with `columns` cells each; none behind the last one. Their bytes are read
    /// into `buffer`.
    pub fn chunk<'b>(
        &self,
        number: usize,
        columns: usize,
        buffer: &'b mut Vec<u8>,
    ) -> Result<impl Iterator<Item = Result<Row, QueueError>> + use<'_, 'b>, QueueError> {
        let bounds = self.chunks.get(number..).and_then(|chunks| chunks.first_chunk::<2>());
        let [start, end] = bounds.copied().unwrap_or_default();
        buffer.clear();
        // A row is bounded, and so is a chunk.
        buffer.resize((end - start) as usize, 0);
        let failed = |source| QueueError::Io { doing: "read rows", path: self.path.clone(), source };
        self.file.read_exact_at(buffer, start).map_err(failed)?;
        let corrupt = |why| QueueError::Corrupt { path: self.path.clone(), why };
        Ok(buffer.split_inclusive(|&b| b == b'\n').map(move |line| line::read(line, columns).map_err(corrupt)))
    }

    /// All of them, from the first, with `columns` cells each.
    pub fn rows(&mut self, columns: usize) -> Result<SpooledRows<'_>, QueueError> {
        self.file.rewind().map_err(unwritten(self.path.clone()))?;
        let input = BufReader::with_capacity(BUFFER, &self.file);
        Ok(SpooledRows { input, line: Vec::new(), left: self.rows, columns, path: self.path.clone() })
    }
}

impl SpooledRows<'_> {
    fn read(&mut self) -> Result<Row, QueueError> {
        self.line.clear();
        let failed = |source| QueueError::Io { doing: "read rows", path: self.path.clone(), source };
        self.input.read_until(b'\n', &mut self.line).map_err(failed)?;
        let corrupt = |why| QueueError::Corrupt { path: self.path.clone(), why };
        line::read(&self.line, self.columns).map_err(corrupt)
    }
}

impl Iterator for SpooledRows<'_> {
    type Item = Result<Row, QueueError>;

    fn next(&mut self) -> Option<Result<Row, QueueError>> {
        self.left = self.left.checked_sub(1)?;
        let row = self.read();
        if row.is_err() {
            self.left = 0;
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cell;
    use crate::spool::Spool;

    #[test]
    fn twenty_thousand_rows_are_read_as_often_as_one_likes() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let queue = Spool::create(temp.path()).and_then(|spool| spool.queue("outbound")).expect("a queue");
        let row = |number: u64| Row { number, cells: vec![Cell::Text(format!("r{number}\n@x")), Cell::Null] };
        let mut spool = queue.row_spool().expect("a spool");
        for at in 0..20_000 {
            assert_eq!(spool.add(&row(at + 1)).expect("added"), at);
        }
        let mut spooled = spool.finish().expect("spooled");
        assert_eq!((spooled.len(), spooled.is_empty()), (20_000, false));
        // A reading that is let go in the middle leaves nothing behind.
        assert_eq!(spooled.rows(2).expect("rows").take(7).count(), 7);
        let mut rows = spooled.rows(3).expect("rows");
        for number in 1..=20_000 {
            let found = rows.next().expect("one more").expect("a row");
            assert!(found.number == number && found.cells[..2] == row(number).cells && found.cells[2] == Cell::Null);
        }
        assert!(rows.next().is_none());
        // The same rows by their chunks, the last one first.
        let (mut next, mut buffer) = (20_000, Vec::new());
        assert_eq!(spooled.chunks(), 20);
        for chunk in (0..spooled.chunks()).rev() {
            let rows: Vec<Row> =
                spooled.chunk(chunk, 2, &mut buffer).expect("a chunk").map(|row| row.expect("a row")).collect();
            rows.into_iter().rev().for_each(|found| {
                assert_eq!(found, row(next));
                next -= 1;
            });
        }
        assert_eq!((next, spooled.chunk(20, 2, &mut buffer).expect("none").count()), (0, 0));
        assert_eq!(std::fs::read_dir(queue.path("tmp")).expect("a folder").count(), 0);
    }

    #[test]
    fn a_chunk_of_long_rows_has_few_of_them() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let queue = Spool::create(temp.path()).and_then(|spool| spool.queue("outbound")).expect("a queue");
        let mut spool = queue.row_spool().expect("a spool");
        assert_eq!(queue.row_spool().and_then(RowSpool::finish).expect("none").chunks(), 0);
        for number in 1..=30 {
            spool.add(&Row { number, cells: vec![Cell::Text("x".repeat(100 << 10))] }).expect("added");
        }
        assert_eq!(spool.finish().expect("spooled").chunks(), 10);
    }
}
