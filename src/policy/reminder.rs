//! What is said once a day, as long as it is so.

use std::time::Duration;

use crate::model::Micros;

/// How often it is said.
pub const DAILY: Duration = Duration::from_secs(24 * 3_600);

/// Whether it is time to say it again that was `said` then. A time to come is of a clock that was wrong.
pub fn is_due(said: Option<Micros>, every: Duration, now: Micros) -> bool {
    !said.is_some_and(|said| said <= now && now.since(said) < every)
}
