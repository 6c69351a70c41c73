//! A message's content as DATA sends it (RFC 5321 section 4.5.2), read as it will be stored: dots unstuffed, lines that
//! end with LF.
//!
//! Kept true: **the content ends with CRLF.CRLF and with nothing else**, whatever stands in it. A bare CR, a bare LF or a
//! NUL is a fault of the whole message: the reader of the content gets an error at once, so that nothing is published,
//! and [`Data::drain`] reads on to the true end, so that no byte of the content is taken for a command.

use std::io::{self, BufRead, Read, Write};

use super::stream::Stream;

/// What no message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    BareCr,
    BareLf,
    Nul,
}

/// Where in a line the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Start,
    /// Behind a dot that begins the line.
    Dot,
    /// Behind such a dot and a CR.
    DotCr,
    Inside,
    Cr,
}

/// Takes the content apart, wherever the pieces break.
#[derive(Debug, Default)]
pub struct Decoder {
    at: At,
    /// The first one.
    pub fault: Option<Fault>,
    pub ended: bool,
}

impl Decoder {
    /// Decodes `bytes` into `out`, up to the content's end; how many of them belong to it.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let mut from = 0;
        while from < bytes.len() && !self.ended {
            let byte = bytes[from];
            match (self.at, byte) {
                (At::Start, b'.') => self.at = At::Dot,
                (At::Dot, b'\r') => self.at = At::DotCr,
                (At::DotCr, b'\n') => self.ended = true,
                (At::Cr, b'\n') => {
                    out.push(b'\n');
                    self.at = At::Start;
                }
                (At::Start | At::Inside, b'\r') => self.at = At::Cr,
                (At::Cr | At::DotCr, _) => {
                    self.fault(Fault::BareCr);
                    self.at = At::Inside;
                    // The byte is looked at again, for it may be a CR itself.
                    continue;
                }
                (At::Start | At::Dot | At::Inside, _) => {
                    let rest = &bytes[from..];
                    let plain = rest.iter().position(|b| matches!(b, b'\r' | b'\n' | 0)).unwrap_or(rest.len());
                    out.extend_from_slice(&rest[..plain]);
                    from += plain;
                    self.at = At::Inside;
                    match rest.get(plain) {
                        Some(b'\n') => self.fault(Fault::BareLf),
                        Some(0) => self.fault(Fault::Nul),
                        Some(_) | None => continue,
                    }
                }
            }
            from += 1;
        }
        from
    }

    fn fault(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }
}

/// The content that follows in the stream.
pub struct Data<'s, R, W> {
    stream: &'s mut Stream<R, W>,
    decoder: Decoder,
    text: Vec<u8>,
    taken: usize,
    /// Why there is no more, though it has not ended.
    lost: Option<io::ErrorKind>,
}

impl<'s, R: Read, W: Write> Data<'s, R, W> {
    pub fn new(stream: &'s mut Stream<R, W>) -> Data<'s, R, W> {
        Data { stream, decoder: Decoder::default(), text: Vec::new(), taken: 0, lost: None }
    }

    /// Reads the rest away. Returns the fault that the content has.
    ///
    /// Errors: the client is gone, or silent for too long.
    pub fn drain(mut self) -> io::Result<Option<Fault>> {
        while !self.decoder.ended {
            self.text.clear();
            self.step()?;
        }
        Ok(self.decoder.fault)
    }

    /// Decodes what is there, or waits for more.
    fn step(&mut self) -> io::Result<()> {
        if let Some(kind) = self.lost {
            return Err(kind.into());
        }
        if self.stream.unread().is_empty() {
            let kind = match self.stream.fill() {
                Ok(true) => return Ok(()),
                Ok(false) => io::ErrorKind::UnexpectedEof,
                // Whatever it is that we are told: first the message.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
                Err(error) => error.kind(),
            };
            self.lost = Some(kind);
            return Err(kind.into());
        }
        let consumed = self.decoder.feed(self.stream.unread(), &mut self.text);
        self.stream.consume(consumed);
        Ok(())
    }
}

impl<R: Read, W: Write> BufRead for Data<'_, R, W> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.text.len() {
            self.text.clear();
            self.taken = 0;
            while self.text.is_empty() && !self.decoder.ended && self.decoder.fault.is_none() {
                self.step()?;
            }
        }
        match self.decoder.fault {
            Some(fault) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{fault:?}"))),
            None => Ok(&self.text[self.taken..]),
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.taken = (self.taken + bytes).min(self.text.len());
    }
}

