//! Rows of the ledger, for a person, as CSV (RFC 4180) or as JSON lines.

use serde::Serialize;

use crate::sys::output::{Page, Paper};

/// In which form rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Lines,
    Csv,
    Json,
}

/// Writes rows as they come, in memory that does not grow with them.
pub struct Table {
    paper: Paper,
    form: Form,
    rows: u64,
}

impl Table {
    pub fn new(form: Form) -> Table {
        Table { paper: Paper::default(), form, rows: 0 }
    }

    /// Writes a row; `lines` is what a person reads. `false` if nobody reads any more.
    pub fn put(&mut self, row: &impl Serialize, lines: impl FnOnce() -> Page) -> anyhow::Result<bool> {
        let page = match self.form {
            Form::Lines => lines(),
            Form::Json => Page::json(row)?,
            Form::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(self.rows == 0).from_writer(Vec::new());
                writer.serialize(row)?;
                Page::csv(&String::from_utf8(writer.into_inner()?)?)
            }
        };
        self.rows += 1;
        Ok(self.paper.write(&page)?)
    }

    /// Ends; a person is told `none` if there was no row.
    pub fn finish(mut self, none: &str) -> anyhow::Result<()> {
        if self.rows == 0 && self.form == Form::Lines {
            self.paper.write(&Page::of(none))?;
        }
        Ok(self.paper.finish()?)
    }
}
