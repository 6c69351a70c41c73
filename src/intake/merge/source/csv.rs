//! Comma-separated values as RFC 4180 has them, and the same with tabs. The first line names the columns; blanks around a
//! name are dropped, those of a cell are kept.
//!
//! A cell in quotes may have separators, line breaks and, written twice, quotes in it. An empty cell is empty text: there is
//! no NULL. Lines without any character are no rows. A quote in a cell without quotes makes a bad row. A file with text behind
//! a cell's closing quote, or that ends inside of quotes, is refused: a stray quote may have swallowed any number of rows
//! before, and where the next begins is not known.
//!
//! The csv crate's reader grows a row without bound, so this one is made of the parser beneath it.

use std::io::{self, BufRead};
use std::sync::Arc;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::bad_row::{BadRow, RowFault, SHOWN};
use super::error::{ReadError, SourceError};
use super::quotes::Quotes;
use super::row_source::Each;
use super::{bounds, names};
use crate::model::{Cell, Columns, Row};

/// Shows `each` the rows of `input`, whose cells stand between separators.
pub fn read(
    what: &Arc<str>,
    input: &mut dyn BufRead,
    separator: u8,
    each: &mut Each<'_>,
) -> Result<Columns, ReadError> {
    let mut records = Records::new(what, input, separator);
    if !records.next(0)? {
        return Err(SourceError::Empty { what: what.clone() }.into());
    }
    let columns = records.header()?;
    let mut number = 0;
    while records.next(number + 1)? {
        number += 1;
        each(&columns, records.row(&columns, number))?;
    }
    Ok(columns)
}

/// The records of a text, one at a time: the header and the rows.
struct Records<'i> {
    what: &'i Arc<str>,
    input: &'i mut dyn BufRead,
    parser: Reader,
    separator: u8,
    quotes: Quotes,
    /// The record's cells, one behind the other, and how much is used.
    text: Vec<u8>,
    used: usize,
    /// Where each of them ends in there, and how many there are.
    ends: Vec<usize>,
    count: usize,
}

