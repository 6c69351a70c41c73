//! A message's body: streamed through in constant memory, byte for byte.

use std::io::{self, BufRead, Write};

use super::refused::Refused;

/// Why a body did not get through: the input, the limit, or the writer.
pub enum Fault {
    Refused(Refused),
    Write(io::Error),
}

/// Copies `input` to `out`, at most `room` bytes of a message that may have `max`. With `dot`, a line with a lone dot
/// ends the message and is not part of it; what follows it is read and dropped, as sendmail does, so that its writer gets
/// no broken pipe.
pub fn copy(input: &mut impl BufRead, out: &mut impl Write, dot: bool, room: u64, max: u64) -> Result<u64, Fault> {
    let mut copied = 0;
    // The piece begins a line; only there a dot can be alone.
    let mut fresh = true;
    loop {
        let unreadable = |source| Fault::Refused(Refused::Unreadable { what: "the message".to_owned(), source });
        let piece = match input.fill_buf() {
            Ok([]) => return Ok(copied),
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        };
        let (len, over) = match dot {
            false => (piece.len(), false),
            true => match lone_dot(piece, fresh) {
                Dot::None => (piece.len(), false),
                Dot::At(at) => (at, true),
                // Not enough was read to know: the dot waits for what comes next.
                Dot::Perhaps => return tail(input, out, fresh, copied, room, max),
            },
        };
        copied += len as u64;
        if copied > room {
            return Err(Fault::Refused(Refused::MessageTooBig { max }));
        }
        out.write_all(&piece[..len]).map_err(Fault::Write)?;
        fresh = piece[..len].last().map_or(fresh, |&b| b == b'\n');
        input.consume(len);
        if over {
            io::copy(input, &mut io::sink()).map_err(unreadable)?;
            return Ok(copied);
        }
    }
}

enum Dot {
    None,
    /// The lone dot stands here.
    At(usize),
    /// The piece ends so that a lone dot may begin at its end or right behind it.
    Perhaps,
}

fn lone_dot(piece: &[u8], fresh: bool) -> Dot {
    let mut from = 0;
    if !fresh {
        match piece.iter().position(|&b| b == b'\n') {
            Some(end) => from = end + 1,
            None => return Dot::None,
        }
    }
    while from < piece.len() {
        let line = &piece[from..];
        match line {
            [b'.', b'\n', ..] | [b'.', b'\r', b'\n', ..] => return Dot::At(from),
            [b'.'] | [b'.', b'\r'] => return Dot::Perhaps,
            _ => {}
        }
        match line.iter().position(|&b| b == b'\n') {
            Some(end) => from += end + 1,
            None => return Dot::None,
        }
    }
    Dot::None
}

/// The rest, a line at a time: for the rare piece that ends within what may be a lone dot.
fn tail(
    input: &mut impl BufRead,
    out: &mut impl Write,
    mut fresh: bool,
    mut copied: u64,
    room: u64,
    max: u64,
) -> Result<u64, Fault> {
    const PIECE: u64 = 64 << 10;
    let unreadable = |source| Fault::Refused(Refused::Unreadable { what: "the message".to_owned(), source });
    let mut line = Vec::new();
    loop {
        line.clear();
        if io::Read::take(&mut *input, PIECE).read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            return Ok(copied);
        }
        if fresh && matches!(line.as_slice(), b".\n" | b".\r\n" | b".") {
            io::copy(input, &mut io::sink()).map_err(unreadable)?;
            return Ok(copied);
        }
        fresh = line.ends_with(b"\n");
        copied += line.len() as u64;
        if copied > room {
            return Err(Fault::Refused(Refused::MessageTooBig { max }));
        }
        out.write_all(&line).map_err(Fault::Write)?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn through(text: &[u8], dot: bool, buffer: usize, max: u64) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        copy(&mut BufReader::with_capacity(buffer, text), &mut out, dot, max, max).ok().map(|_| out)
    }

    #[test]
    fn a_lone_dot_ends_it_wherever_the_pieces_break() {
        for buffer in 1..12 {
            for end in ["\n", "\r\n"] {
                let text = format!("a{end}..{end}.b{end}.{end}more{end}");
                let expected = format!("a{end}..{end}.b{end}");
                assert_eq!(through(text.as_bytes(), true, buffer, 99), Some(expected.into_bytes()), "{buffer}");
                assert_eq!(through(text.as_bytes(), false, buffer, 99), Some(text.into_bytes()));
            }
            assert_eq!(through(b"a\n.", true, buffer, 99), Some(b"a\n".to_vec()));
            assert_eq!(through(b"a.\nb", true, buffer, 99), Some(b"a.\nb".to_vec()));
        }
    }

    #[test]
    fn the_limit_is_exact() {
        assert!(through(b"12345", false, 4, 5).is_some());
        assert!(through(b"123456", false, 4, 5).is_none());
    }

    proptest! {
        #[test]
        fn every_byte_goes_through(bytes in proptest::collection::vec(any::<u8>(), 0..200), buffer in 1usize..64) {
            prop_assert_eq!(through(&bytes, false, buffer, 1_000), Some(bytes));
        }

        #[test]
        fn the_dot_is_found_as_by_lines(text in "[a.\r\n]{0,40}", buffer in 1usize..16) {
            let mut expected = String::new();
            for line in text.split_inclusive('\n') {
                if matches!(line, "." | ".\n" | ".\r\n") {
                    break;
                }
                expected.push_str(line);
            }
            prop_assert_eq!(through(text.as_bytes(), true, buffer, 1_000), Some(expected.into_bytes()));
        }
    }
}
