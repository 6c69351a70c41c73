//! A message, or its header, as `show` prints it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};

use crate::sys::output::Page;

/// So much of a header is shown.
const HEADER_MAX: u64 = 256 << 10;

/// Prints `len` bytes from where the file is.
pub fn copy_message(file: File, len: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match io::copy(&mut file.take(len), &mut out).and_then(|_| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// The header section of a message of `len` bytes, odd bytes replaced.
pub fn header(message: File, len: u64) -> io::Result<String> {
    let mut reader = BufReader::new(message.take(len.min(HEADER_MAX)));
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len();
        reader.read_until(b'\n', &mut bytes)?;
        if matches!(&bytes[before..], b"" | b"\n" | b"\r\n") {
            bytes.truncate(before);
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

/// Adds the lines of a message, whose ends may be of either kind.
pub fn quote(text: &str, page: &mut Page) {
    for line in text.split_terminator('\n') {
        page.line(line.strip_suffix('\r').unwrap_or(line));
    }
}
