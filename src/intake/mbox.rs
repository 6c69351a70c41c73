//! An mbox, a message at a time and in constant memory (mbox(5), RFC 4155; quoting as in mboxrd).
//!
//! A message begins at a line `From ` that is the first or follows an empty line. That empty line is not part of the
//! message before it. What begins with anything else is no mbox, and nothing of it is a message. A line of one or more `>` and `From ` loses one `>`.

use std::io::{self, BufRead, Read};

/// So much of a line is looked at; the rest of a longer one just follows.
const PIECE: u64 = 64 << 10;

/// An mbox being read.
#[derive(Debug)]
pub struct Mbox<R> {
    inner: R,
    /// The piece of a line that is being handed out, and how much of it was.
    line: Vec<u8>,
    used: usize,
    /// The next piece begins a line.
    fresh: bool,
    /// An empty line that is handed out only if the message goes on.
    held: Vec<u8>,
    /// The line that begins the next message.
    separator: Option<Vec<u8>>,
    began: Began,
}

#[derive(Debug, PartialEq, Eq)]
enum Began {
    NotYet,
    /// With a separating line, or with nothing at all.
    Well,
    Strangely,
}

/// One message, as a reader that ends with it.
#[derive(Debug)]
pub struct MboxMessage<'m, R> {
    mbox: &'m mut Mbox<R>,
    /// The sender that the separating line names.
    pub sender: String,
}

impl<R: BufRead> Mbox<R> {
    pub fn new(inner: R) -> Mbox<R> {
        Mbox { inner, line: Vec::new(), used: 0, fresh: true, held: Vec::new(), separator: None, began: Began::NotYet }
    }

    /// Whether what was read so far is an mbox.
    pub fn is_mbox(&self) -> bool {
        self.began != Began::Strangely
    }

    /// The next message; `None` at the end. What was not read of the last one is passed over.
    pub fn next_message(&mut self) -> io::Result<Option<MboxMessage<'_, R>>> {
        if self.began == Began::NotYet {
            self.begin()?;
        }
        if self.began == Began::Strangely {
            return Ok(None);
        }
        while self.separator.is_none() && self.advance(false)? {}
        let Some(separator) = self.separator.take() else { return Ok(None) };
        let text = String::from_utf8_lossy(&separator);
        let sender = text.split_whitespace().nth(1).unwrap_or("").to_owned();
        self.held.clear();
        Ok(Some(MboxMessage { mbox: self, sender }))
    }

    /// Reads up to the first separating line. Only empty lines may stand before it.
    fn begin(&mut self) -> io::Result<()> {
        self.began = Began::Well;
        while self.advance(true)? {
            if self.line.iter().any(|b| !matches!(b, b'\r' | b'\n')) {
                self.began = Began::Strangely;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads the next piece; `false` at the end of the message or the file. With `start`, a separator needs no empty line
    /// before it.
    fn advance(&mut self, start: bool) -> io::Result<bool> {
        let held = std::mem::take(&mut self.held);
        self.line.clear();
        self.used = 0;
        let fresh = self.fresh;
        if self.inner.by_ref().take(PIECE).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        self.fresh = self.line.ends_with(b"\n");
        if !fresh {
            return Ok(true);
        }
        if (start || !held.is_empty()) && self.line.starts_with(b"From ") {
            self.separator = Some(std::mem::take(&mut self.line));
            while !self.fresh {
                // A separator longer than a piece: its rest tells nothing.
                let mut rest = Vec::new();
                let read = self.inner.by_ref().take(PIECE).read_until(b'\n', &mut rest)?;
                self.fresh = read == 0 || rest.ends_with(b"\n");
            }
            return Ok(false);
        }
        let quotes = self.line.iter().take_while(|&&b| b == b'>').count();
        if quotes > 0 && self.line[quotes..].starts_with(b"From ") {
            self.used = 1;
        }
        if matches!(self.line.as_slice(), b"\n" | b"\r\n") {
            self.held = std::mem::replace(&mut self.line, held);
        } else if !held.is_empty() {
            self.line.splice(0..self.used, held);
            self.used = 0;
        }
        Ok(true)
    }
}

impl<R: BufRead> Read for MboxMessage<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let len = available.len().min(out.len());
        out[..len].copy_from_slice(&available[..len]);
        self.consume(len);
        Ok(len)
    }
}

impl<R: BufRead> BufRead for MboxMessage<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.mbox.used >= self.mbox.line.len() {
            if self.mbox.separator.is_some() || !self.mbox.advance(false)? {
                return Ok(&[]);
            }
        }
        Ok(&self.mbox.line[self.mbox.used..])
    }

    fn consume(&mut self, len: usize) {
        self.mbox.used += len;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Vec<(String, String)> {
        let mut mbox = Mbox::new(text.as_bytes());
        let mut found = Vec::new();
        while let Some(mut message) = mbox.next_message().expect("memory") {
            let mut body = String::new();
            message.read_to_string(&mut body).expect("memory");
            found.push((message.sender.clone(), body));
        }
        found
    }

    #[test]
    fn messages_are_told_apart_and_unquoted() {
        let text = "From a@x Mon\nSubject: 1\n\nfirst\n\n\nFrom the start, no separator? It is one.\n\nFrom b@x Tue\nSubject: 2\n\n>From here\n>>From there\nFrom inside\n>x\n";
        let found = split(text);
        assert_eq!(found[0], ("a@x".into(), "Subject: 1\n\nfirst\n\n".into()));
        assert_eq!(found[2], ("b@x".into(), "Subject: 2\n\nFrom here\n>From there\nFrom inside\n>x\n".into()));
        assert_eq!(found.len(), 3);
        assert!(split("").is_empty() && split("no mbox\n").is_empty() && split("a: b\n\nx\n\nFrom a\n").is_empty());
        assert_eq!(split("\n\r\nFrom a\nx\n"), [("a".into(), "x\n".into())]);
        assert_eq!(split("From a\n"), [("a".into(), "".into())]);
    }

    #[test]
    fn a_message_that_was_not_read_is_passed_over() {
        let mut mbox = Mbox::new(&b"From a\nx\n\ny\n\nFrom b\nz\n"[..]);
        assert_eq!(mbox.next_message().expect("memory").expect("one").sender, "a");
        let mut second = mbox.next_message().expect("memory").expect("two");
        let mut body = String::new();
        second.read_to_string(&mut body).expect("memory");
        assert_eq!((second.sender.as_str(), body.as_str()), ("b", "z\n"));
    }

    #[test]
    fn a_long_line_goes_through() {
        let long = "x".repeat(300_000);
        assert_eq!(split(&format!("From a\n{long}\n\nFrom b\n"))[0].1, format!("{long}\n"));
    }

    proptest! {
        #[test]
        fn what_was_quoted_comes_back(bodies in proptest::collection::vec("([>]{0,2}(From )?[a-z ]{0,6}\n){0,6}", 1..5)) {
            let quote = |line: &str| {
                let quoted = line.trim_start_matches('>').starts_with("From ");
                format!("{}{line}", if quoted { ">" } else { "" })
            };
            let text: String = bodies.iter().map(|body| {
                format!("From s@x\n{}\n", body.split_inclusive('\n').map(quote).collect::<String>())
            }).collect();
            let found: Vec<String> = split(&text).into_iter().map(|(_, body)| body).collect();
            prop_assert_eq!(found, bodies);
        }
    }
}
