//! The event file of the day: opened, written to, and told to syslog as well.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::line::{EventLine, EventRecipient};
use crate::model::Micros;
use crate::sys::dir;
use crate::sys::output::{self, Keep, warning};

/// So often somebody else's write is looked for, a millisecond apart.
const UNDER_WAY: u32 = 20;

const MICROS_A_DAY: u64 = 86_400 * 1_000_000;

/// The event file of the day, open.
#[derive(Debug)]
pub struct Log {
    folder: File,
    /// With the number of its day, counted from 1970.
    open: Option<(u64, File)>,
    syslog: bool,
    failed: bool,
    /// The last write may have left a part of a line.
    torn: bool,
}

impl Log {
    /// Writes into `folder`, and to syslog too if `syslog`.
    pub fn new(folder: File, syslog: bool) -> Log {
        if syslog {
            use nix::syslog::{Facility, LogFlags, openlog};
            // Without it each line would only bear a poorer name.
            let _ = openlog(Some(c"bulkmailer"), LogFlags::LOG_PID, Facility::LOG_MAIL);
        }
        Log { folder, open: None, syslog, failed: false, torn: false }
    }

    /// Writes lines, those of one hand-over together.
    pub fn write(&mut self, now: Micros, lines: &[EventLine<'_>]) {
        let mut text = Vec::with_capacity(lines.len() * 256);
        for line in lines {
            let before = text.len();
            if line.write(&mut text).is_err() {
                text.truncate(before);
                continue;
            }
            output::escape_json(&mut text, before);
            text.push(b'\n');
            self.write_to_syslog(line);
        }
        self.put(now, &text);
    }

    /// Whether syslog gets the lines of recipients, too.
    pub fn has_syslog(&self) -> bool {
        self.syslog
    }

    /// Tells syslog alone.
    pub fn write_to_syslog(&self, line: &EventLine<'_>) {
        match line {
            EventLine::Recipient(line) if self.syslog => say(line),
            EventLine::Recipient(_)
            | EventLine::Suppressed(_)
            | EventLine::File(_)
            | EventLine::Job(_)
            | EventLine::Rows(_) => {}
        }
    }

    fn put(&mut self, now: Micros, text: &[u8]) {
        if let Err(error) = self.append(now, text) {
            if !self.failed {
                warning!("events/{}.jsonl: cannot write: {error}; mail goes on without it", now.day());
            }
            self.failed = true;
        }
    }

    fn append(&mut self, now: Micros, text: &[u8]) -> io::Result<()> {
        let day = now.0 / MICROS_A_DAY;
        if self.open.as_ref().is_none_or(|(open, _)| *open != day) {
            let file = dir::open_file(&self.folder, &format!("{}.jsonl", now.day()), dir::Open::Append)?;
            self.torn |= ends_torn(&file)?;
            self.open = Some((day, file));
        }
        match &mut self.open {
            Some((_, file)) => {
                let text = if self.torn { &[b"\n", text].concat() } else { text };
                self.torn = true;
                file.write_all(text)?;
                self.torn = false;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn say(line: &EventRecipient<'_>) {
    use nix::syslog::{Severity, syslog};
    let or = |name: &str, text: Option<&str>| text.map_or(String::new(), |text| format!(", {name}={text}"));
    let text = format!(
        "{}: queue={}, from=<{}>, to=<{}>, transport={}, attempt={}, delay={}ms, verdict={}{}{}",
        line.id,
        line.queue,
        line.sender,
        line.recipient,
        line.transport,
        line.attempt,
        line.ms,
        line.verdict,
        or("reason", line.reason.as_deref()),
        or("reply", line.reply.as_deref())
    );
    let severity = if line.verdict == "delivered" { Severity::LOG_INFO } else { Severity::LOG_WARNING };
    let _ = syslog(severity, &*output::escaped(&text, Keep::Nothing));
}

/// Whether somebody's write left a part of a line, as a disk without room does. One that is under way may look the same,
/// and is waited for; if it takes longer than that, an empty line is the worst that comes of it.
fn ends_torn(file: &File) -> io::Result<bool> {
    for _ in 0..UNDER_WAY {
        let mut last = [b'\n'];
        if let Some(at) = file.metadata()?.len().checked_sub(1) {
            file.read_at(&mut last, at)?;
        }
        if last == [b'\n'] {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(true)
}
