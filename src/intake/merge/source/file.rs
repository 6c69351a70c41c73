//! A file of rows. It is opened at once and read once, and it must stay as it is until the last row is read.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use super::error::{ReadError, SourceError};
use super::form::Form;
use super::row_source::{Each, RowSource};
use super::witness::Witness;
use super::{bounds, text};
use crate::model::Columns;
use crate::sys::named;

/// A file that was opened.
#[derive(Debug)]
pub struct FileSource {
    what: Arc<str>,
    form: Form,
    input: BufReader<File>,
    witness: Witness,
}

impl FileSource {
    /// Opens the regular file at `path`, whose rows have the form `form`.
    pub fn open(path: &Path, form: Form) -> Result<FileSource, SourceError> {
        let what: Arc<str> = path.display().to_string().into();
        let opened = named::open(path).and_then(|file| Ok((Witness::of(&file, Some(path.to_owned()))?, file)));
        match opened {
            Ok((witness, file)) => {
                Ok(FileSource { what, form, input: BufReader::with_capacity(bounds::BUFFER, file), witness })
            }
            Err(source) => Err(SourceError::NoInput { what, source }),
        }
    }
}

impl RowSource for FileSource {
    fn read(&mut self, each: &mut Each<'_>) -> Result<Columns, ReadError> {
        let what = self.what.clone();
        let mut input = text::without_mark(&what, &mut self.input)?;
        let read = self.form.read(&what, &mut *input, each);
        self.witness.judge(&what, read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::model::{Exit, Row};

    /// Twenty thousand rows behind `head`, as `line` writes one.
    fn many(path: &Path, head: &str, line: impl Fn(u32) -> String) {
        let mut file = std::io::BufWriter::new(File::create(path).expect("a file"));
        file.write_all(head.as_bytes()).expect("written");
        (1..=20_000).for_each(|n| file.write_all(line(n).as_bytes()).expect("written"));
    }

    #[test]
    fn twenty_thousand_rows_of_each_form_are_the_same() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let name = |n: u32| format!("J\u{f6}rg {n}");
        let path = |name: &str| temp.path().join(name);
        many(&path("x.csv"), "\u{feff}id,email,name\r\n", |n| format!("{n},r{n}@x.example,\"{}\"\r\n", name(n)));
        many(&path("x.tsv"), "id\temail\tname\n", |n| format!("{n}\tr{n}@x.example\t{}\n", name(n)));
        for (file, form) in [("x.csv", Form::Csv), ("x.tsv", Form::Tsv)] {
            let (mut source, mut count) = (FileSource::open(&path(file), form).expect("a file"), 0);
            let each = &mut |columns: &Columns, row: Result<Row, _>| {
                let row = row.expect("a good row");
                count += 1;
                let expected = [count.to_string(), format!("r{count}@x.example"), name(count)];
                assert_eq!((row.number, columns.names().len()), (u64::from(count), 3));
                assert!(row.cells.iter().map(|cell| cell.text()).eq(expected.iter().map(|text| Some(text.as_str()))));
                Ok(())
            };
            assert_eq!(source.read(each).expect(file).names(), ["id", "email", "name"]);
            assert_eq!(count, 20_000);
        }
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_to_be_tried_again() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("x.csv");
        // The second is also bad: it was read while it was written.
        for text in ["a\n1\n2\n", "a\n1\n\"2\n"] {
            std::fs::write(&path, text).expect("written");
            let mut source = FileSource::open(&path, Form::Csv).expect("a file");
            let mut rows = 0;
            let each = &mut |_: &Columns, _: Result<Row, _>| {
                rows += 1;
                if rows > 1 {
                    return Ok(());
                }
                let file = std::fs::OpenOptions::new().append(true).open(&path);
                file.and_then(|mut file| file.write_all(b"3\n")).expect("written");
                Ok(())
            };
            let error = source.read(each).expect_err("changed");
            assert_eq!(error.exit(), Exit::TempFail, "{error}");
        }
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let fifo = temp.path().join("x.csv");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        for path in [&fifo, &temp.path().join("none.csv")] {
            assert_eq!(FileSource::open(path, Form::Csv).expect_err("refused").exit(), Exit::NoInput);
        }
    }
}
