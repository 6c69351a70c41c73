//! The values of SQLite as cells.

use rusqlite::types::ValueRef;

use super::bad_row::RowFault;
use super::bounds;
use crate::model::{Cell, Columns};

/// The cells of `row`.
pub(super) fn cells(row: &rusqlite::Row<'_>, columns: &Columns) -> rusqlite::Result<Result<Vec<Cell>, RowFault>> {
    let (mut cells, mut bytes) = (Vec::with_capacity(columns.names().len()), 0);
    for (at, name) in columns.names().iter().enumerate() {
        let value = row.get_ref(at)?;
        bytes += match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
        };
        if bytes > bounds::ROW {
            return Ok(Err(RowFault::TooLarge));
        }
        match cell(value) {
            Some(cell) => cells.push(cell),
            None => return Ok(Err(RowFault::NotUtf8(name.clone()))),
        }
    }
    Ok(Ok(cells))
}

/// `None` for bytes that are not UTF-8.
fn cell(value: ValueRef<'_>) -> Option<Cell> {
    Some(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Text(number.to_string()),
        ValueRef::Real(number) => Cell::Text(real(number)),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Cell::Text(std::str::from_utf8(bytes).ok()?.to_owned()),
    })
}

/// At most 15 digits that count, so that 0.1 + 0.2 is 0.3; never an exponent; a point in any case.
fn real(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "Inf" } else { "-Inf" }.to_owned();
    }
    // Fifteen digits, and then the shortest text that means the same.
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    let text = rounded.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_do() {
        for (number, text) in [
            (12.5, "12.5"),
            (100.0, "100.0"),
            (0.1 + 0.2, "0.3"),
            (-0.000_001, "-0.000001"),
            (1e20, "100000000000000000000.0"),
            (123_456_789.125, "123456789.125"),
            (0.0, "0.0"),
            (f64::INFINITY, "Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(real(number), text);
        }
    }

    #[test]
    fn types_become_text_and_null_stays() {
        assert_eq!(cell(ValueRef::Null), Some(Cell::Null));
        assert_eq!(cell(ValueRef::Integer(i64::MIN)), Some(Cell::Text("-9223372036854775808".to_owned())));
        assert_eq!(cell(ValueRef::Blob("é".as_bytes())), Some(Cell::Text("é".to_owned())));
        assert_eq!(cell(ValueRef::Text(b"\xff")), None);
    }
}
