//! How long is waited: for one reply, and for a hand-over as a whole.

use std::time::{Duration, Instant};

/// How long waits may be.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The longest time in which nothing moves.
    pub still: Duration,
    /// The end of everything.
    pub until: Instant,
}

impl Times {
    /// The same for the reply to a message (RFC 5321 section 4.5.3.2.6).
    pub fn end(self) -> Times {
        Times { still: self.still.saturating_mul(2), ..self }
    }
}
