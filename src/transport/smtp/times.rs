//! How long is waited: for one reply, and for a hand-over as a whole.

use std::time::{Duration, Instant};

/// How long waits may be.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The longest time in which nothing moves.
    pub still: Duration,
    /// The end of everything.
    pub until: Instant,
}

/// How long the waits of one hand-over may be.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub still: Duration,
    pub until: Instant,
}

impl Times {
    /// A reply to a command.
    pub fn reply(self) -> Patience {
        Patience { still: self.still, until: self.until }
    }

    /// The reply to a message (RFC 5321 section 4.5.3.2.6).
    pub fn end(self) -> Patience {
        Patience { still: self.still.saturating_mul(2), until: self.until }
    }
}
