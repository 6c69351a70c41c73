//! The wall clock, read in one place.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::Micros;

/// Now. A clock set before 1970 reads as 1970.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX).min(Micros::MAX.0))
}
