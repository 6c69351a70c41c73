//! A mail with a large file, which is read while the mail is written: memory does not grow with the file.
//!
//! What holds: the length is known before; a file that is no longer as long as it was is an error, and never a mail that
//! looks whole.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use super::transfer;

/// A row's file of more bytes than this should be streamed, 256 KiB.
pub const IN_MEMORY_MAX: u64 = 256 << 10;
/// Bytes that are read at once: whole lines of base64.
const PIECE: usize = 57 << 10;

/// A file that one row attaches, read while the mail is written.
#[derive(Clone, Copy, Debug)]
pub struct LargeFile<'a> {
    /// As the recipient sees it. Blanks stand for control characters, and `_` for slashes.
    pub name: &'a str,
    /// Read by position, so it may be shared.
    pub file: &'a File,
    /// Its bytes.
    pub len: u64,
}

/// What a mail is written of, in this order.
#[derive(Clone, Copy, Debug)]
pub enum Segment<'r> {
    Bytes(&'r [u8]),
    /// A file's first `len` bytes in base64, in lines of 76.
    Base64 {
        file: &'r File,
        len: u64,
    },
}

/// One row's mail with its large file.
#[derive(Clone, Copy, Debug)]
pub struct Streamed<'r> {
    pub segments: [Segment<'r>; 3],
    /// A header's address is UTF-8: the message needs SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// Bytes of its HTML before it was encoded.
    pub html: usize,
    /// The first address of From.
    pub from: &'r str,
}

impl Segment<'_> {
    /// Bytes that it writes.
    pub fn len(&self) -> u64 {
        match self {
            Segment::Bytes(bytes) => bytes.len() as u64,
            Segment::Base64 { len, .. } => transfer::base64_len(*len),
        }
    }

    /// Whether it writes nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes it.
    ///
    /// Errors: `out`'s; the file cannot be read, or has another length.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Segment::Bytes(bytes) => out.write_all(bytes),
            Segment::Base64 { file, len } => write_file(out, file, *len),
        }
    }
}

impl Streamed<'_> {
    /// Bytes of the message, with LF as line ends.
    pub fn len(&self) -> u64 {
        self.segments.iter().map(Segment::len).sum()
    }

    /// Always false: a message has a header.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the message, with LF as line ends. It may be written again.
    ///
    /// Errors: `out`'s; the file cannot be read, or has another length than it had.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        self.segments.iter().try_for_each(|segment| segment.write_to(out))
    }
}

fn write_file(out: &mut impl Write, file: &File, len: u64) -> io::Result<()> {
    let changed = || io::Error::new(io::ErrorKind::UnexpectedEof, "the attached file was changed meanwhile");
    let (mut piece, mut encoded) = (vec![0; PIECE], Vec::new());
    let mut at = 0;
    while at < len {
        let want = usize::try_from(len - at).map_or(PIECE, |left| left.min(PIECE));
        let read = &mut piece[..want];
        file.read_exact_at(read, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => changed(),
            _ => error,
        })?;
        encoded.clear();
        transfer::base64(&mut encoded, read);
        out.write_all(&encoded)?;
        at += want as u64;
    }
    if file.metadata()?.len() == len { Ok(()) } else { Err(changed()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_written_as_one_in_memory_is() {
        for len in [0, 1, 56, 57, 58, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 100] {
            let bytes: Vec<u8> = (0..len).map(|n| (n * 7 % 251) as u8).collect();
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(&bytes).expect("written");
            let segment = Segment::Base64 { file: &file, len: len as u64 };
            let (mut streamed, mut whole) = (Vec::new(), Vec::new());
            segment.write_to(&mut streamed).expect("written");
            transfer::base64(&mut whole, &bytes);
            assert!(streamed == whole && segment.len() == whole.len() as u64, "{len}");
        }
    }

    #[test]
    fn a_file_of_another_length_is_an_error() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"0123456789").expect("written");
        for len in [9, 11] {
            let error = Segment::Base64 { file: &file, len }.write_to(&mut Vec::new()).expect_err("changed");
            assert!(error.to_string().contains("was changed"), "{error}");
        }
    }
}
