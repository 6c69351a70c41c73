//! One entry: its envelope, its attempts with their reasons, and its header.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::args::Args;
use super::message::{copy_message, header, quote};
use crate::model::Exit;
use crate::model::verdict::Kind;
use crate::policy::units::rough_size;
use crate::spool::SpoolQueue;
use crate::spool::find::Seen;
use crate::spool::history::{AttemptLine, Delivery, History};
use crate::sys::output::{self, Page, print, warning};

pub fn show_entry(queue: &SpoolQueue, seen: Seen, args: &Args) -> anyhow::Result<Exit> {
    let message = match seen.extent.rows {
        Some(_) if args.message => {
            warning!("{}: its mails are made when they are sent, one for each row", seen.envelope.id);
            return Ok(Exit::Usage);
        }
        Some(_) => None,
        None => Some(queue.message_of(&seen.envelope.id, seen.file.try_clone()?, seen.extent)?),
    };
    if let Some(message) = &message
        && args.message
    {
        copy_message(message.try_clone()?, seen.extent.len)?;
        return Ok(Exit::Ok);
    }
    let mut attempts = Vec::new();
    let mut each = |attempt: &AttemptLine| attempts.push(attempt.clone());
    let history = queue.history(&seen.envelope.id, seen.envelope.recipients.len(), &mut each)?;
    let deliveries = queue.deliveries(&seen.envelope.id, seen.envelope.recipients.len())?;
    let header = message.map_or(Ok(String::new()), |message| header(message, seen.extent.len))?;
    let journal = JournalView { history, attempts, deliveries };
    if args.json {
        print(&Page::pretty(&as_json(queue, &seen, &journal, &header)))?;
    } else {
        print(&as_page(queue, &seen, &journal, &header))?;
    }
    Ok(Exit::Ok)
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

/// What the journal of an entry records.
struct JournalView {
    history: History,
    attempts: Vec<AttemptLine>,
    deliveries: BTreeMap<usize, Delivery>,
}

impl JournalView {
    /// The notices to the sender about a recipient.
    fn notices(&self, recipient: usize) -> Vec<&'static str> {
        self.history.noticed.iter().filter(|(_, of)| *of == recipient).map(|(about, _)| about.name()).collect()
    }

    /// Of a recipient who was delivered to: when, and the sink's reply.
    fn delivery(&self, recipient: usize) -> Option<&Delivery> {
        let delivered = self.history.last.get(recipient) == Some(&Some(Kind::Delivered));
        self.deliveries.get(&recipient).filter(|_| delivered)
    }
}

fn as_json(queue: &SpoolQueue, seen: &Seen, journal: &JournalView, header: &str) -> serde_json::Value {
    let envelope = &seen.envelope;
    let recipients: Vec<_> = (envelope.recipients.iter().enumerate())
        .map(|(i, recipient)| {
            let mut shown =
                json!({"address": recipient, "state": word(&journal.history, i), "told": journal.notices(i)});
            if let Some(delivery) = journal.delivery(i) {
                shown["delivered"] = json!(delivery.at.rfc3339());
                if let Some(reply) = &delivery.reply {
                    shown["reply"] = json!(reply);
                }
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
        "file": output::name(queue.path(&seen.path).as_os_str()),
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
        "attempts": journal.attempts,
        "header": header,
    })
}

fn as_page(queue: &SpoolQueue, seen: &Seen, journal: &JournalView, header: &str) -> Page {
    let envelope = &seen.envelope;
    let sender = if envelope.sender.is_none() { "<>" } else { envelope.sender_text() };
    let mut page = Page::of(format!("entry      {}", envelope.id));
    page.line(format!("queue      {}, {}", queue.name(), seen.spot.state.name()));
    page.line(format!("file       {}", queue.path(&seen.path).display()));
    page.line(format!("submitted  {}, by user {}", envelope.origin.submitted.local(), envelope.origin.uid));
    page.line(format!("due        {}", seen.spot.name.due.local()));
    page.line(format!("sender     {sender}"));
    page.line(format!("size       {}", rough_size(seen.extent.len)));
    for (i, recipient) in envelope.recipients.iter().enumerate() {
        let notices = match journal.notices(i).as_slice() {
            [] => String::new(),
            notices => format!("; the sender was told: {}", notices.join(", ")),
        };
        let delivery = journal.delivery(i).map_or(String::new(), |delivery| {
            let reply = delivery.reply.as_ref().map_or(String::new(), |reply| format!(": {reply}"));
            format!(", {}{reply}", delivery.at.local())
        });
        page.line(format!("recipient  {recipient}: {}{delivery}{notices}", word(&journal.history, i)));
        for (name, value) in envelope.fields.of(i).into_iter().flatten() {
            page.line(format!("           {name}: {value}"));
        }
    }
    for attempt in &journal.attempts {
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
