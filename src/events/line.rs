//! The lines of the events, as they are written and read.
//!
//! Kept true: what is read is what was written. A line has its format's number as `v`; the first format, which has no `v` and
//! no `reply`, is read like the second. A line of a newer format is refused.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::model::format::Newer;
use crate::model::{Address, Envelope, Format, Micros, RowSummary, Verdict};
use crate::sys::output;

/// One line of the events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EventLine<'a> {
    Recipient(EventRecipient<'a>),
    Suppressed(SuppressedLine<'a>),
    File(RemovedFileLine<'a>),
    Job(JobLine<'a>),
    Rows(RowsLine<'a>),
}

/// What became of one recipient: a verdict, or the removal of the entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecipient<'a> {
    pub at: Cow<'a, str>,
    pub queue: Cow<'a, str>,
    pub id: Cow<'a, str>,
    /// "" is the null sender.
    pub sender: Cow<'a, str>,
    pub recipient: Cow<'a, str>,
    pub verdict: Cow<'a, str>,
    pub attempt: u32,
    pub transport: Cow<'a, str>,
    /// How long the hand-over took, in milliseconds.
    pub ms: u64,
    /// The enhanced status code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Cow<'a, str>>,
    /// The sink's reply to a delivery.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reply: Option<Cow<'a, str>>,
}

/// An address gets no more mail from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressedLine<'a> {
    pub at: Cow<'a, str>,
    pub queue: Cow<'a, str>,
    /// The bounce.
    pub id: Cow<'a, str>,
    pub suppressed: Cow<'a, str>,
    pub reason: Cow<'a, str>,
}

/// A file was removed that was no entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedFileLine<'a> {
    pub at: Cow<'a, str>,
    pub queue: Cow<'a, str>,
    pub id: Cow<'a, str>,
    pub file: Cow<'a, str>,
    pub verdict: Cow<'a, str>,
    pub reason: Cow<'a, str>,
}

/// A person did something to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobLine<'a> {
    pub at: Cow<'a, str>,
    pub queue: Cow<'a, str>,
    pub job: Cow<'a, str>,
    pub verdict: Cow<'a, str>,
    /// Recipients that were not settled, where they could be counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub left: Option<u64>,
    pub reason: Cow<'a, str>,
}

/// What came of the rows of a merge's entry since it was submitted: no delivery of one has a line of its own. Of the lines of
/// an entry the last counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsLine<'a> {
    pub at: Cow<'a, str>,
    pub queue: Cow<'a, str>,
    pub id: Cow<'a, str>,
    /// "" is the null sender.
    pub sender: Cow<'a, str>,
    /// A later line of this entry has a greater one, unless nothing came of any row meanwhile.
    pub serial: u64,
    pub rows: RowSummary,
}

/// What the lines of one hand-over, or of one removal, have in common.
#[derive(Clone, Debug)]
pub struct EventContext<'a> {
    /// In RFC 3339's form.
    pub at: String,
    pub queue: &'a str,
    pub envelope: &'a Envelope,
    pub attempt: u32,
    pub transport: &'a str,
    pub ms: u64,
}

impl EventContext<'_> {
    /// The line of the recipient at this place in the envelope.
    pub fn verdict<'l>(&'l self, recipient: usize, verdict: &'l Verdict) -> EventLine<'l> {
        let (reason, reply) = (verdict.reason(), verdict.reply());
        let status = reason.and_then(|reason| reason.status.as_deref());
        EventLine::Recipient(EventRecipient {
            verdict: verdict.kind().name().into(),
            status: status.or_else(|| reply.and_then(|reply| reply.status())).map(Cow::from),
            reason: reason.map(|reason| reason.text.as_str().into()),
            reply: reply.map(|reply| reply.text().into()),
            ..self.base(recipient)
        })
    }

    /// The line of the recipient at this place in the envelope of an entry that was removed: by whom, says `reason`.
    pub fn removed<'l>(&'l self, recipient: usize, reason: &'l str) -> EventLine<'l> {
        let base = self.base(recipient);
        EventLine::Recipient(EventRecipient { verdict: REMOVED.into(), reason: Some(reason.into()), ..base })
    }

    fn base(&self, recipient: usize) -> EventRecipient<'_> {
        EventRecipient {
            at: self.at.as_str().into(),
            queue: self.queue.into(),
            id: self.envelope.id.as_str().into(),
            sender: self.envelope.sender_text().into(),
            recipient: self.envelope.recipients.get(recipient).map_or("", Address::as_str).into(),
            verdict: "".into(),
            attempt: self.attempt,
            transport: self.transport.into(),
            ms: self.ms,
            status: None,
            reason: None,
            reply: None,
        }
    }
}

