//! `bulkmailer show ID`: one entry's envelope, attempts with their reasons, and header; or its message, byte for byte. Of a
//! file in corrupt/, what can be shown; of mail in drop/, what its entry will be.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use anyhow::bail;
use serde_json::{Value, json};

use super::in_drop::named::each_named;
use super::in_drop::row::DropRow;
use super::printing::listing::MENDED;
use super::selecting::open_queues::open_queues;
use super::selecting::place::Place;
use super::selecting::selection::Selection;
use crate::config::Site;
use crate::model::verdict::Kind;
use crate::model::{EntryId, Exit};
use crate::policy::units::rough_size;
use crate::spool::SpoolQueue;
use crate::spool::corrupt::{Corrupt, label};
use crate::spool::drop::DropView;
use crate::spool::find::Seen;
use crate::spool::history::{AttemptLine, Delivery, History};
use crate::spool::job::Standing;
use crate::sys::nss;
use crate::sys::output::{self, Page, print};

/// So much of a header is shown.
const HEADER_MAX: u64 = 256 << 10;

/// So much of a file that cannot be read.
const HEAD_MAX: u64 = 4 << 10;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The entry's id, as 'bulkmailer list' prints it, or the name of a file in corrupt/ or drop/
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
    let id = args.id.parse::<EntryId>();
    let queues = open_queues(site, None)?;
    for queue in &queues {
        let Ok(id) = &id else { break };
        // Between the two looks it may be rescheduled; then it is looked for once more.
        for _ in 0..3 {
            let Some(spot) = queue.locate(id)? else { break };
            if let Some(seen) = queue.look(&spot)? {
                return show(queue, seen, args);
            }
        }
    }
    let corrupt = Selection { ids: vec![args.id.clone()], ..Selection::default() }.filter(&[Place::Corrupt])?;
    for queue in &queues {
        let mut found = None;
        corrupt.each_corrupt(queue, &mut |file| {
            found = Some(file);
            Ok(false)
        })?;
        if let Some(file) = found {
            return show_corrupt(queue, file, args);
        }
    }
    let mut shown = false;
    each_named(site, std::slice::from_ref(&args.id), &mut |view, row| {
        show_dropped(view, row, args)?;
        shown = true;
        Ok(false)
    })?;
    if shown {
        return Ok(Exit::Ok);
    }
    let id = id?;
    if let Some((job, _)) = id.job() {
        let job: EntryId = job.parse()?;
        for queue in &queues {
            if let Some(standing) = queue.standing(&job)?.filter(|standing| *standing != Standing::AtWork) {
                bail!("{id}: its job is {}; see 'bulkmailer jobs show {job}'", standing.name());
            }
        }
    }
    bail!("{id}: no entry with this id is in the queue; what became of it is in {}/events", site.spool.display())
}

fn show(queue: &SpoolQueue, seen: Seen, args: &Args) -> anyhow::Result<Exit> {
    let message = queue.message_of(&seen.envelope.id, seen.file.try_clone()?, seen.extent)?;
    if args.message {
        copy_message(message, seen.extent.len)?;
        return Ok(Exit::Ok);
    }
    let mut attempts = Vec::new();
    let mut each = |attempt: &AttemptLine| attempts.push(attempt.clone());
    let history = queue.history(&seen.envelope.id, seen.envelope.recipients.len(), &mut each)?;
    let deliveries = queue.deliveries(&seen.envelope.id)?;
    let header = header(message, seen.extent.len)?;
    let told = Told { history, attempts, deliveries };
    if args.json {
        print(&Page::pretty(&as_json(queue, &seen, &told, &header)))?;
    } else {
        print(&as_page(queue, &seen, &told, &header))?;
    }
    Ok(Exit::Ok)
}

