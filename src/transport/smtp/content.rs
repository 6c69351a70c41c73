//! A message on its way to the wire: every line ends with CRLF, and nothing in it can end the message or begin another.
//!
//! What is stored is kept byte for byte but for this:
//! - a line feed becomes CRLF, which is a line's only end on the wire; one that has its carriage return already stays;
//! - a carriage return elsewhere is no line's end to RFC 5321 and is one to some servers, so that a message could be cut
//!   there: it becomes a space in the header, where a line's end would make a new field, and CRLF in the body;
//! - a NUL, which some servers drop, becomes a space;
//! - with DATA, a dot that begins a line is doubled (RFC 5321 section 4.5.2);
//! - a message that ends within a line gets its end.
//!
//! Lines of any length and bytes of eight bits go out as they are, whatever the server offers: whoever would change them
//! would break a signature.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Weak};

use memchr::{memchr_iter, memchr2, memchr3};

use crate::queue::{Content, Message};

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// Reads messages piece by piece. One that is held whole, here or by its claim, is not read again: a post goes to its
/// recipients one by one.
#[derive(Debug, Default)]
pub struct ContentReader {
    piece: Vec<u8>,
    /// The file of the message that is held, where that begins, and how long it is.
    holds: Option<(Weak<File>, u64, u64)>,
}

impl ContentReader {
    /// The piece of `message` that is `at` so many bytes from its beginning, not beyond its end; at least one byte, or an
    /// error if the file ends there.
    pub fn read<'m>(&'m mut self, message: &'m Message, at: u64) -> io::Result<&'m [u8]> {
        let (file, start) = match message.content() {
            Content::File { file, start } => (file, *start),
            Content::Memory { .. } => {
                let left = message.held_from(at);
                return if left.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(left) };
            }
        };
        // As long as somebody looks at it, its place in memory is not given to another file.
        let is_it = |(held, held_start, len): &(Weak<File>, u64, u64)| {
            std::ptr::eq(held.as_ptr(), Arc::as_ptr(file)) && (*held_start, *len) == (start, message.len)
        };
        let most = usize::try_from(message.len - at).map_or(PIECE, |left| left.min(PIECE));
        if at == 0 && self.holds.as_ref().is_some_and(is_it) {
            return Ok(&self.piece[..most]);
        }
        self.holds = None;
        self.piece.resize(most.max(self.piece.len()), 0);
        // Not from where the file stands, which a first attempt on another session left elsewhere.
        let len = loop {
            match file.read_at(&mut self.piece[..most], start + at) {
                Ok(0) if most > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => break len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        if len as u64 == message.len {
            self.holds = Some((Arc::downgrade(file), start, message.len));
        }
        Ok(&self.piece[..len])
    }
}

/// The state between two pieces of one message.
#[derive(Debug)]
pub struct Wire {
    /// Whether dots are doubled.
    stuff: bool,
    header: bool,
    /// A line begins.
    fresh: bool,
    /// The last byte was a carriage return, which is not written yet.
    cr: bool,
}

impl Wire {
    /// `stuff` is whether a dot that begins a line is doubled.
    pub fn new(stuff: bool) -> Wire {
        Wire { stuff, header: true, fresh: true, cr: false }
    }

    /// Appends the next piece of the message to `out`.
    pub fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        // One line in sixty bytes or more, as in most mail.
        out.reserve(piece.len() + piece.len() / 32);
        if !self.cr && memchr2(b'\r', b'\0', piece).is_none() {
            return self.push_lines(piece, out);
        }
        while let Some(&first) = piece.first() {
            if self.cr && first != b'\n' {
                self.lone_cr(out);
            }
            // Up to a byte that is no plain one.
            let plain = memchr3(b'\r', b'\n', b'\0', piece).unwrap_or(piece.len());
            if plain > 0 {
                self.begin(first, out);
                out.extend_from_slice(&piece[..plain]);
            }
            match piece.get(plain) {
                Some(b'\n') => self.end(out),
                Some(b'\r') => self.cr = true,
                Some(_) => {
                    self.begin(b' ', out);
                    out.push(b' ');
                }
                None => return,
            }
            piece = &piece[plain + 1..];
        }
    }

    /// The same for a piece in which a line feed alone is no plain byte.
    fn push_lines(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut begins = 0;
        for end in memchr_iter(b'\n', piece) {
            let line = &piece[begins..end];
            if let Some(&first) = line.first() {
                self.begin(first, out);
                out.extend_from_slice(line);
            }
            self.end(out);
            begins = end + 1;
        }
        if let Some(&first) = piece.get(begins) {
            self.begin(first, out);
            out.extend_from_slice(&piece[begins..]);
        }
    }

