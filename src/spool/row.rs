//! One entry as a listing has it: what `list --json` prints, and what a run writes for a user.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::brief::Brief;
use super::drop::Dropped;
use super::history::History;
use super::names::State;
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
    pub submitted: Instant,
    pub due: Instant,
    pub sender: Cow<'a, str>,
    /// Recipients that are still open.
    pub recipients: Vec<Cow<'a, str>>,
    /// Bytes of the message.
    pub bytes: u64,
    pub attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Cow<'a, str>>,
}

/// An instant, in a row as RFC 3339 has it. What is none reads as 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Instant(pub Micros);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.rfc3339())
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Instant, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Ok(Instant(Micros::parse(&text).unwrap_or_default()))
    }
}

impl<'a> Row<'a> {
    /// An entry in `state`, due at `due`.
    pub fn of(queue: &'a str, state: State, due: Micros, brief: &Brief<'a>, history: &'a History) -> Row<'a> {
        let given_up = |i: usize| matches!(history.last.get(i), Some(Some(Kind::Failed | Kind::Suppressed)));
        let open = |i: &usize| !history.is_closed(*i) || given_up(*i);
        let recipients = brief.recipients.iter().enumerate().filter(|(i, _)| open(i)).map(|(_, text)| text.into());
        let last = history
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.results.iter().rev().find_map(|result| result.reason.as_ref()));
        let held = history.held.as_ref().filter(|_| history.any(Kind::Held));
        let reason = held.or(last);
        Row {
            queue: queue.into(),
            id: brief.id.into(),
            state: state.name().into(),
            submitted: Instant(brief.submitted),
            due: Instant(due),
            sender: brief.sender.into(),
            recipients: recipients.collect(),
            bytes: brief.extent.len,
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
            submitted: Instant(changed),
            due: Instant(dropped.at.unwrap_or(changed)),
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
            submitted: Instant(seconds(changed)),
            due: Instant(seconds(changed)),
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
