//! A message's header section (RFC 5322 section 2.2): read in full, bounded, each field kept byte for byte.

use std::io::{BufRead, Write};

use super::refused::Refused;

/// A header section.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Header {
    fields: Vec<Field>,
    crlf: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Field {
    /// With its folded lines and its line ends.
    raw: Vec<u8>,
    name: usize,
}

/// What follows the header.
#[derive(Debug, PartialEq, Eq)]
pub struct AfterHeader {
    /// The body's first line, where no empty line parted it from the header.
    pub first: Vec<u8>,
    /// The message is over: end of input, or the lone dot.
    pub ended: bool,
}

impl Header {
    /// Reads the header section from `input`, at most `limit` bytes. An mbox's `From ` line before it is dropped. With
    /// `dot`, a lone dot ends the message.
    pub fn read(input: &mut impl BufRead, limit: u64, dot: bool) -> Result<(Header, AfterHeader), Refused> {
        let mut header = Header::default();
        let mut left = limit;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = std::io::Read::take(&mut *input, left.saturating_add(1)).read_until(b'\n', &mut line);
            let read = read.map_err(|source| Refused::Unreadable { what: "the message".to_owned(), source })? as u64;
            if read == 0 {
                return Ok((header, AfterHeader { first: Vec::new(), ended: true }));
            }
            left = left.checked_sub(read).ok_or(Refused::HeaderTooBig { max: limit })?;
            let text = without_end(&line);
            if header.fields.is_empty() {
                header.crlf = line.ends_with(b"\r\n");
            }
            if dot && text == b"." {
                return Ok((header, AfterHeader { first: Vec::new(), ended: true }));
            }
            if text.is_empty() {
                return Ok((header, AfterHeader { first: Vec::new(), ended: false }));
            }
            if header.fields.is_empty() && (text.starts_with(b"From ") || text.starts_with(b">From ")) {
                continue;
            }
            match (header.fields.last_mut(), name_len(text)) {
                (Some(field), _) if matches!(text[0], b' ' | b'\t') => field.raw.extend_from_slice(&line),
                (_, Some(name)) => header.fields.push(Field { raw: line.clone(), name }),
                (_, None) => {
                    header.refuse_nul()?;
                    return Ok((header, AfterHeader { first: line, ended: false }));
                }
            }
            header.refuse_nul()?;
        }
    }

    fn refuse_nul(&self) -> Result<(), Refused> {
        match self.fields.last() {
            Some(field) if field.raw.contains(&0) => Err(Refused::NulInHeader),
            Some(_) | None => Ok(()),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The values of the fields called `name`, unfolded, odd bytes replaced.
    pub fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = String> + 'h {
        self.fields.iter().filter(move |field| field.is(name)).map(Field::value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.is(name))
    }

    pub fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|field| field.is(name)).count()
    }

    pub fn remove(&mut self, name: &str) {
        self.fields.retain(|field| !field.is(name));
    }

    /// Puts a field before all others. Line breaks and other control characters in `value` become spaces, but a `\n\t`,
    /// which folds it.
    pub fn prepend(&mut self, name: &str, value: &str) {
        let field = self.made(name, value);
        self.fields.insert(0, field);
    }

    /// As [`Header::prepend`], after all others.
    pub fn append(&mut self, name: &str, value: &str) {
        // A last line without its end would swallow ours.
        let end = self.line_end();
        if let Some(last) = self.fields.last_mut()
            && !last.raw.ends_with(b"\n")
        {
            last.raw.extend_from_slice(end);
        }
        let field = self.made(name, value);
        self.fields.push(field);
    }

    fn made(&self, name: &str, value: &str) -> Field {
        let end = if self.crlf { "\r\n" } else { "\n" };
        let parts = value.split("\n\t").map(|part| part.replace(|c: char| c.is_control(), " "));
        let value = parts.collect::<Vec<_>>().join(&format!("{end}\t"));
        Field { raw: format!("{name}: {value}{end}").into_bytes(), name: name.len() }
    }

    fn line_end(&self) -> &'static [u8] {
        if self.crlf { b"\r\n" } else { b"\n" }
    }

    /// Writes the section and the empty line behind it.
    pub fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut text = Vec::with_capacity(self.fields.iter().map(|field| field.raw.len()).sum::<usize>() + 2);
        for field in &self.fields {
            text.extend_from_slice(&field.raw);
        }
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.extend_from_slice(self.line_end());
        }
        text.extend_from_slice(self.line_end());
        out.write_all(&text)
    }

    /// Bytes that [`Header::write`] writes, within two.
    pub fn len(&self) -> u64 {
        self.fields.iter().map(|field| field.raw.len() as u64).sum::<u64>() + 2
    }
}

