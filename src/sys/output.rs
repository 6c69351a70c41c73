//! Writing to the standard output and the standard error: the one place where text from outside (addresses, headers, reasons,
//! names of files and jobs) becomes harmless to a terminal, a log and cron's mail.
//!
//! What holds: no control character of C0 or C1, no DEL, no line or paragraph separator and no mark that turns the direction
//! of writing gets out, but for newlines and tabs of ours. Each is written as `\u001b`, which is JSON's spelling, so that
//! JSON stays valid and loses nothing. A line is one: [`Page::line`] and [`warn`] escape a newline in it, so what stands in a
//! field cannot begin another. Plain ASCII costs one look at each byte.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

/// Which control characters are structure, and stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Nothing,
    Tabs,
    /// And tabs: of a text that has lines of its own.
    Lines,
}

impl Keep {
    fn keeps(self, c: char) -> bool {
        match self {
            Keep::Nothing => false,
            Keep::Tabs => c == '\t',
            Keep::Lines => c == '\t' || c == '\n',
        }
    }
}

/// Whether `text` has nothing that would be escaped in a line.
pub fn is_harmless(text: &str) -> bool {
    !text.contains(is_obeyed)
}

/// `text` with every character escaped that a terminal, or whoever reads there, would obey.
pub fn escaped(text: &str, keep: Keep) -> Cow<'_, str> {
    if text.bytes().all(|byte| is_plain(byte) || keep.keeps(char::from(byte))) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if keep.keeps(c) || !is_obeyed(c) => clean.push(c),
            c => clean.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    Cow::Owned(clean)
}

/// Escapes what stands in `text`, which is JSON, from the byte `from` on. JSON has its control characters of C0 escaped.
pub fn escape_json(text: &mut Vec<u8>, from: usize) {
    // Without a way out of the loop many bytes are looked at together.
    let is_clean = |tail: &[u8]| tail.iter().fold(true, |clean, &byte| clean & is_plain(byte));
    let Some(tail) = text.get(from..).filter(|tail| !is_clean(tail)) else { return };
    let clean = escaped(&String::from_utf8_lossy(tail), Keep::Lines).into_owned();
    text.truncate(from);
    text.extend_from_slice(clean.as_bytes());
}

