//! JSON lines: an object a line, whose keys are the columns.
//!
//! The columns are those of the first line, in its order, and then each that a later line brings: none is lost. A key that
//! a line does not have is NULL in it, and so is `null`.
//!
//! | value | cell |
//! |---|---|
//! | string | its text |
//! | number | its digits as they are written: `1.10` and `12345678901234567890` stay so |
//! | `true`, `false` | that word |
//! | array, object | kept as it is; numbers inside of it are those of JSON |
//!
//! A line that is no such object is a bad row, and so is one whose arrays and objects are beyond the bounds of
//! [`structure`]. Blank lines are no rows.

use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::bad_row::{BadRow, RowFault};
use super::bounds;
use super::error::{ReadError, SourceError};
use super::row_source::Each;
use crate::model::{Cell, Columns, Row, structure};

/// Shows `each` the rows of `input`.
pub fn read(what: &Arc<str>, input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Columns, ReadError> {
    let (mut columns, mut line, mut number) = (KnownColumns::default(), Vec::new(), 0);
    while next_line(what, input, number, &mut line)? {
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        number += 1;
        if number == 1 && text.starts_with(b"[") {
            return Err(SourceError::NoJsonLines { what: what.clone() }.into());
        }
        let row = match cells(text) {
            Ok(found) => columns.row(what, number, found),
            Err(fault) => Err(BadRow::new(what, number, fault, text)),
        };
        each(&columns.columns, row)?;
    }
    Ok(columns.columns)
}

/// Reads the line behind row `row`; `false` at the end.
fn next_line(what: &Arc<str>, input: &mut dyn BufRead, row: u64, line: &mut Vec<u8>) -> Result<bool, SourceError> {
    line.clear();
    let read = input.take(bounds::LINE as u64 + 1).read_until(b'\n', line);
    read.map_err(|source| SourceError::Unreadable { what: what.clone(), row, source })?;
    if line.len() > bounds::LINE {
        return Err(SourceError::NoLine { what: what.clone(), row: row + 1 });
    }
    Ok(!line.is_empty())
}

/// The keys of a line and what stands there, in its order.
fn cells(text: &[u8]) -> Result<Vec<(String, Cell)>, RowFault> {
    let no_json = |error: serde_json::Error| RowFault::Json(error.to_string());
    let text = std::str::from_utf8(text).map_err(|_| RowFault::NotUtf8Line)?;
    let Object { pairs, has_more } = serde_json::from_str(text).map_err(no_json)?;
    if has_more {
        return Err(RowFault::TooManyKeys);
    }
    let (mut found, mut bytes, mut left) = (Vec::with_capacity(pairs.len()), 0, structure::VALUES_MAX);
    for (key, value) in pairs {
        if key.is_empty() {
            return Err(RowFault::NoName);
        }
        bytes += value.get().len();
        if bytes > bounds::ROW {
            return Err(RowFault::TooLarge);
        }
        let cell = match value.get() {
            value if value.starts_with(['{', '[']) => match structure::parse(value, &mut left) {
                Ok(value) => Cell::Json(value),
                Err(why) => return Err(RowFault::Structure(key, why)),
            },
            value => plain(value).map_err(no_json)?,
        };
        found.push((key, cell));
    }
    Ok(found)
}

/// What the JSON value `text`, which has no structure, is in a row.
fn plain(text: &str) -> serde_json::Result<Cell> {
    Ok(match text.as_bytes().first() {
        Some(b'"') => Cell::Text(serde_json::from_str(text)?),
        Some(b'n') => Cell::Null,
        Some(_) | None => Cell::Text(text.to_owned()),
    })
}

/// An object with its keys in order, also one that is there twice; no more than a row may have.
struct Object<'t> {
    pairs: Vec<(String, &'t RawValue)>,
    has_more: bool,
}

impl<'t> Deserialize<'t> for Object<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Object<'t>, D::Error> {
        deserializer.deserialize_map(Pairs)
    }
}

struct Pairs;

