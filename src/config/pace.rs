//! How fast mail leaves, at most.

use super::reader::{Reader, SetKeys};
use crate::policy::rate::Rate;

/// How fast a transport is fed, by all queues, runs and workers together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransportPace {
    /// The most hand-overs in a time.
    pub rate: Option<Rate>,
    /// The most of them at once, at least 1.
    pub sessions: Option<usize>,
}

/// Notes a `burst` in the table `place` without the `rate` that it belongs to.
pub(super) fn settle(place: &str, set: &SetKeys, reader: &mut Reader<'_>) {
    if set.at("rate").is_none() && set.is_good("burst") {
        let why = "there is no rate that it could belong to: set rate, too, or remove it";
        reader.problem(set.at("burst"), format!("{place}.burst: {why}"));
    }
}