/// Shows what there is of a file in corrupt/: of its envelope what can be read, and how it begins.
fn show_corrupt(queue: &SpoolQueue, file: Corrupt, args: &Args) -> anyhow::Result<Exit> {
    let path = output::name(queue.path(&format!("corrupt/{}", file.name)).as_os_str());
    let why = file.why.as_deref().unwrap_or(MENDED);
    let mut bytes = Vec::new();
    let start = file.envelope.as_ref().map_or(0, |(_, extent)| extent.start);
    match file.file {
        Some(mut content) if args.message => {
            match &file.envelope {
                Some((envelope, extent)) if extent.apart => {
                    copy_message(queue.message_of(&envelope.id, content, *extent)?, extent.len)?;
                }
                Some(_) | None => {
                    content.seek(SeekFrom::Start(start))?;
                    copy_message(content, file.bytes.saturating_sub(start))?;
                }
            }
            return Ok(Exit::Ok);
        }
        Some(mut content) => {
            content.rewind()?;
            content.take(HEAD_MAX).read_to_end(&mut bytes)?;
        }
        None => {}
    }
    let head = String::from_utf8_lossy(&bytes);
    let envelope = file.envelope.as_ref().map(|(envelope, _)| envelope);
    if args.json {
        let shown = json!({
            "queue": queue.name(),
            "id": label(&file.name),
            "state": "corrupt",
            "file": path,
            "since": file.since.rfc3339(),
            "sender": envelope.map(|envelope| envelope.sender_text()),
            "recipients": envelope.map(|envelope| &envelope.recipients),
            "bytes": file.bytes,
            "reason": why,
            "head": head,
        });
        print(&Page::pretty(&shown))?;
        return Ok(Exit::Ok);
    }
    let mut page = Page::of(format!("file       {path}"));
    page.line(format!("queue      {}, corrupt since {}", queue.name(), file.since.local()));
    page.line(format!("why        {why}"));
    page.line(format!("size       {}", rough_size(file.bytes)));
    if let Some(envelope) = envelope {
        let sender = if envelope.sender.is_none() { "<>" } else { envelope.sender_text() };
        page.line(format!("entry      {}", envelope.id));
        page.line(format!("sender     {sender}"));
        envelope.recipients.iter().for_each(|recipient| page.line(format!("recipient  {recipient}")));
    }
    page.line("");
    quote(&head, &mut page);
    print(&page)?;
    Ok(Exit::Ok)
}

/// Shows mail in drop/: what its entry will be, or why there will be none.
fn show_dropped(view: &DropView, row: DropRow<'_>, args: &Args) -> anyhow::Result<()> {
    let label = row.label();
    let path = output::name(view.path(&row.file.name).as_os_str());
    let (since, user) = (row.file.since, nss::user_name(row.file.uid));
    let dropped = match row.content {
        Ok(dropped) => dropped,
        Err(why) => bail!("{path}: in drop/, of {user}; it cannot be taken up: {why}"),
    };
    if args.message {
        return Ok(copy_message(dropped.file, dropped.len)?);
    }
    let envelope = &dropped.envelope;
    let header = header(dropped.file, dropped.len)?;
    if args.json {
        let shown = json!({
            "queue": row.queue,
            "id": label,
            "state": "drop",
            "file": path,
            "since": since.rfc3339(),
            "due": dropped.at.map(|at| at.rfc3339()),
            "user": user,
            "uid": dropped.uid,
            "sender": envelope.sender_text(),
            "recipients": envelope.recipients,
            "bytes": dropped.len,
            "header": header,
        });
        return Ok(print(&Page::pretty(&shown))?);
    }
    let sender = if envelope.sender.is_none() { "<>" } else { envelope.sender_text() };
    let mut page = Page::of(format!("entry      {label}, when a run has taken it up"));
    page.line(format!("queue      {}, in drop/ since {}, of {user}", row.queue, since.local()));
    page.line(format!("file       {path}"));
    if let Some(at) = dropped.at {
        page.line(format!("due        {}", at.local()));
    }
    page.line(format!("sender     {sender}"));
    page.line(format!("size       {}", rough_size(dropped.len)));
    envelope.recipients.iter().for_each(|recipient| page.line(format!("recipient  {recipient}")));
    page.line("");
    quote(&header, &mut page);
    Ok(print(&page)?)
}