impl<'t> Visitor<'t> for Pairs {
    type Value = Object<'t>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Object<'t>, A::Error> {
        let mut pairs = Vec::new();
        while pairs.len() < bounds::COLUMNS {
            match map.next_entry()? {
                Some(pair) => pairs.push(pair),
                None => return Ok(Object { pairs, has_more: false }),
            }
        }
        let mut has_more = false;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            has_more = true;
        }
        Ok(Object { pairs, has_more })
    }
}

/// The columns of the lines so far.
#[derive(Default)]
struct KnownColumns {
    columns: Columns,
    positions: HashMap<String, usize>,
}

impl KnownColumns {
    /// Row `number` with these cells; columns that it brings are added, unless it is a bad one.
    fn row(&mut self, what: &Arc<str>, number: u64, found: Vec<(String, Cell)>) -> Result<Row, BadRow> {
        let mut new: Vec<String> = Vec::new();
        let mut cells: Vec<Option<Cell>> = vec![None; self.columns.names().len()];
        for (nth, (key, cell)) in found.into_iter().enumerate() {
            let at = match self.position(nth, &key) {
                Some(at) => at,
                None => {
                    let at = new.iter().position(|name| *name == key).map(|at| at + self.positions.len());
                    at.unwrap_or_else(|| {
                        new.push(key.clone());
                        cells.push(None);
                        cells.len() - 1
                    })
                }
            };
            if cells[at].replace(cell).is_some() {
                return Err(BadRow::new(what, number, RowFault::Repeated(key), &[]));
            }
            if cells.len() > bounds::COLUMNS {
                return Err(BadRow::new(what, number, RowFault::TooManyKeys, &[]));
            }
        }
        self.add(new);
        Ok(Row { number, cells: cells.into_iter().map(|cell| cell.unwrap_or(Cell::Null)).collect() })
    }

    /// Which column the line's `nth` key is. Most lines have the order of the first.
    fn position(&self, nth: usize, key: &str) -> Option<usize> {
        match self.columns.names().get(nth) {
            Some(name) if name == key => Some(nth),
            Some(_) | None => self.positions.get(key).copied(),
        }
    }