impl<'i> Records<'i> {
    fn new(what: &'i Arc<str>, input: &'i mut dyn BufRead, separator: u8) -> Records<'i> {
        let parser = ReaderBuilder::new().delimiter(separator).build();
        let quotes = Quotes::new(separator);
        Records { what, input, parser, separator, quotes, text: vec![0; 4 << 10], used: 0, ends: vec![0; 64], count: 0 }
    }

    /// Reads the next record, which is row `number`; `false` at the end.
    fn next(&mut self, number: u64) -> Result<bool, SourceError> {
        (self.used, self.count, self.quotes.is_stray) = (0, 0, false);
        loop {
            let (piece, is_end) = match self.input.fill_buf() {
                // What the last line lacks. Inside of quotes it is a part of the cell, and so no record ends.
                Ok([]) => (&b"\n"[..], true),
                Ok(piece) => (piece, false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    let row = number.saturating_sub(1);
                    return Err(SourceError::Unreadable { what: self.what.clone(), row, source });
                }
            };
            let (text, ends) = (&mut self.text[self.used..], &mut self.ends[self.count..]);
            let (result, taken, written, ended) = self.parser.read_record(piece, text, ends);
            self.quotes.feed(piece.get(..taken).unwrap_or_default());
            if !is_end {
                self.input.consume(taken);
            }
            (self.used, self.count) = (self.used + written, self.count + ended);
            if self.quotes.is_lost {
                return Err(SourceError::BehindQuote { what: self.what.clone(), row: number });
            }
            match result {
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::InputEmpty if is_end && (self.used > 0 || self.count > 0) => {
                    return Err(SourceError::OpenQuote { what: self.what.clone(), row: number });
                }
                ReadRecordResult::InputEmpty if is_end => return Ok(false),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::End => return Ok(false),
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {}
            }
            self.make_room(number)?;
        }
    }

    /// Makes room for more of the record where there is none.
    fn make_room(&mut self, number: u64) -> Result<(), SourceError> {
        // A row may have more cells than columns, and is bad then.
        if self.used > bounds::ROW || self.count > 2 * bounds::COLUMNS {
            return Err(SourceError::NoEnd { what: self.what.clone(), row: number });
        }
        if self.used == self.text.len() {
            self.text.resize(2 * self.text.len(), 0);
        }
        if self.count == self.ends.len() {
            self.ends.resize(2 * self.ends.len(), 0);
        }
        Ok(())
    }

    /// The record's cells; where one is not UTF-8, which.
    fn cells(&self) -> Result<Vec<&str>, usize> {
        let bytes = &self.text[..self.used];
        let mut start = 0;
        let cell = |(at, &end): (usize, &usize)| {
            let cell = bytes.get(start..end).and_then(|cell| std::str::from_utf8(cell).ok());
            start = end;
            cell.ok_or(at)
        };
        self.ends[..self.count].iter().enumerate().map(cell).collect()
    }

    /// The record's beginning, as much as is shown of a bad one.
    fn begin(&self) -> Vec<u8> {
        let mut begin = Vec::new();
        let mut start = 0;
        for &end in self.ends[..self.count].iter().take_while(|&&end| end < 2 * SHOWN) {
            begin.extend_from_slice(self.text.get(start..end).unwrap_or_default());
            begin.push(self.separator);
            start = end;
        }
        if start == self.used {
            // Behind the last cell there is none.
            begin.pop();
        }
        begin.extend_from_slice(&self.text[start.min(self.used)..self.used.min(2 * SHOWN)]);
        begin
    }

    /// The columns that this record names.
    fn header(&self) -> Result<Columns, SourceError> {
        let (header, separator) = (|why| SourceError::Header { what: self.what.clone(), why }, self.separator);
        if self.quotes.is_stray {
            return Err(header(
                "a quote stands in one; put quotes around it, and write its own quotes twice".to_owned(),
            ));
        }
        let cells = self.cells().map_err(|at| header(format!("that of column {} is not UTF-8", at + 1)))?;
        if let [only] = cells.as_slice()
            && let Some(other) = [',', ';', '\t'].into_iter().find(|&c| c as u8 != separator && only.contains(c))
        {
            let wanted = char::from(separator);
            return Err(header(format!("they are separated by {other:?}, and not by {wanted:?}; export them so")));
        }
        names::columns(self.what, cells.into_iter().map(|name| name.trim().to_owned()).collect())
    }

    /// This record as row `number`.
    fn row(&self, columns: &Columns, number: u64) -> Result<Row, BadRow> {
        let bad = |fault| BadRow::new(self.what, number, fault, &self.begin());
        if self.quotes.is_stray {
            return Err(bad(RowFault::Quote));
        }
        let (found, expected) = (self.count, columns.names().len());
        if found != expected {
            return Err(bad(RowFault::Ragged { found, columns: expected }));
        }
        let cells = self.cells().map_err(|at| bad(RowFault::NotUtf8(columns.names()[at].clone())))?;
        if self.used > bounds::ROW {
            return Err(bad(RowFault::TooLarge));
        }
        Ok(Row { number, cells: cells.into_iter().map(|cell| Cell::Text(cell.to_owned())).collect() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Rows = (Vec<String>, Vec<Vec<String>>, Vec<String>);

    /// Columns, good rows, and what is wrong with the bad ones; by a buffer of `size` bytes.
    fn rows_by(bytes: &[u8], size: usize) -> Result<Rows, ReadError> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        let mut input = io::BufReader::with_capacity(size, bytes);
        let each = &mut |_: &Columns, row: Result<Row, BadRow>| {
            match row {
                Ok(row) => {
                    assert_eq!(row.number as usize, good.len() + bad.len() + 1);
                    good.push(row.cells.iter().map(|cell| cell.text().expect("text").to_owned()).collect());
                }
                Err(why) => bad.push(why.to_string()),
            }
            Ok(())
        };
        let columns = read(&"x".into(), &mut input, b',', each)?;
        Ok((columns.names().to_vec(), good, bad))
    }

    fn rows(bytes: &[u8]) -> Rows {
        let found = rows_by(bytes, 1 << 16).expect("rows");
        assert_eq!(rows_by(bytes, 1).expect("rows"), found);
        found
    }

    #[test]
    fn cells_are_what_they_say() {
        let (columns, good, bad) = rows(b" email ,name\r\na@b,\"Doe, \"\"J\"\"\r\n2nd\"\r\n\r\n,  x \nc@d,5\" pipe");
        assert_eq!(columns, ["email", "name"]);
        assert_eq!(good, [["a@b", "Doe, \"J\"\r\n2nd"], ["", "  x "]]);
        assert_eq!(bad.len(), 1);
        assert!(bad[0].starts_with("x: row 3: a quote stands in a cell without quotes around it"), "{bad:?}");
    }

    #[test]
    fn a_bad_row_is_told_with_its_number_and_the_next_is_read() {
        let (_, good, bad) = rows(b"a,b\n1,2\n1\n1,2,3\n\xff,4\n\xc3,\xa9\n5,6\n");
        assert_eq!(good, [["1", "2"], ["5", "6"]]);
        let number = |line: &String| line.split(':').nth(1).expect("a number").trim().to_owned();
        assert_eq!(bad.iter().map(number).collect::<Vec<_>>(), ["row 2", "row 3", "row 4", "row 5"]);
        assert!(bad[0].contains("it has 1 cells, and there are 2") && bad[2].contains("\"a\" is not UTF-8"));
    }

    #[test]
    fn a_quote_that_is_never_closed_is_an_error_and_one_at_the_end_is_none() {
        for open in ["a,b\n1,\"2\n3,4\n", "a\n\"", "a\n\"\n", "a\n1\n\"x", "a\n\"x\"\"\n", "\"a"] {
            let error = rows_by(open.as_bytes(), 3).expect_err(open);
            assert!(matches!(error, ReadError::Source(SourceError::OpenQuote { .. })), "{open:?}: {error}");
        }
        for closed in ["a\n\"x\"", "a\n\"\"", "a\n\"x\"\r", "a\nx\r\n\r\n\n"] {
            assert_eq!(rows(closed.as_bytes()).1.len(), 1, "{closed:?}");
        }
    }

    #[test]
    fn a_stray_quote_swallows_nobody() {
        for (text, row) in [
            ("e,n\na@y.org,\"Ann\"\nb@y.org,\"Bob\nc@y.org,\"Carl\"\nd@y.org,\"Dan\"\n", 2),
            ("e,n\na@y.org,\"Ann\" \n", 1),
            ("e,n\na@y.org,\"Ann\"x,\n", 1),
        ] {
            for size in [1, 3, 1 << 16] {
                let error = rows_by(text.as_bytes(), size).expect_err(text);
                let found =
                    matches!(&error, ReadError::Source(SourceError::BehindQuote { row: found, .. }) if *found == row);
                assert!(found, "{text:?}: {error}");
            }
        }
        let (_, good, bad) = rows(b"e,n\na@y.org,A \"x\" B\nb@y.org, \"B\"\nc@y.org,\"\"\"C\"\"\"\n");
        assert_eq!((good, bad.len()), (vec![vec!["c@y.org".to_owned(), "\"C\"".to_owned()]], 2));
        assert!(rows_by(b"e,n\"\na,b\n", 9).expect_err("a name").to_string().contains("a quote stands in one"));
    }

    #[test]
    fn a_bad_row_is_shown_with_its_separators() {
        let shown = |bytes: &[u8]| {
            let mut shown = Vec::new();
            let each = &mut |_: &Columns, row: Result<Row, BadRow>| {
                shown.extend(row.err().map(|bad| bad.shown));
                Ok(())
            };
            read(&"x".into(), &mut &bytes[..], b',', each).expect("rows");
            shown
        };
        assert_eq!(shown(b"a,b\n1\n12,,3\n,,\n"), ["1", "12,,3", ",,"]);
        assert_eq!(shown(format!("a,b\n1,2,{}\n", "x".repeat(9_000)).as_bytes())[0].len(), SHOWN);
    }

    #[test]
    fn a_header_must_name_the_columns() {
        for (bytes, why) in [
            (&b""[..], "it is empty"),
            (b"\n\n", "it is empty"),
            (b"a,b,a\n", "\"a\" is there twice"),
            (b"a,,b\n", "column 2 has none"),
            (b"a,\xff\n", "that of column 2 is not UTF-8"),
            (b"email;name\n", "separated by ';'"),
            (b"email\tname\n", "separated by '\\t'"),
        ] {
            let error = rows_by(bytes, 9).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_row_without_an_end_is_read_no_further_than_its_bounds() {
        for endless in ["x", ",", "\"\"", "\n"] {
            let mut read = Vec::from(&b"a,b\n\""[..]);
            if endless == "," {
                read.pop();
            }
            read.extend(endless.repeat(3 << 20).bytes());
            let error = rows_by(&read, 1 << 16).expect_err("endless");
            assert!(matches!(error, ReadError::Source(SourceError::NoEnd { row: 1, .. })), "{error}");
        }
    }

    #[test]
    fn rows_that_cannot_be_put_away_end_the_reading() {
        let mut seen = 0;
        let each = &mut |_: &Columns, _: Result<Row, BadRow>| {
            seen += 1;
            Err(crate::queue::QueueError::BatchFull(1))
        };
        let error = read(&"x".into(), &mut &b"a\n1\n2\n"[..], b',', each).expect_err("no room");
        assert!(matches!(error, ReadError::Spool(_)) && seen == 1);
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..20) {
            let _ = rows_by(&bytes, size);
        }

        #[test]
        fn what_the_csv_crate_writes_comes_back(
            table in proptest::collection::vec(proptest::collection::vec("[a\",\r\n é]{0,6}", 3), 1..6),
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["a", "b", "c"]).expect("memory");
            table.iter().for_each(|row| writer.write_record(row).expect("memory"));
            let text = writer.into_inner().expect("memory");
            prop_assert_eq!(rows(&text).1, table);
        }
    }
}
