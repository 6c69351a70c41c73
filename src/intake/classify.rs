//! Mail that an MTA hands in for a list manager, as from an alias: its envelope, and the queue that it belongs to.

use std::env;
use std::io::{BufRead, Read};

use super::refused::Refused;
use super::submission::Submission;
use crate::bounce::{Arrival, MessageKind, READ_MAX, read};
use crate::model::Address;
use crate::model::envelope::verp_recipient;

/// The queue's name that stands for [`queue`].
pub const AUTO: &str = "auto";

/// Where mail goes that is nothing special.
pub const INBOUND: &str = "inbound";

/// What Postfix calls the null sender where it must have a name.
const DAEMON: &str = "MAILER-DAEMON";

/// Completes an envelope by what an MTA sets in the environment of the commands that it runs: `SENDER` and `RECIPIENT`
/// (Postfix, local(8); Exim, the pipe transport).
pub fn envelope(submission: &mut Submission) -> Result<(), Refused> {
    if let Some(sender) = env::var("SENDER").ok().filter(|_| submission.sender.is_none()) {
        let bare = sender.trim_matches(['<', '>']);
        submission.sender = Some(if bare.eq_ignore_ascii_case(DAEMON) { None } else { Address::sender(bare)? });
    }
    if submission.recipients.is_empty() && !submission.from_header {
        submission.recipients.extend(env::var("RECIPIENT").ok().map(|to| to.parse()).transpose()?);
    }
    Ok(())
}

/// As much of a message as is looked at.
pub fn beginning(input: &mut (impl BufRead + ?Sized)) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    let read = input.take(READ_MAX as u64).read_to_end(&mut bytes);
    read.map_err(|source| Refused::Unreadable { what: "the message".to_owned(), source })?;
    Ok(bytes)
}

/// The queue of a message that begins so, and its class if the one it goes to shall know. `verp` are the patterns of the
/// senders that are made here.
///
/// A report goes to `bounce`, and so does whatever has no sender or came back to a sender that VERP made; but an automatic
/// reply is for the list manager, and says so.
pub fn queue(submission: &Submission, verp: &[String], beginning: &[u8]) -> (&'static str, Option<&'static str>) {
    let recipient = submission.recipients.first();
    let null_sender = submission.sender.as_ref().map(Option::is_none);
    match read(&Arrival { null_sender, recipient, verp }, beginning).kind {
        MessageKind::Bounce | MessageKind::Complaint => ("bounce", None),
        MessageKind::AutoReply => (INBOUND, Some("auto-reply")),
        MessageKind::Ordinary => {
            let came_back =
                recipient.is_some_and(|to| verp.iter().any(|pattern| verp_recipient(pattern, to).is_some()));
            (if came_back || null_sender == Some(true) { "bounce" } else { INBOUND }, None)
        }
    }
}
