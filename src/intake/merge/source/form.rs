//! The forms of rows that are text.

use std::io::BufRead;
use std::sync::Arc;

use super::error::ReadError;
use super::row_source::Each;
use super::{csv, json_lines};
use crate::model::Columns;

/// How rows are written in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Csv,
    Tsv,
    JsonLines,
}

impl Form {
    /// The form of a file with this name, by its extension.
    pub fn of_name(name: &str) -> Option<Form> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Some(Form::Csv),
            "tsv" => Some(Form::Tsv),
            "jsonl" | "ndjson" => Some(Form::JsonLines),
            _ => None,
        }
    }

    /// Shows `each` the rows of `input`.
    pub(super) fn read(
        self,
        what: &Arc<str>,
        input: &mut dyn BufRead,
        each: &mut Each<'_>,
    ) -> Result<Columns, ReadError> {
        match self {
            Form::Csv => csv::read(what, input, b',', each),
            Form::Tsv => csv::read(what, input, b'\t', each),
            Form::JsonLines => json_lines::read(what, input, each),
        }
    }
}
