//! A file in corrupt/: what can be read of its envelope, and how it begins.

use std::io::{Read, Seek, SeekFrom};

use serde_json::json;

use super::args::Args;
use super::message::{copy_message, quote};
use crate::admin::printing::listing::MENDED;
use crate::model::Exit;
use crate::policy::units::rough_size;
use crate::spool::SpoolQueue;
use crate::spool::corrupt::{Corrupt, label};
use crate::sys::output::{self, Page, print};

/// So much of a file that cannot be read.
const HEAD_MAX: u64 = 4 << 10;

/// Shows what there is of a file in corrupt/: of its envelope what can be read, and how it begins.
pub fn show_corrupt(queue: &SpoolQueue, file: Corrupt, args: &Args) -> anyhow::Result<Exit> {
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
