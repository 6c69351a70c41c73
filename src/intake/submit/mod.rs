//! `bulkmailer submit`: one message from the standard input, to its recipients or those of a list (`post`), or
//! the many of an mbox or a Maildir (`many`).

mod args;
mod list_post;
mod many;

pub use args::Args;

use std::io::{self, BufRead, BufReader};

use serde_json::json;

use super::refused::Refused;
use super::submission::Submission;
use super::way_in::WayIn;
use super::{classify, recipients, smtpd};
use crate::config::{ConfigError, Site};
use crate::model::{Address, Exit};
use crate::sys::output::{Page, tell};
use crate::sys::stdio;

/// `bulkmailer submit`.
pub fn run(site: &Site, args: &Args) -> anyhow::Result<Exit> {
    let auto = args.queue == classify::AUTO;
    if !auto && !site.config.queues.contains_key(&args.queue) {
        let known: Vec<&str> = site.config.queues.keys().map(String::as_str).collect();
        return Err(ConfigError::unknown_queue(&args.queue, &known).into());
    }
    if args.serve {
        return smtpd::run(site, &args.queue);
    }
    let mut submission = Submission {
        sender: args.sender.as_deref().map(Address::sender).transpose().map_err(Refused::from)?,
        recipients: recipients::addresses(&args.recipients)?,
        sender_from_header: args.read_sender,
        from_header: args.read_recipients,
        key: args.key.clone(),
        at: args.at,
        ..Submission::default()
    };
    if auto || args.from_mta {
        classify::envelope(&mut submission)?;
    }
    if auto {
        return by_kind(site, submission, args);
    }
    if let Some(list) = &args.recipients_file {
        return list_post::run(site, args, list, submission);
    }
    let many = args.mbox.is_some() || args.maildir.is_some();
    if !many && submission.recipients.is_empty() && !submission.from_header {
        return Err(Refused::NoRecipients.into());
    }
    let way = WayIn::open(site, &args.queue)?;
    let exit =
        if many { many::several(&way, &site.config.limits, submission, args) } else { one(&way, submission, args) }?;
    way.kick();
    if !args.quiet {
        way.remind();
    }
    Ok(exit)
}

/// One message, into the queue that it belongs to.
fn by_kind(site: &Site, submission: Submission, args: &Args) -> anyhow::Result<Exit> {
    if args.mbox.is_some() || args.maildir.is_some() || args.recipients_file.is_some() {
        return Err(Refused::Usage("--queue auto looks at one message only: name the queue".to_owned()).into());
    }
    if submission.recipients.is_empty() && !submission.from_header {
        return Err(Refused::NoRecipients.into());
    }
    let input = stdio::input();
    let mut input = BufReader::with_capacity(64 << 10, &*input);
    let beginning = classify::beginning(&mut input)?;
    let (queue, class) = classify::queue(&submission, &site.config.verp_patterns(), &beginning);
    let way = WayIn::open(site, queue)?;
    let mut input = io::Read::chain(beginning.as_slice(), input);
    accept(&way, queue, Submission { class: Some(class), ..submission }, &mut input, args)?;
    way.kick();
    if !args.quiet {
        way.remind();
    }
    Ok(Exit::Ok)
}

fn one(way: &WayIn<'_>, submission: Submission, args: &Args) -> anyhow::Result<Exit> {
    accept(way, &args.queue, submission, &mut BufReader::with_capacity(64 << 10, &*stdio::input()), args)
}

fn accept(
    way: &WayIn<'_>,
    queue: &str,
    submission: Submission,
    input: &mut impl BufRead,
    args: &Args,
) -> anyhow::Result<Exit> {
    let accepted = way.single(submission, input)?;
    if args.json {
        let row = json!({"id": accepted.id, "queue": queue, "recipients": accepted.recipients, "bytes": accepted.bytes, "new": accepted.new});
        tell(&Page::of(row.to_string()));
    } else if !args.quiet {
        tell(&Page::of(accepted.id.as_str()));
    }
    Ok(Exit::Ok)
}
