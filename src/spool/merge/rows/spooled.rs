//! The rows of a source, in a file without a name, before there is a job: they are counted, looked through for duplicates,
//! and then read again from the first, each time in order. A row's *place* is how many were added before it.
//!
//! The file vanishes with us, so nothing of it is ever cleaned up, and nothing of it is synced.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};
use std::path::PathBuf;

use super::error::unwritten;
use super::line;
use crate::model::Row;
use crate::queue::QueueError;
use crate::spool::queue::SpoolQueue;

/// How much is read or written at once, in bytes.
const BUFFER: usize = 64 << 10;

/// Rows that are being added.
#[derive(Debug)]
pub struct RowSpool {
    out: BufWriter<File>,
    line: Vec<u8>,
    rows: u64,
    /// Where the file lies, for messages.
    path: PathBuf,
}

/// Rows that were added.
#[derive(Debug)]
pub struct Spooled {
    file: File,
    rows: u64,
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
        Ok(RowSpool { out, line: Vec::new(), rows: 0, path: self.path("tmp") })
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
        self.rows += 1;
        Ok(self.rows - 1)
    }

    /// Those that were added.
    pub fn finish(self) -> Result<Spooled, QueueError> {
        let file = self.out.into_inner().map_err(|error| unwritten(self.path.clone())(error.into_error()))?;
        Ok(Spooled { file, rows: self.rows, path: self.path })
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
        assert_eq!(std::fs::read_dir(queue.path("tmp")).expect("a folder").count(), 0);
    }
}
