//! One row as a line: a JSON array of its number in the source and its cells. NULL is `null`, text a string, and an array
//! or an object is itself.

use std::io;

use serde_json::Value;

use crate::model::{Cell, Row};

/// The most bytes of a line, so that the places of 1,000 lines fit into 32 bits. A source's row is 1 MiB at most, but an
/// escaped character has more bytes than a plain one.
pub const LONGEST: usize = 4 << 20;

/// The most bytes of the line of a source's row: what is queued may have a NULL for each of 2,000 columns that came later,
/// and the mark of its attachment.
pub const OF_SOURCE: usize = LONGEST - (64 << 10);

/// Appends `row` to `out`, with a line break.
///
/// Errors: it has more than [`LONGEST`] bytes (`InvalidData`); `out` is as it was.
pub fn write(row: &Row, out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    out.push(b'[');
    serde_json::to_writer(&mut *out, &row.number)?;
    for cell in &row.cells {
        out.push(b',');
        match cell {
            Cell::Null => out.extend_from_slice(b"null"),
            Cell::Text(text) => serde_json::to_writer(&mut *out, text)?,
            Cell::Json(value) => serde_json::to_writer(&mut *out, value)?,
        }
    }
    out.extend_from_slice(b"]\n");
    if out.len() - start > LONGEST {
        out.truncate(start);
        let why = format!("row {} has more than {LONGEST} bytes; make its values shorter", row.number);
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(())
}

/// Whether the line of a source's row is no longer than [`OF_SOURCE`].
pub fn fits(row: &Row) -> bool {
    // An escaped character has at most six bytes, and the structures of a row were written with 1 MiB.
    let bytes = |cell: &Cell| match cell {
        Cell::Null => 5,
        Cell::Text(text) => 6 * text.len() + 3,
        Cell::Json(_) => 1,
    };
    let structures = if row.cells.iter().any(|cell| matches!(cell, Cell::Json(_))) { 2 << 20 } else { 0 };
    if row.cells.iter().map(bytes).sum::<usize>() + structures + 24 <= OF_SOURCE {
        return true;
    }
    let mut counted = Counted(0);
    let written = row.cells.iter().try_for_each(|cell| match cell {
        Cell::Null => serde_json::to_writer(&mut counted, &()),
        Cell::Text(text) => serde_json::to_writer(&mut counted, text),
        Cell::Json(value) => serde_json::to_writer(&mut counted, value),
    });
    written.is_ok() && counted.0 + row.cells.len() + 24 <= OF_SOURCE
}

/// Counts bytes.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a line, with or without its line break. A row that was written before the last columns were known gets NULL there.
///
/// Errors: why it is no row of this number of columns.
pub fn read(line: &[u8], columns: usize) -> Result<Row, String> {
    let values: Vec<Value> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let mut values = values.into_iter();
    let number = values.next().and_then(|number| number.as_u64()).ok_or("it has no number")?;
    if values.len() > columns {
        return Err(format!("it has {} cells, and there are {columns} columns", values.len()));
    }
    let cell = |value| match value {
        Value::Null => Ok(Cell::Null),
        Value::String(text) => Ok(Cell::Text(text)),
        Value::Array(_) | Value::Object(_) => Ok(Cell::Json(value)),
        Value::Bool(_) | Value::Number(_) => Err("a cell is neither text nor a structure"),
    };
    let mut cells = values.map(cell).collect::<Result<Vec<Cell>, _>>()?;
    cells.resize(columns, Cell::Null);
    Ok(Row { number, cells })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_row_is_one_line_whatever_is_in_it() {
        let hostile = ["", "a\r\nb\n", "\0", "</script>", "{{ x }}", "\"\\\u{2028}", "\u{1F4E7}", "null"];
        let mut cells: Vec<Cell> = hostile.map(|text| Cell::Text(text.to_owned())).into();
        cells.extend([
            Cell::Null,
            Cell::Json(serde_json::json!([1, null, {"a": "\n"}])),
            Cell::Json(serde_json::json!({})),
        ]);
        let row = Row { number: 10_000_000, cells };
        let mut line = Vec::new();
        write(&row, &mut line).expect("a line");
        assert_eq!(line.iter().filter(|&&b| b == b'\n').count(), 1);
        assert_eq!(read(&line, row.cells.len()), Ok(row.clone()));
        let wider = read(&line, row.cells.len() + 2).expect("a row");
        assert_eq!(wider.cells[row.cells.len()..], [Cell::Null, Cell::Null]);
        assert!(
            read(&line, 3).is_err()
                && read(b"[1,2]", 3).is_err()
                && read(b"[\"1\"]", 3).is_err()
                && read(b"", 3).is_err()
        );
    }

    #[test]
    fn a_line_is_bounded() {
        let row = Row { number: 1, cells: vec![Cell::Text("\u{1}".repeat(LONGEST / 6))] };
        let mut out = b"before".to_vec();
        assert!(write(&row, &mut out).is_err());
        assert_eq!(out, b"before");
        let of = |text: String| Row { number: u64::MAX, cells: vec![Cell::Text(text), Cell::Null] };
        for (row, expected) in [
            (of("\u{1}".repeat(OF_SOURCE / 6 - 6)), true),
            (of("\u{1}".repeat(OF_SOURCE / 6 + 1)), false),
            (of("x".repeat(1 << 20)), true),
            (Row { number: 1, cells: vec![Cell::Json(serde_json::json!(["\u{1}"]))] }, true),
        ] {
            assert_eq!(fits(&row), expected);
            let mut line = Vec::new();
            assert!(!expected || write(&row, &mut line).is_ok() && line.len() <= OF_SOURCE);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in any::<u64>(), texts in proptest::collection::vec(proptest::option::of(any::<String>()), 0..5)) {
            let cells: Vec<Cell> = texts.into_iter().map(|text| text.map_or(Cell::Null, Cell::Text)).collect();
            let row = Row { number, cells };
            let mut line = Vec::new();
            write(&row, &mut line).expect("a line");
            prop_assert_eq!(read(&line, row.cells.len()), Ok(row));
        }
    }
}
