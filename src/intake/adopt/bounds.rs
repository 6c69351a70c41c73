//! What the configuration allows the users of `drop/`.

use std::time::Duration;

use crate::config::{DropBounds, Limits};
use crate::intake::accept;
use crate::intake::refused::Refused;
use crate::spool::drop::Dropped;

/// What bounds the mail that is adopted.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    pub limits: &'a Limits,
    pub drop: &'a DropBounds,
    /// How long a key is kept.
    pub key_keep: Duration,
    /// Events go to syslog, too.
    pub syslog: bool,
}

/// Refuses what the configuration allows no user of `drop/`, as far as it is known before the message is read.
pub fn check(dropped: &Dropped, limits: &Limits, bounds: &DropBounds) -> Result<(), Refused> {
    if dropped.len > limits.message {
        return Err(Refused::MessageTooBig { max: limits.message });
    }
    accept::check_time(dropped.at, bounds)
}
