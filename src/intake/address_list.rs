//! Lists of addresses in a file, one a line: a post's recipients, and whom a suppression list names. Blank lines are passed
//! over, and those that begin with `#`. Memory does not grow with the file, nor with a line.

use std::io::{self, BufRead};

use super::refused::{Failure, Refused};
use crate::model::Address;
use crate::queue::QueueError;
use crate::sys::output::warning;

/// An address has 254 bytes at most; what is longer than this is none.
const LINE_MAX: u64 = 4 << 10;

/// What has no end within so many bytes is no line, and the file that it is in no list.
const NO_LINE: usize = 1 << 20;

/// So many bad lines are said.
const SAID_MAX: u64 = 100;

/// What to do about a line that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    Refuse,
    /// Say it and go on.
    Skip,
}

/// What a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressCount {
    /// Addresses, doubles among them.
    pub found: u64,
    /// Lines that were passed over, because they are none.
    pub bad: u64,
}

/// Takes an address of a list.
pub type Take<'t> = dyn FnMut(&Address) -> Result<(), QueueError> + 't;

/// Shows `take` the addresses of the list `what`.
pub fn read(what: &str, input: &mut dyn BufRead, bad: Bad, take: &mut Take<'_>) -> Result<AddressCount, Failure> {
    let (mut number, mut count, mut line) = (0_u64, AddressCount::default(), Vec::new());
    loop {
        match next_line(input, &mut line) {
            Ok(true) => number += 1,
            Ok(false) => break,
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(Refused::NoList { what: what.to_owned(), number: number + 1 }.into());
            }
            Err(source) => return Err(Refused::Unreadable { what: what.to_owned(), source }.into()),
        }
        // Bytes that are no UTF-8 become a character that no address has.
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match text.parse::<Address>() {
            Ok(address) => {
                take(&address)?;
                count.found += 1;
            }
            Err(why) if bad == Bad::Refuse => {
                return Err(Refused::BadLine { what: what.to_owned(), number, why }.into());
            }
            Err(why) => {
                count.bad += 1;
                if count.bad <= SAID_MAX {
                    warning!("{what}:{number}: passed over: {why}");
                }
            }
        }
    }
    if count.bad > SAID_MAX {
        warning!("{what}: {} more lines were passed over", count.bad - SAID_MAX);
    }
    Ok(count)
}

/// Reads a line, of which no more than [`LINE_MAX`] bytes are kept; `false` at the end.
///
/// Errors: those of the input, and `FileTooLarge` for one that has more than [`NO_LINE`] bytes.
fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut read = 0;
    loop {
        let piece = match input.fill_buf() {
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = piece.iter().position(|&b| b == b'\n');
        let part = &piece[..end.unwrap_or(piece.len())];
        let room = (LINE_MAX as usize).saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = part.len() + usize::from(end.is_some());
        read += used;
        input.consume(used);
        if end.is_some() || used == 0 {
            return Ok(read > 0);
        }
        if read > NO_LINE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_any_length_is_one_line() {
        let text = format!("a\n\n{}\nb", "x".repeat(50_000));
        for buffer in [1, 7, 1 << 16] {
            let mut input = io::BufReader::with_capacity(buffer, text.as_bytes());
            let (mut line, mut found) = (Vec::new(), Vec::new());
            while next_line(&mut input, &mut line).expect("memory") {
                found.push(line.len());
            }
            assert_eq!(found, [1, 0, LINE_MAX as usize, 1]);
        }
    }

    #[test]
    fn a_line_without_an_end_is_none() {
        let mut input = io::BufReader::new(io::repeat(b'x'));
        let read = next_line(&mut input, &mut Vec::new());
        assert_eq!(read.expect_err("no line").kind(), io::ErrorKind::FileTooLarge);
    }
}
