//! The rows that cannot be sent, for a person who corrects them: the columns of the source, and one more, `error`. Where the
//! source has a column of that name, as a file of bad rows that is read again, its value is replaced.
//!
//! Memory does not grow with their number.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::error::MergeError;
use super::new_file::NewFile;
use super::source::form::Form;
use crate::model::{Cell, Columns, Row};

/// The column that says what is wrong.
const ERROR: &str = "error";

/// A file of bad rows.
pub struct BadFile {
    out: BufWriter<NewFile>,
    form: Form,
    has_header: bool,
}

impl BadFile {
    /// Makes the file at `path`. Its form is that of its extension, else `form`.
    pub fn create(path: &Path, form: Option<Form>) -> Result<BadFile, MergeError> {
        let of_name = path.file_name().and_then(|name| Form::of_name(name.to_str()?));
        let form = of_name.or(form).unwrap_or(Form::Csv);
        Ok(BadFile { out: BufWriter::new(NewFile::create(path)?), form, has_header: false })
    }

    /// Adds a row of a source with these columns, and why it is bad. A row that cannot be read has no `cells`.
    pub fn add(&mut self, columns: &Columns, row: Option<&Row>, why: &str) -> Result<(), MergeError> {
        self.write(columns, row, why).map_err(|error| self.out.get_ref().failed(error))
    }

    /// Writes what is pending.
    pub fn finish(mut self) -> Result<(), MergeError> {
        self.out.flush().map_err(|error| self.out.get_ref().failed(error))
    }

    fn write(&mut self, columns: &Columns, row: Option<&Row>, why: &str) -> io::Result<()> {
        let cell = |at: usize| row.and_then(|row| row.cells.get(at)).unwrap_or(&Cell::Null);
        let others = columns.names().iter().enumerate().filter(|(_, name)| *name != ERROR);
        let line = match self.form {
            Form::JsonLines => {
                let mut line = b"{".to_vec();
                for (at, name) in others {
                    serde_json::to_writer(&mut line, name)?;
                    line.push(b':');
                    match cell(at) {
                        Cell::Null => line.extend_from_slice(b"null"),
                        Cell::Text(text) => serde_json::to_writer(&mut line, text)?,
                        Cell::Json(value) => serde_json::to_writer(&mut line, value)?,
                    }
                    line.push(b',');
                }
                serde_json::to_writer(&mut line, ERROR)?;
                line.push(b':');
                serde_json::to_writer(&mut line, why)?;
                line.extend_from_slice(b"}\n");
                line
            }
            Form::Csv | Form::Tsv => {
                let delimiter = if self.form == Form::Tsv { b'\t' } else { b',' };
                let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
                if !self.has_header {
                    writer.write_record(others.clone().map(|(_, name)| name.as_str()).chain([ERROR]))?;
                }
                let cells = others.map(|(at, _)| match cell(at) {
                    Cell::Null => String::new(),
                    Cell::Text(text) => text.clone(),
                    Cell::Json(value) => value.to_string(),
                });
                writer.write_record(cells.chain([why.to_owned()]))?;
                writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?
            }
        };
        self.has_header = true;
        self.out.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, form: Option<Form>) -> String {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join(name);
        let columns = Columns::new(["email", "error", "tags"].map(str::to_owned).into()).expect("columns");
        let mut file = BadFile::create(&path, form).expect("a file");
        let cells = vec![Cell::Text("a,\"b".into()), Cell::Text("old".into()), Cell::Json(serde_json::json!(["x\t"]))];
        file.add(&columns, Some(&Row { number: 1, cells }), "no\taddress").expect("added");
        file.add(&columns, None, "ragged").expect("added");
        file.finish().expect("finished");
        std::fs::read_to_string(&path).expect("text")
    }

    #[test]
    fn rows_keep_their_form_and_say_what_is_wrong() {
        let csv = "email,tags,error\n\"a,\"\"b\",\"[\"\"x\\t\"\"]\",no\taddress\n,,ragged\n";
        assert_eq!(written("bad.csv", Some(Form::JsonLines)), csv);
        assert_eq!(written("bad", None), csv);
        assert!(written("bad", Some(Form::Tsv)).starts_with("email\ttags\terror\n"));
        assert_eq!(
            written("bad", Some(Form::JsonLines)),
            "{\"email\":\"a,\\\"b\",\"tags\":[\"x\\t\"],\"error\":\"no\\taddress\"}\n\
             {\"email\":null,\"tags\":null,\"error\":\"ragged\"}\n"
        );
    }
}
