//! Where the rows of a merge come from. A kind of source is a file here, and each is a
//! [`RowSource`](row_source::RowSource).
//!
//! | source | what it is |
//! |---|---|
//! | `x.csv`, `x.tsv` | a table whose first line names the columns ([`csv`]) |
//! | `x.jsonl` | an object a line ([`json_lines`]) |
//! | `-` | the standard input, in one of these forms ([`stream`]) |
//! | `sqlite:PATH` | a query in a database ([`sqlite`]) |
//! | `exec:COMMAND` | what a command writes, in one of these forms ([`exec`]) |
//!
//! What holds for each of them:
//! - Every type becomes text, NULL stays NULL, and JSON keeps its structure.
//! - Text is UTF-8. A byte order mark is no data, and a line may end in CRLF.
//! - A row has as many cells as there are columns, and each column has a name of its own.
//! - The source's order is kept, and rows are numbered from 1; the header has no number.
//! - A row, and the number of columns, are bounded ([`bounds`]), and one row is in memory.
//! - A row that is bad is reported, and the next one is read ([`bad_row`]). An error of the source ends it ([`error`]):
//!   nothing of it can be trusted then.

pub mod bad_row;
pub mod bounds;
pub mod csv;
pub mod error;
pub mod exec;
pub mod file;
pub mod form;
pub mod json_lines;
mod names;
mod quotes;
pub mod row_source;
pub mod spec;
pub mod sqlite;
mod sqlite_cell;
pub mod stream;
mod text;
mod witness;