/// Printable ASCII.
pub fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// C0, DEL and C1; the Arabic letter mark, the marks, embeddings, overrides and isolates of Unicode's bidirectional
/// algorithm (UAX #9); its line and paragraph separators.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A file's name or path as text: bytes that are not UTF-8 are written as `\xff`.
pub fn name(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// What is printed in one piece: lines, or JSON, or CSV.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// A page of one line.
    pub fn of(line: impl AsRef<str>) -> Page {
        let mut page = Page::default();
        page.line(line);
        page
    }

    /// Adds a line. A newline in it is escaped: it is nobody's to begin another.
    pub fn line(&mut self, line: impl AsRef<str>) {
        self.0.push_str(&escaped(line.as_ref(), Keep::Tabs));
        self.0.push('\n');
    }

    /// Adds a line without a copy of its own: see [`Page::line`].
    pub fn write(&mut self, line: fmt::Arguments<'_>) {
        let from = self.0.len();
        // A String takes whatever is written.
        let _ = fmt::Write::write_fmt(&mut self.0, line);
        self.escape(from);
    }

    /// Adds a JSON value on one line.
    pub fn add_json(&mut self, value: &impl serde::Serialize) -> serde_json::Result<()> {
        let from = self.0.len();
        self.0.push_str(&serde_json::to_string(value)?);
        self.escape(from);
        Ok(())
    }

    /// Escapes the line that begins at `from`, and ends it.
    fn escape(&mut self, from: usize) {
        let line = self.0.get(from..).unwrap_or_default();
        if let Cow::Owned(clean) = escaped(line, Keep::Tabs) {
            self.0.truncate(from);
            self.0.push_str(&clean);
        }
        self.0.push('\n');
    }

    /// A JSON value on one line.
    pub fn json(value: &impl serde::Serialize) -> serde_json::Result<Page> {
        Ok(Page::of(serde_json::to_string(value)?))
    }

    /// A JSON value on lines of its own.
    pub fn pretty(value: &serde_json::Value) -> Page {
        Page(escaped(&format!("{value:#}\n"), Keep::Lines).into_owned())
    }

    /// Rows of CSV (RFC 4180), which has newlines in quotes.
    pub fn csv(rows: &str) -> Page {
        Page(escaped(rows, Keep::Lines).into_owned())
    }

    /// Adds another page.
    pub fn append(&mut self, other: &Page) {
        self.0.push_str(&other.0);
    }

    /// What is printed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Writes `page`. A reader who has seen enough (`| head`) is no fault of ours.
pub fn print(page: &Page) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(page.0.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Says `text` on the standard error, as one line of ours. If that cannot be written either, nobody is there to be told.
pub fn warn(text: &str) {
    let _ = io::stderr().lock().write_all(format!("bulkmailer: {}\n", escaped(text, Keep::Nothing)).as_bytes());
}

/// [`warn`] with the arguments of `format!`.
macro_rules! warning {
    ($($text:tt)*) => { $crate::sys::output::warn(&format!($($text)*)) };
}
pub(crate) use warning;

/// Says again on the standard error what was said in lines of ours, and kept.
pub fn repeat(lines: &str) {
    // If it cannot be written, nobody is there to be told.
    let _ = io::stderr().lock().write_all(escaped(lines, Keep::Lines).as_bytes());
}

/// Asks `question` on the standard error; the answer comes on the same line.
pub fn ask(question: &str) -> io::Result<()> {
    io::stderr().lock().write_all(format!("bulkmailer: {} ", escaped(question, Keep::Nothing)).as_bytes())
}

/// Writes what became of something that is done and cannot be undone. If it cannot be written, that is a warning and no
/// error: whoever sees a failure would do it again.
pub fn tell(page: &Page) {
    if let Err(error) = print(page) {
        warn(&format!("it is done, but cannot be told on the standard output: {error}: {}", page.0.trim_end()));
    }
}

/// Writes many pieces through one buffer.
pub struct Paper {
    out: io::BufWriter<io::StdoutLock<'static>>,
    /// The reader has gone.
    gone: bool,
}

impl Default for Paper {
    fn default() -> Paper {
        Paper { out: io::BufWriter::with_capacity(64 << 10, io::stdout().lock()), gone: false }
    }
}

impl Paper {
    /// Writes a piece; `false` if nobody reads any more, so that the writer may stop.
    pub fn write(&mut self, page: &Page) -> io::Result<bool> {
        let written = self.out.write_all(page.0.as_bytes());
        self.note(written)
    }

    /// Writes what is pending, for a reader who waits; `false` if nobody reads any more.
    pub fn flush(&mut self) -> io::Result<bool> {
        let flushed = self.out.flush();
        self.note(flushed)
    }

    /// Writes what is pending, at the end.
    pub fn finish(mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.note(flushed).map(|_| ())
    }

    fn note(&mut self, result: io::Result<()>) -> io::Result<bool> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.gone = true,
            other => other?,
        }
        Ok(!self.gone)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(escaped("plain ASCII, \"quoted\" \\", Keep::Nothing), Cow::Borrowed(_)));
        assert!(matches!(escaped("two\n\tlines\n", Keep::Lines), Cow::Borrowed(_)));
        assert_eq!(escaped("grüße, 漢字 🦀 שלום", Keep::Nothing), "grüße, 漢字 🦀 שלום");
    }

    #[test]
    fn each_character_that_is_obeyed_is_spelled_out() {
        let text = "\0\u{7}\u{1b}[2J\r\u{7f}\u{80}\u{9b}\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}";
        let spelled = "\\u0000\\u0007\\u001b[2J\\u000d\\u007f\\u0080\\u009b\\u061c\\u200e\\u200f\\u2028\\u2029\\u202a\\u202e\\u2066\\u2069";
        assert_eq!(escaped(text, Keep::Lines), spelled);
        assert_eq!(escaped("a\tb\nc", Keep::Tabs), "a\tb\\u000ac");
        assert_eq!(escaped("a\tb\nc", Keep::Nothing), "a\\u0009b\\u000ac");
        // Neighbours of what is obeyed.
        let others = "\u{a0}\u{61b}\u{61d}\u{200d}\u{2010}\u{2027}\u{202f}\u{2065}\u{206a}";
        assert_eq!(escaped(others, Keep::Nothing), others);
    }

    #[test]
    fn a_name_that_is_no_text_is_one_all_the_same() {
        assert_eq!(name(OsStr::from_bytes(b"caf\xe9/\xff\xfe.x")), "caf\\xe9/\\xff\\xfe.x");
        assert_eq!(name(OsStr::new("café")), "café");
    }

    proptest! {
        #[test]
        fn json_stays_json_and_loses_nothing(text in any::<String>(), marks in "[\u{1b}\u{7f}-\u{9f}\u{202a}-\u{202e}\\\\\"\n]{0,9}") {
            let value = serde_json::json!({ "a": text, "b": [marks] });
            let page = Page::json(&value).expect("JSON");
            prop_assert!(!page.as_str().trim_end_matches('\n').contains(is_obeyed));
            prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(page.as_str()).expect("valid"), &value);
            let pretty = Page::pretty(&value);
            prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(pretty.as_str()).expect("valid"), &value);
            let mut bytes = b"before".to_vec();
            bytes.extend(serde_json::to_vec(&value).expect("JSON"));
            escape_json(&mut bytes, 6);
            prop_assert_eq!(&bytes[..6], b"before");
            prop_assert_eq!(&serde_json::from_slice::<serde_json::Value>(&bytes[6..]).expect("valid"), &value);
        }

        #[test]
        fn a_line_is_one_line(text in any::<String>()) {
            prop_assert_eq!(Page::of(text).as_str().lines().count(), 1);
        }
    }
}
