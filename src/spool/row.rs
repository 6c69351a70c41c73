//! One entry as a listing has it: what `list --json` prints, and what a run writes for a user.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::drop::Dropped;
use super::find::Seen;
use super::history::History;
use crate::model::reserved::DROP;
use crate::model::verdict::Kind;
use crate::model::{Address, Micros};

/// What the state of a file in `drop/` is called.
pub const IN_DROP: &str = DROP;

/// One entry. The fields are those of `--json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row<'a> {
    pub queue: Cow<'a, str>,
    pub id: Cow<'a, str>,
    pub state: Cow<'a, str>,
    pub submitted: String,
    pub due: String,
    pub sender: Cow<'a, str>,
    /// Recipients that are still open.
    pub recipients: Vec<Cow<'a, str>>,
    /// Bytes of the message.
    pub bytes: u64,
    pub attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Cow<'a, str>>,
}

impl<'a> Row<'a> {
    pub fn of(queue: &'a str, seen: &'a Seen, history: &'a History) -> Row<'a> {
        let envelope = &seen.envelope;
        let given_up = |i: usize| matches!(history.last.get(i), Some(Some(Kind::Failed | Kind::Suppressed)));
        let open = |i: &usize| !history.is_closed(*i) || given_up(*i);
        let recipients = (0..envelope.recipients.len()).filter(open).map(|i| &envelope.recipients[i]);
        let last = history
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.results.iter().rev().find_map(|result| result.reason.as_ref()));
        let held = history.held.as_ref().filter(|_| history.any(Kind::Held));
        let reason = held.or(last);
        Row {
            queue: queue.into(),
            id: envelope.id.as_str().into(),
            state: seen.spot.state.name().into(),
            submitted: envelope.origin.submitted.rfc3339(),
            due: seen.spot.name.due.rfc3339(),
            sender: envelope.sender_text().into(),
            recipients: texts(recipients),
            bytes: seen.extent.len,
            attempts: history.attempts(),
            reason: reason.map(|reason| reason.text.as_str().into()),
        }
    }

    /// A file in `drop/` that will be adopted. What its owner claims about its submission is not believed.
    pub fn dropped(queue: &'a str, dropped: &'a Dropped) -> Row<'a> {
        let changed = seconds(dropped.changed.0);
        Row {
            queue: queue.into(),
            id: dropped.id.as_str().into(),
            state: IN_DROP.into(),
            submitted: changed.rfc3339(),
            due: dropped.at.unwrap_or(changed).rfc3339(),
            sender: dropped.envelope.sender_text().into(),
            recipients: texts(dropped.envelope.recipients.iter()),
            bytes: dropped.len,
            attempts: 0,
            reason: None,
        }
    }

    /// A file in `drop/` that cannot be adopted. It goes by its name.
    pub fn unfit(queue: &'a str, name: String, changed: i64, bytes: u64, why: String) -> Row<'a> {
        Row {
            queue: queue.into(),
            id: name.into(),
            state: IN_DROP.into(),
            submitted: seconds(changed).rfc3339(),
            due: seconds(changed).rfc3339(),
            sender: "".into(),
            recipients: Vec::new(),
            bytes,
            attempts: 0,
            reason: Some(why.into()),
        }
    }
}

fn texts<'a>(addresses: impl Iterator<Item = &'a Address>) -> Vec<Cow<'a, str>> {
    addresses.map(|address| address.as_str().into()).collect()
}

fn seconds(seconds: i64) -> Micros {
    Micros(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000))
}
