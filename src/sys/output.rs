//! Writing to the standard output and the standard error.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

/// A file's name or path as text: bytes that are not UTF-8 are written as `\xff`.
pub fn name(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// Writes `text`. A reader who has seen enough (`| head`) is no fault of ours.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Says `text` on the standard error, as a line of ours. If that cannot be written either, nobody is there to be told.
pub fn warn(text: &str) {
    let _ = io::stderr().lock().write_all(format!("bulkmailer: {text}\n").as_bytes());
}

/// [`warn`] with the arguments of `format!`.
macro_rules! warning {
    ($($text:tt)*) => { $crate::sys::output::warn(&format!($($text)*)) };
}
pub(crate) use warning;

/// Writes what became of something that is done and cannot be undone. If it cannot be written, that is a warning and no
/// error: whoever sees a failure would do it again.
pub fn tell(text: &str) {
    if let Err(error) = print(text) {
        warn(&format!("it is done, but cannot be told on the standard output: {error}: {}", text.trim_end()));
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
    pub fn write(&mut self, text: &str) -> io::Result<bool> {
        let written = self.out.write_all(text.as_bytes());
        self.note(written)
    }

    /// Writes what is pending.
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