    /// Ends the last line, if that has no end.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.cr || !self.fresh {
            self.end(out);
        }
    }

    fn begin(&mut self, first: u8, out: &mut Vec<u8>) {
        if self.fresh && self.stuff && first == b'.' {
            out.push(b'.');
        }
        self.fresh = false;
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        // The empty line ends the header.
        self.header &= !self.fresh;
        out.extend_from_slice(b"\r\n");
        (self.fresh, self.cr) = (true, false);
    }

    fn lone_cr(&mut self, out: &mut Vec<u8>) {
        if self.header {
            self.begin(b' ', out);
            out.push(b' ');
            self.cr = false;
        } else {
            self.end(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_that_is_held_is_not_taken_for_another() {
        let file = |text: &str| {
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(text.as_bytes()).expect("written");
            Arc::new(file)
        };
        let mut reader = ContentReader::default();
        let mut read = |file: &Arc<File>, start, len| {
            let message = Message::of_file(Arc::clone(file), start, len);
            let (mut all, mut sizes) = (Vec::new(), Vec::new());
            while (all.len() as u64) < len {
                let piece = reader.read(&message, all.len() as u64).expect("it is there");
                all.extend_from_slice(piece);
                sizes.push(piece.len());
            }
            (String::from_utf8(all).expect("text"), sizes)
        };
        let one = file("one and two");
        assert_eq!(read(&one, 0, 3).0, "one");
        assert_eq!(read(&one, 8, 3).0, "two", "elsewhere in the same file");
        assert_eq!(read(&one, 8, 3).0, "two");
        assert_eq!(read(&one, 8, 2).0, "tw");
        drop(one);
        // Files come and go, and may lie where the last one lay.
        for n in 0..50 {
            assert_eq!(read(&file(&format!("no. {n:02}")), 0, 6).0, format!("no. {n:02}"));
        }
        let large = file(&"x".repeat(PIECE + 9));
        for _ in 0..2 {
            assert_eq!(read(&large, 0, PIECE as u64 + 9).1, [PIECE, 9], "it does not fit, and is read again");
        }
        let short = Message::of_file(file("short"), 0, 9);
        assert_eq!(reader.read(&short, 0).expect("some").len(), 5);
        assert!(reader.read(&short, 5).is_err(), "a file that ends before its message");
        let long: Vec<u8> = (0..PIECE + 9).map(|n| n as u8).collect();
        let message = Message::of_memory(Arc::new(long.clone()), 0, long.len() as u64);
        assert_eq!(reader.read(&message, 0).expect("in memory"), long);
        assert_eq!(reader.read(&message, 9).expect("in memory"), &long[9..]);
        let part = Message::of_memory(Arc::new(long.clone()), 7, 3);
        assert_eq!(reader.read(&part, 0).expect("in memory"), &long[7..10]);
        assert!(reader.read(&part, 3).is_err(), "nothing is left");
    }

    fn wire(stuff: bool, text: &[u8], size: usize) -> Vec<u8> {
        let (mut wire, mut out) = (Wire::new(stuff), Vec::new());
        for piece in text.chunks(size) {
            wire.push(piece, &mut out);
        }
        wire.finish(&mut out);
        out
    }

    #[test]
    fn lines_end_as_the_wire_wants_it() {
        for size in 1..9 {
            let out = wire(true, b"A: b\r\nC: d\n\n.x\n..\n.\nend", size);
            assert_eq!(out, b"A: b\r\nC: d\r\n\r\n..x\r\n...\r\n..\r\nend\r\n", "{size}");
            assert_eq!(wire(false, b"A: b\n\n.\n", size), b"A: b\r\n\r\n.\r\n");
            assert_eq!(wire(true, b"", size), b"");
        }
    }

    #[test]
    fn what_some_servers_take_for_an_end_is_none() {
        for size in 1..9 {
            assert_eq!(
                wire(true, b"A: b\rTo: c\n\na\r.\rb\0.\n\0.\r", size),
                b"A: b To: c\r\n\r\na\r\n..\r\nb .\r\n .\r\n"
            );
            assert_eq!(wire(true, b"A: b\n\nx\r\r\n.\r\n", size), b"A: b\r\n\r\nx\r\n\r\n..\r\n");
            assert_eq!(wire(true, b"A: b\r", size), b"A: b\r\n");
        }
    }

    proptest! {
        #[test]
        fn no_message_ends_early(text in proptest::collection::vec(proptest::sample::select(b"\r\n.\0ab:".to_vec()), 0..60), size in 1_usize..7) {
            let out = wire(true, &text, size);
            prop_assert_eq!(&out, &wire(true, &text, text.len().max(1)));
            prop_assert!(out.is_empty() || out.ends_with(b"\r\n"));
            prop_assert!(!out.contains(&0));
            // Each CR and each LF is half of a CRLF, and no line is a lone dot.
            let lines = String::from_utf8(out).expect("ASCII");
            for line in lines.split("\r\n") {
                prop_assert!(!line.contains(['\r', '\n']) && line != ".");
            }
        }
    }
}
