//! The two directions of a session, buffered.
//!
//! Kept true: what is to be said is written before anything is waited for, and not sooner, so that a pipelined group of
//! commands (RFC 2920) gets its replies in one write. A command is a line that ends with CRLF and with nothing else.

use std::io::{self, Read, Write};

/// The longest command with its CRLF: RFC 5321 section 4.5.3.1.4 and what the extensions add to it.
const LINE_MAX: usize = 2_048;
/// What is read at once, and the most that the replies to one group follow from.
const BUFFER: usize = 64 << 10;
/// The longest reply without its CRLF (RFC 5321 section 4.5.3.1.5).
const REPLY_MAX: usize = 510;

/// What a client sent where a command is expected.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Without its CRLF.
    Command(Vec<u8>),
    /// It was read to its end, and is gone.
    TooLong,
    /// A line feed without a carriage return: where the line ends is a matter of opinion.
    BareLf,
    /// The client has closed its side.
    End,
}

/// A session's input and output.
pub struct Stream<R, W> {
    input: R,
    output: W,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Within a line that is too long.
    skipping: bool,
    unsaid: Vec<u8>,
}

impl<R: Read, W: Write> Stream<R, W> {
    pub fn new(input: R, output: W) -> Stream<R, W> {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Stream { input, output, buffer, start: 0, end: 0, skipping: false, unsaid: Vec::new() }
    }

    /// Takes down one line of a reply. It becomes printable ASCII (RFC 5321 section 4.2) of a bounded length.
    pub fn say(&mut self, reply: &str) {
        let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c as u8 } else { b'?' };
        self.unsaid.extend(reply.chars().take(REPLY_MAX).map(printable));
        self.unsaid.extend_from_slice(b"\r\n");
    }

    /// Writes what was said.
    pub fn flush(&mut self) -> io::Result<()> {
        let unsaid = std::mem::take(&mut self.unsaid);
        if unsaid.is_empty() {
            return Ok(());
        }
        self.output.write_all(&unsaid)?;
        self.output.flush()
    }

    /// What was read and not consumed.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }

    /// Waits for more; `false` if there will be none. There is room for it, for a line is shorter than the buffer.
    ///
    /// Errors: `TimedOut`, `Interrupted` by a signal, or the client is gone.
    pub fn fill(&mut self) -> io::Result<bool> {
        self.flush()?;
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let read = self.input.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read > 0)
    }

    /// The next command's line. After an error of the kind `Interrupted` it goes on.
    pub fn line(&mut self) -> io::Result<Line> {
        loop {
            let unread = self.unread();
            let crlf = unread.windows(2).position(|pair| pair == b"\r\n");
            if self.skipping {
                // The last byte may be the first of the CRLF.
                let gone = crlf.map_or(unread.len().saturating_sub(1), |at| at + 2);
                self.consume(gone);
                if crlf.is_some() {
                    self.skipping = false;
                    return Ok(Line::TooLong);
                }
            } else {
                let line = &unread[..crlf.unwrap_or(unread.len()).min(LINE_MAX)];
                if line.contains(&b'\n') {
                    return Ok(Line::BareLf);
                }
                if crlf.map_or(unread.len(), |at| at + 1) >= LINE_MAX {
                    self.skipping = true;
                    continue;
                }
                if crlf.is_some() {
                    let line = line.to_vec();
                    self.consume(line.len() + 2);
                    return Ok(Line::Command(line));
                }
            }
            if !self.fill()? {
                return Ok(Line::End);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time, and counts the writes of the other side.
    struct Slow<'b>(&'b [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let len = into.len().min(1);
            self.0.read(&mut into[..len])
        }
    }

    fn lines(bytes: &[u8]) -> Vec<Line> {
        let read = |mut stream: Stream<&mut dyn Read, io::Sink>| {
            let mut found = Vec::new();
            loop {
                let line = stream.line().expect("memory");
                let last = matches!(line, Line::End | Line::BareLf);
                found.push(line);
                if last {
                    return found;
                }
            }
        };
        let whole = read(Stream::new(&mut { bytes }, io::sink()));
        let slow = read(Stream::new(&mut Slow(bytes), io::sink()));
        assert_eq!(whole, slow, "{bytes:?}");
        whole
    }

    fn command(text: &str) -> Line {
        Line::Command(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_end_with_crlf_alone() {
        assert_eq!(lines(b"a b\r\n\r\nc"), [command("a b"), command(""), Line::End]);
        assert_eq!(lines(b"a\rb\r\r\n"), [command("a\rb\r"), Line::End]);
        assert_eq!(lines(b"a\r\nb\nc\r\n"), [command("a"), Line::BareLf]);
    }

    #[test]
    fn a_line_that_is_too_long_is_read_away() {
        let [longest, longer] = [LINE_MAX - 2, LINE_MAX - 1].map(|len| "x".repeat(len));
        assert_eq!(lines(format!("{longest}\r\nb\r\n").as_bytes()), [command(&longest), command("b"), Line::End]);
        assert_eq!(lines(format!("{longer}\r\nb\r\n").as_bytes()), [Line::TooLong, command("b"), Line::End]);
        let endless = "x".repeat(3 * BUFFER);
        assert_eq!(lines(format!("{endless}\n\r\r\nb\r\n").as_bytes()), [Line::TooLong, command("b"), Line::End]);
        assert_eq!(lines(endless.as_bytes()), [Line::End]);
    }

    #[test]
    fn a_reply_is_one_printable_line() {
        let mut out = Vec::new();
        let mut stream = Stream::new(&b""[..], &mut out);
        stream.say("250 a\r\n250 b\u{e9}");
        stream.say(&"x".repeat(2_000));
        stream.flush().expect("memory");
        assert_eq!(out[..16], *b"250 a??250 b?\r\nx");
        assert_eq!(out.len(), 15 + REPLY_MAX + 2);
    }
}