/// Prints `len` bytes from where the file is.
fn copy_message(file: File, len: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match io::copy(&mut file.take(len), &mut out).and_then(|_| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// The header section of a message of `len` bytes, odd bytes replaced.
fn header(message: File, len: u64) -> io::Result<String> {
    let mut reader = BufReader::new(message.take(len.min(HEADER_MAX)));
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
        Some(Kind::Suppressed) => "suppressed",
    }
}

/// What the journal of an entry tells.
struct Told {
    history: History,
    attempts: Vec<AttemptLine>,
    deliveries: BTreeMap<usize, Delivery>,
}

impl Told {
    /// What the sender was told of a recipient.
    fn notices(&self, recipient: usize) -> Vec<&'static str> {
        self.history.noticed.iter().filter(|(_, of)| *of == recipient).map(|(about, _)| about.name()).collect()
    }

    /// Of a recipient who was delivered to: when, and what the sink said.
    fn delivery(&self, recipient: usize) -> Option<&Delivery> {
        let delivered = self.history.last.get(recipient) == Some(&Some(Kind::Delivered));
        self.deliveries.get(&recipient).filter(|_| delivered)
    }
}

fn as_json(queue: &SpoolQueue, seen: &Seen, told: &Told, header: &str) -> serde_json::Value {
    let envelope = &seen.envelope;
    let recipients: Vec<_> = (envelope.recipients.iter().enumerate())
        .map(|(i, recipient)| {
            let mut shown = json!({"address": recipient, "state": word(&told.history, i), "told": told.notices(i)});
            if let Some(delivery) = told.delivery(i) {
                shown["delivered"] = json!(delivery.at.rfc3339());
                shown["reply"] = json!(delivery.reply);
            }
            if let Some(fields) = envelope.fields.of(i) {
                shown["fields"] = Value::Object(fields.clone());
            }
            shown
        })
        .collect();
    json!({
        "queue": queue.name(),
        "id": envelope.id,
        "state": seen.spot.state.name(),
        "file": output::name(queue.path(&seen.spot.path()).as_os_str()),
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
        "attempts": told.attempts,
        "header": header,
    })
}

fn as_page(queue: &SpoolQueue, seen: &Seen, told: &Told, header: &str) -> Page {
    let envelope = &seen.envelope;
    let sender = if envelope.sender.is_none() { "<>" } else { envelope.sender_text() };
    let mut page = Page::of(format!("entry      {}", envelope.id));
    page.line(format!("queue      {}, {}", queue.name(), seen.spot.state.name()));
    page.line(format!("file       {}", queue.path(&seen.spot.path()).display()));
    page.line(format!("submitted  {}, by user {}", envelope.origin.submitted.local(), envelope.origin.uid));
    page.line(format!("due        {}", seen.spot.name.due.local()));
    page.line(format!("sender     {sender}"));
    page.line(format!("size       {}", rough_size(seen.extent.len)));
    for (i, recipient) in envelope.recipients.iter().enumerate() {
        let notices = match told.notices(i).as_slice() {
            [] => String::new(),
            notices => format!("; the sender was told: {}", notices.join(", ")),
        };
        let delivery = told.delivery(i).map_or(String::new(), |delivery| {
            let reply = delivery.reply.as_ref().map_or(String::new(), |reply| format!(": {reply}"));
            format!(", {}{reply}", delivery.at.local())
        });
        page.line(format!("recipient  {recipient}: {}{delivery}{notices}", word(&told.history, i)));
        for (name, value) in envelope.fields.of(i).into_iter().flatten() {
            page.line(format!("           {name}: {value}"));
        }
    }
    for attempt in &told.attempts {
        page.line(format!("attempt {:<2} {}", attempt.attempt, attempt.at.local()));
        for result in &attempt.results {
            let whom: Vec<&str> =
                result.group.iter().filter_map(|&i| envelope.recipients.get(i)).map(|r| r.as_str()).collect();
            let reason = result.reason.as_ref().map(|reason| &reason.text).or(result.reply.as_ref());
            let reason = reason.map_or("", String::as_str);
            page.line(format!("           {}: {}: {reason}", result.verdict, whom.join(", ")));
        }
    }
    page.line("");
    quote(header, &mut page);
    page
}

/// Adds the lines of a message, whose ends may be of either kind.
fn quote(text: &str, page: &mut Page) {
    for line in text.split_terminator('\n') {
        page.line(line.strip_suffix('\r').unwrap_or(line));
    }
}
