//! How fast mail leaves, at most.

use super::reader::{Reader, first_of};
use super::scalar::Value;
use super::values;
use crate::policy::rate::{BURST_MAX, Rate};

/// How fast a transport is fed, by all queues, runs and workers together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransportPace {
    /// The most hand-overs in a time.
    pub rate: Option<Rate>,
    /// The most of them at once, at least 1.
    pub sessions: Option<usize>,
}

/// The rate of a queue or a transport, from its keys `rate` and `burst`.
pub(super) fn rate(key: &dyn Fn(&str) -> String, rate: &Value, burst: &Value, reader: &mut Reader<'_>) -> Option<Rate> {
    let most = usize::try_from(BURST_MAX).unwrap_or(usize::MAX);
    let at_once = reader.value(&key("burst"), burst, None, |value| values::count(1..=most)(value).map(Some));
    if rate.is_none() && burst.is_some() {
        let why = "there is no rate that it could belong to: set rate, too, or remove it";
        reader.problem(first_of(&[burst]), format!("{}: {why}", key("burst")));
    }
    let (count, per) = reader.value(&key("rate"), rate, None, |value| values::rate(value).map(Some))?;
    Some(Rate::new(count, per, at_once.map(|burst| burst as u64)))
}
