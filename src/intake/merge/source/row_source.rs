//! What all sources of rows have in common.

use super::bad_row::BadRow;
use super::error::ReadError;
use crate::model::{Columns, Row};
use crate::queue::QueueError;

/// Takes one row, or a bad one, and the columns that are known so far. An error ends the reading.
pub type Each<'e> = dyn FnMut(&Columns, Result<Row, BadRow>) -> Result<(), QueueError> + 'e;

/// A source that was opened.
///
/// It was opened by the user who named it. Root becomes the spool's owner before [`RowSource::read`], by which a command
/// is started and a query runs.
pub trait RowSource {
    /// Shows `each` all rows in the source's order, and returns the columns. A row has as many cells as there are columns
    /// by then; columns that come later are NULL in the rows before.
    ///
    /// Only when this returns is the source known to be whole: its file did not change, and its command ended with 0.
    /// Rows that were shown before an error must not be used.
    ///
    /// Errors: those of the source, and of `each`.
    fn read(&mut self, each: &mut Each<'_>) -> Result<Columns, ReadError>;
}
