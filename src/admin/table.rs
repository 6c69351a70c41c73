//! Rows of the ledger, for a person, as CSV (RFC 4180) or as JSON lines.

use serde::Serialize;

use crate::sys::output::Paper;

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

    /// Writes a row; `line` is what a person reads. `false` if nobody reads any more.
    pub fn put(&mut self, row: &impl Serialize, line: impl FnOnce() -> String) -> anyhow::Result<bool> {
        let text = match self.form {
            Form::Lines => line(),
            Form::Json => serde_json::to_string(row)? + "\n",
            Form::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(self.rows == 0).from_writer(Vec::new());
                writer.serialize(row)?;
                String::from_utf8(writer.into_inner()?)?
            }
        };
        self.rows += 1;
        Ok(self.paper.write(&text)?)
    }

    /// Ends; a person is told `none` if there was no row.
    pub fn finish(mut self, none: &str) -> anyhow::Result<()> {
        if self.rows == 0 && self.form == Form::Lines {
            self.paper.write(none)?;
        }
        Ok(self.paper.finish()?)
    }
}