    fn add(&mut self, new: Vec<String>) {
        if new.is_empty() {
            return;
        }
        for name in &new {
            self.positions.insert(name.clone(), self.positions.len());
        }
        let names = self.columns.names().iter().cloned().chain(new).collect();
        // None is there twice: a key that is known has a position.
        self.columns = Columns::new(names).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The columns, the cells of good rows, and what is wrong with the bad ones.
    type Rows = (Vec<String>, Vec<Vec<Cell>>, Vec<String>);

    fn rows(text: &[u8]) -> Result<Rows, ReadError> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        let each = &mut |columns: &Columns, row: Result<Row, BadRow>| {
            match row {
                Ok(row) => {
                    assert_eq!(row.cells.len(), columns.names().len());
                    good.push(row.cells);
                }
                Err(why) => bad.push(why.to_string()),
            }
            Ok(())
        };
        let columns = read(&"x".into(), &mut &*text, each)?;
        Ok((columns.names().to_vec(), good, bad))
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn values_keep_what_they_are() {
        let line = r#"{"b":"J\u00f6rg","a":1.10,"c":12345678901234567890,"d":true,"e":null,"f":[1,{"x":"y"}],"g":{},"h":-1e2}"#;
        let (columns, good, bad) = rows(format!("{line}\r\n\n").as_bytes()).expect("rows");
        assert_eq!(columns, ["b", "a", "c", "d", "e", "f", "g", "h"]);
        let list = Cell::Json(serde_json::json!([1, {"x": "y"}]));
        let object = Cell::Json(serde_json::json!({}));
        let expected =
            [text("Jörg"), text("1.10"), text("12345678901234567890"), text("true"), Cell::Null, list, object];
        assert_eq!(good, [[&expected[..], &[text("-1e2")]].concat()]);
        assert_eq!(bad, [""; 0]);
    }

    #[test]
    fn later_columns_are_kept_and_missing_ones_are_null() {
        let lines = "{\"a\":\"1\",\"b\":\"2\"}\n{\"c\":\"3\",\"a\":\"4\"}\n{}\n{\"d\":1,\"d\":2}\n{\"b\":\"5\"}";
        let (columns, good, bad) = rows(lines.as_bytes()).expect("rows");
        // What a bad row brings is no column.
        assert_eq!(columns, ["a", "b", "c"]);
        let null = || Cell::Null;
        let expected = [
            vec![text("1"), text("2")],
            vec![text("4"), null(), text("3")],
            vec![null(), null(), null()],
            vec![null(), text("5"), null()],
        ];
        assert_eq!(good, expected);
        assert!(bad.len() == 1 && bad[0].starts_with("x: row 4: its key \"d\" is there twice"), "{bad:?}");
    }

    #[test]
    fn a_line_that_is_no_object_is_a_bad_row_and_the_next_is_read() {
        let mut lines: Vec<Vec<u8>> =
            ["{\"a\":1", "[1]", "1", "{\"a\":\"\\ud800\"}", "{\"\":1}", "{\"a\":1}{\"a\":2}", "{\"a\":01}"]
                .map(Into::into)
                .into();
        lines.push(b"{\"a\":\"\xff\"}".to_vec());
        lines.push(format!("{{\"a\":\"{}\"}}", "x".repeat(bounds::ROW)).into());
        for depth in [500, 126, 101] {
            lines.push(format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth)).into());
        }
        lines.push(b"{\"a\":[{\"b\":1,\"b\":2}]}".into());
        lines.push(format!("{{\"a\":[{}0]}}", "0,".repeat(10_000)).into());
        lines.push(format!("{{{}\"a\":0}}", "\"a\":0,".repeat(500_000)).into());
        let wrong = lines.len();
        lines.insert(0, b"{\"a\":0}".to_vec());
        lines.push(b"{\"a\":9}".to_vec());
        let (_, good, bad) = rows(&lines.join(&b'\n')).expect("rows");
        assert_eq!(good, [[text("0")], [text("9")]]);
        assert_eq!(bad.len(), wrong, "{bad:?}");
        for (at, why) in bad.iter().enumerate() {
            assert!(why.starts_with(&format!("x: row {}: ", at + 2)), "{why}");
        }
    }

    #[test]
    fn what_is_no_json_lines_is_told() {
        for (bytes, why) in [
            (b"[{\"a\":1},\n{\"a\":2}]".to_vec(), "one JSON array"),
            (vec![b' '; bounds::LINE + 1], "row 1 is a line of more than"),
        ] {
            let error = rows(&bytes).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(rows(b"").expect("no rows").0, [""; 0]);
    }

    #[test]
    fn rows_with_ever_more_columns_are_bad_and_stop_nobody() {
        let lines: String = (0..=bounds::COLUMNS).map(|n| format!("{{\"k{n}\":1}}\n")).collect();
        let (columns, good, bad) = rows((lines + "{\"k0\":2}\n").as_bytes()).expect("rows");
        assert_eq!((columns.len(), good.len(), bad.len()), (bounds::COLUMNS, bounds::COLUMNS + 1, 1));
        assert!(bad[0].starts_with("x: row 2001: with it there are more than 2000 keys"), "{bad:?}");
    }

    #[test]
    fn twenty_thousand_lines_are_twenty_thousand_rows() {
        let lines: String = (0..20_000).map(|n| format!("{{\"id\":{n},\"email\":\"r{n}@x.example\"}}\n")).collect();
        let (columns, good, bad) = rows(lines.as_bytes()).expect("rows");
        assert_eq!((columns.len(), good.len(), bad.len()), (2, 20_000, 0));
        assert_eq!(good[19_999], [text("19999"), text("r19999@x.example")]);
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = rows(&bytes);
        }

        #[test]
        fn odd_json_never_panics(text in "[{}\\[\\]\",:a1\\\\u\n ]{0,60}") {
            let _ = rows(text.as_bytes());
        }
    }
}