impl<R: Read, W: Write> Read for Data<'_, R, W> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let len = piece.len().min(into.len());
        into[..len].copy_from_slice(&piece[..len]);
        self.consume(len);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The content, or the fault that it has, or neither; and what is left behind its end, where there is one.
    type Got = (Option<Vec<u8>>, Option<Fault>, Option<Vec<u8>>);

    fn read(wire: &[u8]) -> Got {
        let mut stream = Stream::new(wire, io::sink());
        let mut data = Data::new(&mut stream);
        let mut text = Vec::new();
        let read = data.read_to_end(&mut text);
        let fault = data.drain();
        let rest = fault.is_ok().then(|| stream.unread().to_vec());
        (read.is_ok().then_some(text), fault.unwrap_or_default(), rest)
    }

    #[test]
    fn dots_are_unstuffed_and_lines_end_with_lf() {
        let (text, _, rest) = read(b"a\r\n..\r\n.b\r\n\r\n c.\r\n.\r\nQUIT\r\n");
        assert_eq!(text.expect("a message"), b"a\n.\nb\n\n c.\n");
        assert_eq!(rest.expect("an end"), b"QUIT\r\n");
        assert_eq!(read(b".\r\n"), (Some(Vec::new()), None, Some(Vec::new())));
    }

    /// The ends of data that were published as SMTP smuggling (2023), and their relatives.
    #[test]
    fn what_looks_like_the_end_is_not_the_end() {
        for (look_alike, fault) in [
            ("\n.\n", Fault::BareLf),
            ("\n.\r\n", Fault::BareLf),
            ("\r.\r\n", Fault::BareCr),
            ("\r.\r", Fault::BareCr),
            ("\r.\n", Fault::BareCr),
            ("\r\n.\n", Fault::BareLf),
            ("\r\n.\r", Fault::BareCr),
            ("\r\n.\r\r\n", Fault::BareCr),
            ("\r\r\n.\r\r\n", Fault::BareCr),
            ("\n\n.\r\n", Fault::BareLf),
            ("\r\n\0.\r\n", Fault::Nul),
            ("\r\n.\0\r\n", Fault::Nul),
            ("\r\0\n.\r\n", Fault::BareCr),
        ] {
            let wire = format!("a{look_alike}MAIL FROM:<x@y>\r\n.\r\nRSET\r\n");
            for cut in 0..wire.len() {
                let mut decoder = Decoder::default();
                let mut out = Vec::new();
                let first = decoder.feed(&wire.as_bytes()[..cut], &mut out);
                let second = decoder.feed(&wire.as_bytes()[cut..], &mut out);
                assert_eq!(&wire[first + second..], "RSET\r\n", "{look_alike:?}");
                assert_eq!(decoder.fault, Some(fault), "{look_alike:?}");
            }
            assert_eq!(read(wire.as_bytes()), (None, Some(fault), Some(b"RSET\r\n".to_vec())));
        }
    }

    #[test]
    fn one_who_vanishes_has_sent_no_message() {
        for wire in [&b""[..], b"a", b"a\r\n", b"a\r\n.", b"a\r\n.\r"] {
            assert_eq!(read(wire), (None, None, None));
        }
    }

    proptest! {
        #[test]
        fn it_reads_as_by_lines(wire in "[a.\r\n\0]{0,40}", cut in 0usize..40) {
            let wire = format!("{wire}\r\n.\r\n");
            let end = if wire.starts_with(".\r\n") { 0 } else { wire.find("\r\n.\r\n").expect("its end") + 2 };
            let (content, rest) = (&wire[..end], &wire[end + 3..]);
            let expected: String =
                content.split_inclusive("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
            let plain = expected.replace("\r\n", "");
            let (mut decoder, mut out) = (Decoder::default(), Vec::new());
            let (first, second) = wire.as_bytes().split_at(cut.min(wire.len()));
            let consumed = decoder.feed(first, &mut out) + decoder.feed(second, &mut out);
            prop_assert_eq!(&wire[consumed..], rest);
            prop_assert_eq!(decoder.fault.is_some(), plain.contains(['\r', '\n', '\0']));
            if decoder.fault.is_none() {
                prop_assert_eq!(out, expected.replace("\r\n", "\n").into_bytes());
            }
        }
    }
}
