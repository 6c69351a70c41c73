//! `bulkmailer show ID`: one entry's envelope, attempts with their reasons, and header; or its message, byte for byte.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use anyhow::bail;
use serde_json::json;

use super::queues;
use crate::config::Site;
use crate::model::verdict::Kind;
use crate::model::{EntryId, Exit};
use crate::spool::SpoolQueue;
use crate::spool::entry::Extent;
use crate::spool::find::Seen;
use crate::spool::journal::{AttemptLine, History};
use crate::sys::output::print;

/// So much of a header is shown.
const HEADER_MAX: u64 = 256 << 10;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The entry's id, as 'bulkmailer list' prints it
    #[arg(value_name = "ID")]
    pub id: String,
    /// Print the message, byte for byte, and nothing else
    #[arg(long, short = 'm')]
    pub message: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `bulkmailer show`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let id: EntryId = args.id.parse()?;
    for queue in queues(site, None)? {
        // Between the two looks it may be rescheduled; then it is looked for once more.
        for _ in 0..3 {
            let Some(spot) = queue.locate(&id)? else { break };
            if let Some(seen) = queue.look(&spot)? {
                return show(&queue, seen, args);
            }
        }
    }
    bail!("{id}: no entry with this id is in the queue; what became of it is in {}/events", site.spool.display())
}

fn show(queue: &SpoolQueue, seen: Seen, args: &Args) -> anyhow::Result<Exit> {
    if args.message {
        copy_message(seen.file, seen.extent)?;
        return Ok(Exit::Ok);
    }
    let mut attempts = Vec::new();
    let mut each = |attempt: &AttemptLine| attempts.push(attempt.clone());
    let history = queue.history(&seen.envelope.id, seen.envelope.recipients.len(), &mut each)?;
    let header = header(&seen.file, seen.extent)?;
    if args.json {
        print(&format!("{:#}\n", as_json(queue, &seen, &history, &attempts, &header)))?;
    } else {
        print(&as_text(queue, &seen, &history, &attempts, &header))?;
    }
    Ok(Exit::Ok)
}

fn copy_message(mut file: File, extent: Extent) -> io::Result<()> {
    file.seek(SeekFrom::Start(extent.start))?;
    let mut out = io::stdout().lock();
    match io::copy(&mut file, &mut out).and_then(|_| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// The message's header section, odd bytes replaced.
fn header(file: &File, extent: Extent) -> io::Result<String> {
    let mut file = file;
    file.seek(SeekFrom::Start(extent.start))?;
    let mut reader = BufReader::new(file.take(HEADER_MAX));
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

fn word(history: &History, recipient: usize) -> &'static str {
    match history.last.get(recipient).copied().flatten() {
        None => "open",
        Some(Kind::Delivered) => "delivered",
        Some(Kind::Deferred) => "deferred",
        Some(Kind::Failed) => "failed",
        Some(Kind::Unknown) => "outcome unknown",
        Some(Kind::Held) => "held, outcome unknown",
    }
}

fn as_json(
    queue: &SpoolQueue,
    seen: &Seen,
    history: &History,
    attempts: &[AttemptLine],
    header: &str,
) -> serde_json::Value {
    let envelope = &seen.envelope;
    let recipients: Vec<_> = (envelope.recipients.iter().enumerate())
        .map(|(i, recipient)| json!({"address": recipient, "state": word(history, i)}))
        .collect();
    json!({
        "queue": queue.name(),
        "id": envelope.id,
        "state": seen.spot.state.name(),
        "file": queue.path(&seen.spot.path()),
        "due": seen.spot.name.due.rfc3339(),
        "submitted": envelope.origin.submitted.rfc3339(),
        "uid": envelope.origin.uid,
        "sender": envelope.sender_text(),
        "recipients": recipients,
        "bytes": seen.extent.len,
        "body": envelope.origin.body,
        "notify": envelope.origin.notify,
        "ret": envelope.origin.ret,
        "envid": envelope.origin.envid,
        "attempts": attempts,
        "header": header,
    })
}

fn as_text(queue: &SpoolQueue, seen: &Seen, history: &History, attempts: &[AttemptLine], header: &str) -> String {
    let envelope = &seen.envelope;
    let sender = if envelope.sender.is_none() { "<>" } else { envelope.sender_text() };
    let mut text = format!(
        "entry      {}\nqueue      {}, {}\nfile       {}\nsubmitted  {}, by user {}\ndue        {}\nsender     {sender}\nbytes      {}\n",
        envelope.id,
        queue.name(),
        seen.spot.state.name(),
        queue.path(&seen.spot.path()).display(),
        envelope.origin.submitted.local(),
        envelope.origin.uid,
        seen.spot.name.due.local(),
        seen.extent.len
    );
    for (i, recipient) in envelope.recipients.iter().enumerate() {
        text.push_str(&format!("recipient  {recipient}: {}\n", word(history, i)));
    }
    for attempt in attempts {
        text.push_str(&format!("attempt {:<2} {}\n", attempt.attempt, attempt.at.local()));
        for result in &attempt.results {
            let whom: Vec<&str> =
                result.group.iter().filter_map(|&i| envelope.recipients.get(i)).map(|r| r.as_str()).collect();
            let reason = result.reason.as_ref().map_or("", |reason| reason.text.as_str());
            text.push_str(&format!("           {}: {}: {reason}\n", result.verdict, whom.join(", ")));
        }
    }
    text.push('\n');
    text.push_str(header);
    text
}
