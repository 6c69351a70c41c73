//! Mail in drop/: what its entry will be, or why there will be none.

use anyhow::bail;
use serde_json::json;

use super::args::Args;
use super::message::{copy_message, header, quote};
use crate::admin::in_drop::row::DropRow;
use crate::policy::units::rough_size;
use crate::spool::drop::DropView;
use crate::spool::row::IN_DROP;
use crate::sys::nss;
use crate::sys::output::{self, Page, print};

/// Shows mail in drop/: what its entry will be, or why there will be none.
pub fn show_dropped(view: &DropView, row: DropRow<'_>, args: &Args) -> anyhow::Result<()> {
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
            "state": IN_DROP,
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
