//! What happened to whom: one JSON line a recipient and verdict, in `SPOOL/events/<date>.jsonl` (the date in UTC).
//!
//! A line is one `O_APPEND` write, so lines of many workers never mix. It is written after the verdict is in the journal
//! and before the entry is settled. A worker that is killed there leaves the lines of its one hand-over missing (its verdict
//! is in the journal) or, handed over again, there twice; never a line of what did not happen. A disk that cannot take
//! events does not stop the mail: it is said once.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use serde::Serialize;

use crate::model::{Address, EntryId, Micros, Verdict};
use crate::sys::dir;
use crate::sys::output::{self, Keep, warning};

/// So often somebody else's write is looked for, a millisecond apart.
const UNDER_WAY: u32 = 20;

const MICROS_A_DAY: u64 = 86_400 * 1_000_000;

/// One recipient's verdict. The fields are the line's.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    pub at: String,
    pub queue: &'a str,
    pub id: &'a EntryId,
    /// "" is the null sender.
    pub sender: &'a str,
    pub recipient: &'a Address,
    pub verdict: &'static str,
    pub attempt: u32,
    pub transport: &'a str,
    /// How long the hand-over took, in milliseconds.
    pub ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
}

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

    /// Writes the events of one hand-over.
    pub fn write(&mut self, now: Micros, events: &[Event<'_>]) {
        let mut text = Vec::with_capacity(events.len() * 256);
        for event in events {
            let before = text.len();
            if serde_json::to_writer(&mut text, event).is_err() {
                text.truncate(before);
                continue;
            }
            output::escape_json(&mut text, before);
            text.push(b'\n');
            if self.syslog {
                self.say(event);
            }
        }
        self.put(now, &text);
    }

    /// Writes a line about something that has no recipient.
    pub fn note(&mut self, now: Micros, line: &impl Serialize) {
        if let Ok(mut text) = serde_json::to_vec(line) {
            output::escape_json(&mut text, 0);
            text.push(b'\n');
            self.put(now, &text);
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

    fn say(&self, event: &Event<'_>) {
        use nix::syslog::{Severity, syslog};
        let reason = event.reason.map_or(String::new(), |reason| format!(", reason={reason}"));
        let line = format!(
            "{}: queue={}, from=<{}>, to=<{}>, transport={}, attempt={}, delay={}ms, verdict={}{reason}",
            event.id,
            event.queue,
            event.sender,
            event.recipient,
            event.transport,
            event.attempt,
            event.ms,
            event.verdict
        );
        let severity = if event.verdict == "delivered" { Severity::LOG_INFO } else { Severity::LOG_WARNING };
        let _ = syslog(severity, &*output::escaped(&line, Keep::Nothing));
    }
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

/// The event of one recipient.
pub fn of<'a>(verdict: &'a Verdict, base: Event<'a>) -> Event<'a> {
    let reason = verdict.reason();
    Event {
        verdict: verdict.kind().name(),
        status: reason.and_then(|reason| reason.status.as_deref()),
        reason: reason.map(|reason| reason.text.as_str()),
        ..base
    }
}