impl Field {
    fn is(&self, name: &str) -> bool {
        self.raw[..self.name].eq_ignore_ascii_case(name.as_bytes())
    }

    fn value(&self) -> String {
        let text = String::from_utf8_lossy(&self.raw[self.name..]);
        // The name may be followed by blanks, then comes the colon (RFC 5322 section 4.5).
        let value = text.split_once(':').map_or("", |(_, value)| value);
        value.replace(['\r', '\n'], "").trim().to_owned()
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The length of a field's name, if the line begins a field.
fn name_len(line: &[u8]) -> Option<usize> {
    let len = line.iter().position(|&b| !(33..=126).contains(&b) || b == b':')?;
    let rest = line[len..].iter().find(|&&b| b != b' ' && b != b'\t');
    (len > 0 && rest == Some(&b':')).then_some(len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> (Header, AfterHeader) {
        Header::read(&mut &text[..], 1_000, true).expect("a header")
    }

    fn written(header: &Header) -> String {
        let mut out = Vec::new();
        header.write(&mut out).expect("memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn fields_are_kept_and_read_unfolded() {
        let (mut header, rest) = read(b"From x@y Mon\nSubject : a\r\n\tb\r\nBCC: c@d\nTo:\n e@f\n\nbody");
        assert!(!rest.ended && rest.first.is_empty());
        assert_eq!(header.values("subject").collect::<Vec<_>>(), ["a\tb"]);
        assert_eq!(header.values("to").collect::<Vec<_>>(), ["e@f"]);
        header.remove("bcc");
        assert_eq!(written(&header), "Subject : a\r\n\tb\r\nTo:\n e@f\n\r\n");
    }

    #[test]
    fn what_is_no_field_is_the_body() {
        let (header, rest) = read(b"just text\nmore");
        assert!(header.is_empty());
        assert_eq!(rest.first, b"just text\n");
        let (header, rest) = read(b"A: b\nno field here\n");
        assert_eq!((header.count("a"), rest.first.as_slice()), (1, &b"no field here\n"[..]));
        assert!(read(b"A: b").1.ended && read(b"A: b\n.\nC: d\n").1.ended && read(b"").1.ended);
    }

    #[test]
    fn limits_and_nul_are_refused() {
        let big = [b"A: ".to_vec(), vec![b'x'; 2_000]].concat();
        assert!(matches!(Header::read(&mut &big[..], 1_000, false), Err(Refused::HeaderTooBig { max: 1_000 })));
        assert!(matches!(Header::read(&mut &b"A: \0\n\n"[..], 1_000, false), Err(Refused::NulInHeader)));
    }

    #[test]
    fn an_added_field_cannot_become_two() {
        let (mut header, _) = read(b"A: b");
        header.append("X", "1\r\nEvil: 2");
        header.prepend("Received", "by us\n\tid 5");
        assert_eq!(written(&header), "Received: by us\n\tid 5\nA: b\nX: 1  Evil: 2\n\n");
    }

    proptest! {
        #[test]
        fn any_input_reads_and_keeps_its_bytes(text in "([A-Za-z-]{1,8}: [ -~]{0,20}\r?\n([ \t][ -~]{0,9}\n)?){0,6}") {
            let (header, _) = Header::read(&mut text.as_bytes(), 10_000, false).expect("small");
            let out = written(&header);
            prop_assert!(out.starts_with(&text) || text.starts_with("From "), "{out:?}");
        }

        #[test]
        fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok((header, _)) = Header::read(&mut &bytes[..], 200, true) {
                let _ = (header.values("to").count(), header.len());
            }
        }
    }
}