/// Writes the same line as serde, for speed alone: there is one for each recipient.
impl EventRecipient<'_> {
    /// Whether all its texts stand in JSON as they are.
    fn is_plain(&self) -> bool {
        let always = [&self.at, &self.queue, &self.id, &self.sender, &self.recipient, &self.verdict, &self.transport];
        let sometimes = [&self.status, &self.reason, &self.reply].into_iter().flatten();
        let plain = |byte: u8| output::is_plain(byte) & (byte != b'"') & (byte != b'\\');
        // Without a way out of the inner loop many bytes are looked at together.
        always.into_iter().chain(sometimes).all(|text| text.bytes().fold(true, |all, byte| all & plain(byte)))
    }

    fn write_plain(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        text(out, "{\"at\":\"", &self.at);
        text(out, ",\"queue\":\"", &self.queue);
        text(out, ",\"id\":\"", &self.id);
        text(out, ",\"sender\":\"", &self.sender);
        text(out, ",\"recipient\":\"", &self.recipient);
        text(out, ",\"verdict\":\"", &self.verdict);
        out.extend_from_slice(b",\"attempt\":");
        serde_json::to_writer(&mut *out, &self.attempt)?;
        text(out, ",\"transport\":\"", &self.transport);
        out.extend_from_slice(b",\"ms\":");
        serde_json::to_writer(&mut *out, &self.ms)?;
        for (before, of) in
            [(",\"status\":\"", &self.status), (",\"reason\":\"", &self.reason), (",\"reply\":\"", &self.reply)]
        {
            if let Some(of) = of {
                text(out, before, of);
            }
        }
        out.push(b'}');
        Ok(())
    }
}

