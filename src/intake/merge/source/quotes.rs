//! Whether quotes stand where RFC 4180 section 2 has them: around a cell, and written twice within.
//!
//! A stray quote makes one cell of all that follows up to the next one, and so one person's row of another's. What shows it is
//! text behind the quote that closes the cell.

/// Where a byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Begin,
    Plain,
    Quoted,
    /// Behind a quote in a quoted cell, which closes it or is the first of two.
    Quote,
}

/// Goes over a text, record by record.
#[derive(Debug)]
pub(super) struct Quotes {
    separator: u8,
    at: At,
    /// The record has a quote in a cell that is not in quotes.
    pub is_stray: bool,
    /// Text stood behind a closing quote: where a row ends is not known any more.
    pub is_lost: bool,
}

impl Quotes {
    pub fn new(separator: u8) -> Quotes {
        Quotes { separator, at: At::Begin, is_stray: false, is_lost: false }
    }

    /// Goes on over `bytes`.
    pub fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let ends = byte == self.separator || matches!(byte, b'\n' | b'\r');
            self.at = match (self.at, byte) {
                (At::Quoted, b'"') => At::Quote,
                (At::Quoted, _) | (At::Quote | At::Begin, b'"') => At::Quoted,
                (At::Begin | At::Plain | At::Quote, _) if ends => At::Begin,
                (At::Begin, _) => At::Plain,
                (At::Plain, _) => {
                    self.is_stray |= byte == b'"';
                    At::Plain
                }
                (At::Quote, _) => {
                    self.is_lost = true;
                    At::Plain
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_stands_around_a_cell_or_is_written_twice() {
        for (text, stray, lost) in [
            ("a,\"b\",\"\"\r\n\"c\"\"d\",\"\n,\"\n", false, false),
            ("a,5\" b\n", true, false),
            ("a, \"b\"\n", true, false),
            ("b@y.org,\"Bob\nc@y.org,\"Carl\"\n", true, true),
            ("\"a\" ,b\n", false, true),
            ("\"a\"\tb\n", false, true),
        ] {
            let mut quotes = Quotes::new(b',');
            quotes.feed(text.as_bytes());
            assert_eq!((quotes.is_stray, quotes.is_lost), (stray, lost), "{text:?}");
        }
    }
}
