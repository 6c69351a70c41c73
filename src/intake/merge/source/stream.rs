//! A stream of rows: the standard input, and what a command writes. Its form is given, or else follows from its first
//! character: a brace begins JSON lines, anything else is CSV.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::sync::Arc;

use super::error::{ReadError, SourceError};
use super::form::Form;
use super::row_source::{Each, RowSource};
use super::witness::Witness;
use super::{bounds, text};
use crate::model::Columns;

/// Shows `each` the rows that `input` brings.
pub(super) fn read(
    what: &Arc<str>,
    input: impl Read,
    told: Option<Form>,
    each: &mut Each<'_>,
) -> Result<Columns, ReadError> {
    let mut input = text::without_mark(what, BufReader::with_capacity(bounds::BUFFER, input))?;
    let form = match told {
        Some(form) => form,
        None => seen(&mut *input).map_err(|source| SourceError::Unreadable { what: what.clone(), row: 0, source })?,
    };
    form.read(what, &mut *input, each)
}

/// The form of what begins so; blanks and line breaks before it are read, and belong to no row.
fn seen(input: &mut dyn BufRead) -> io::Result<Form> {
    loop {
        let (blank, first) = match input.fill_buf() {
            Ok(piece) => (piece.len() - piece.trim_ascii_start().len(), piece.trim_ascii_start().first().copied()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        input.consume(blank);
        match first {
            Some(b'{' | b'[') => return Ok(Form::JsonLines),
            Some(_) => return Ok(Form::Csv),
            None if blank == 0 => return Ok(Form::Csv),
            None => {}
        }
    }
}

/// The standard input; a file there must stay as it is while it is read.
#[derive(Debug)]
pub struct StdinSource {
    input: File,
    told: Option<Form>,
    witness: Option<Witness>,
}

impl StdinSource {
    /// Takes the standard input, whose rows have the form `told`.
    pub fn open(told: Option<Form>) -> Result<StdinSource, SourceError> {
        let open = || -> io::Result<StdinSource> {
            let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
            let is_file = input.metadata()?.is_file();
            let witness = is_file.then(|| Witness::of(&input, None)).transpose()?;
            Ok(StdinSource { input, told, witness })
        };
        open().map_err(|source| SourceError::NoInput { what: name(), source })
    }
}

fn name() -> Arc<str> {
    "the standard input".into()
}

impl RowSource for StdinSource {
    fn read(&mut self, each: &mut Each<'_>) -> Result<Columns, ReadError> {
        let read = read(&name(), &mut self.input, self.told, each);
        match &self.witness {
            Some(witness) => witness.judge(&name(), read),
            None => read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brace_begins_json_lines() {
        for (text, form) in
            [("{\"a\":1}", Form::JsonLines), ("\r\n \n[1]", Form::JsonLines), ("a,b", Form::Csv), (" ", Form::Csv)]
        {
            let mut input = BufReader::with_capacity(1, text.as_bytes());
            assert_eq!(seen(&mut input).expect("memory"), form, "{text:?}");
        }
    }

    #[test]
    fn what_is_told_counts() {
        let mut rows = Vec::new();
        let each = &mut |_: &Columns, row: Result<crate::model::Row, _>| {
            rows.extend(row);
            Ok(())
        };
        let columns = read(&"x".into(), &b"{a}\tb\n1\t2\n"[..], Some(Form::Tsv), each).expect("rows");
        assert_eq!((columns.names(), rows.len()), (&["{a}".to_owned(), "b".to_owned()][..], 1));
    }
}