fn text(out: &mut Vec<u8>, before: &str, text: &str) {
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

const REMOVED: &str = "removed";

impl<'a> EventLine<'a> {
    /// The line of a file that was removed: by whom, says `reason`.
    pub fn removed_file(at: Micros, queue: &'a str, id: &'a str, file: &'a str, reason: String) -> EventLine<'a> {
        EventLine::File(RemovedFileLine {
            at: at.rfc3339().into(),
            queue: queue.into(),
            id: id.into(),
            file: file.into(),
            verdict: REMOVED.into(),
            reason: reason.into(),
        })
    }

    /// The line that sums up what came of the rows of an entry: its serial number and the sums.
    pub fn rows(
        at: Micros,
        queue: &'a str,
        envelope: &'a Envelope,
        (serial, rows): (u64, RowSummary),
    ) -> EventLine<'a> {
        EventLine::Rows(RowsLine {
            at: at.rfc3339().into(),
            queue: queue.into(),
            id: envelope.id.as_str().into(),
            sender: envelope.sender_text().into(),
            serial,
            rows,
        })
    }

    /// Appends it as JSON, without its end. The number comes last: scripts may know the other fields by their place.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        match self {
            EventLine::Recipient(line) if line.is_plain() => line.write_plain(out)?,
            EventLine::Recipient(_)
            | EventLine::Suppressed(_)
            | EventLine::File(_)
            | EventLine::Job(_)
            | EventLine::Rows(_) => {
                serde_json::to_writer(&mut *out, self)?;
            }
        }
        // Each line is an object, and has fields. To have serde flatten it costs as much as writing it.
        if out.pop_if(|last| *last == b'}').is_some() {
            out.extend_from_slice(b",\"v\":");
            serde_json::to_writer(&mut *out, &Format::Events.number())?;
            out.push(b'}');
        }
        Ok(())
    }
}

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableLine {
    #[error(transparent)]
    Newer(#[from] Newer),
    #[error("no line of an events file: {0}")]
    Strange(#[from] serde_json::Error),
}

/// Reads a line of any format that is known.
pub fn read(text: &str) -> Result<EventLine<'static>, UnreadableLine> {
    #[derive(Deserialize)]
    struct Number {
        #[serde(default = "first")]
        v: u32,
    }
    fn first() -> u32 {
        1
    }
    Format::Events.age(serde_json::from_str::<Number>(text)?.v)?;
    Ok(serde_json::from_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_each_format_is_read_and_a_newer_one_is_not() {
        let first = r#"{"at":"x","queue":"q","id":"i","sender":"","recipient":"r@x.y","verdict":"deferred","attempt":3,"transport":"t","ms":5,"status":"4.2.1","reason":"busy"}"#;
        let EventLine::Recipient(line) = read(first).expect("the first format") else { panic!("{first}") };
        assert_eq!((line.verdict.as_ref(), line.attempt, line.reply), ("deferred", 3, None));
        let second = first.replace('{', r#"{"v":2,"reply":"250 ok","#);
        let EventLine::Recipient(line) = read(&second).expect("the second format") else { panic!("{second}") };
        assert_eq!(line.reply.as_deref(), Some("250 ok"));
        let newer = first.replace('{', r#"{"v":3,"#);
        assert!(matches!(read(&newer), Err(UnreadableLine::Newer(_))), "{newer}");
        for strange in ["", "{", "{}", "[]", r#"{"v":2}"#, "\u{0}"] {
            assert!(matches!(read(strange), Err(UnreadableLine::Strange(_))), "{strange}");
        }
    }

    #[test]
    fn a_plain_line_is_that_of_serde() {
        let line = |of: Option<&'static str>, text: &'static str| EventRecipient {
            at: "2026-11-30T20:04:51.561Z".into(),
            queue: "outbound".into(),
            id: "1k1gfp".into(),
            sender: "".into(),
            recipient: text.into(),
            verdict: "delivered".into(),
            attempt: 1,
            transport: "sendmail".into(),
            ms: 1_234_567,
            status: of.map(Cow::from),
            reason: of.map(Cow::from),
            reply: of.map(Cow::from),
        };
        for line in [line(None, "a@b"), line(Some("250 2.1.0 ok / {1}"), "~ !"), line(None, "")] {
            let mut plain = Vec::new();
            line.write_plain(&mut plain).expect("memory");
            assert!(line.is_plain());
            assert_eq!(plain, serde_json::to_vec(&line).expect("memory"));
        }
        for text in ["a\"b", "a\\b", "a\u{1}b", "\u{7f}", "\u{e9}"] {
            assert!(!line(None, text).is_plain() && !line(Some(text), "").is_plain(), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let job = JobLine {
            at: "a".into(),
            queue: "q".into(),
            job: "j".into(),
            verdict: "paused".into(),
            left: Some(7),
            reason: "r".into(),
        };
        let suppressed = SuppressedLine {
            at: "a".into(),
            queue: "q".into(),
            id: "i".into(),
            suppressed: "b@c".into(),
            reason: "r".into(),
        };
        let file = EventLine::removed_file(Micros(1), "q", "i", "file", "removed by root".to_owned());
        let rows = RowSummary {
            delivered: 3,
            latency: vec![(Some(0), 2), (None, 1)],
            domains: [("x.org".to_owned(), 3)].into(),
            ..RowSummary::default()
        };
        let rows =
            RowsLine { at: "a".into(), queue: "q".into(), id: "j.0.1".into(), sender: "".into(), serial: 700, rows };
        for line in [EventLine::Job(job), EventLine::Suppressed(suppressed), file, EventLine::Rows(rows)] {
            let mut text = Vec::new();
            line.write(&mut text).expect("memory");
            let text = String::from_utf8(text).expect("text");
            assert!(text.starts_with(r#"{"at":"#) && text.ends_with(r#","v":2}"#), "{text}");
            assert_eq!(read(&text).expect("our own"), line);
        }
    }
}
