//! The rows of a source, put away beside the spool before anything is made of them: a source is read once, and how it ends
//! is known only then.

use std::sync::Arc;

use super::error::MergeError;
use super::progress::Progress;
use super::source::bad_row::{BadRow, RowFault};
use super::source::row_source::RowSource;
use crate::model::{Cell, Columns, Row};
use crate::spool::SpoolQueue;
use crate::spool::merge::rows::line;
use crate::spool::merge::rows::spooled::Spooled;

/// A source that was read to its end.
#[derive(Debug)]
pub struct Gathered {
    pub columns: Columns,
    pub rows: Spooled,
    /// Rows that cannot be read: each has one cell, which says why.
    pub unread: Spooled,
}

impl Gathered {
    /// Reads all of `source`, by means of the folder `tmp/` of `queue`.
    ///
    /// Errors: those of the source, and of writing; then none of its rows counts.
    pub fn read(what: &str, source: &mut dyn RowSource, queue: &SpoolQueue) -> Result<Gathered, MergeError> {
        let (mut rows, mut unread) = (queue.row_spool()?, queue.row_spool()?);
        let (progress, name) = (Progress::of_reading(), Arc::from(what));
        let columns = source.read(&mut |_, row| {
            progress.advance(1);
            match row {
                Ok(row) if line::fits(&row) => rows.add(&row),
                Ok(row) => {
                    let first = row.cells.iter().find_map(Cell::text).unwrap_or_default();
                    unread.add(&why(BadRow::new(&name, row.number, RowFault::TooLarge, first.as_bytes())))
                }
                Err(bad) => unread.add(&why(bad)),
            }
            .map(drop)
        })?;
        let (rows, unread) = (rows.finish()?, unread.finish()?);
        if rows.is_empty() && unread.is_empty() {
            return Err(MergeError::NoRows { what: what.to_owned() });
        }
        Ok(Gathered { columns, rows, unread })
    }

    /// How many rows there are, also those that cannot be read.
    pub fn len(&self) -> u64 {
        self.rows.len() + self.unread.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn why(bad: BadRow) -> Row {
    let BadRow { number, fault, shown, .. } = bad;
    Row { number, cells: vec![Cell::Text(format!("{fault}; it begins: {shown}"))] }
}
