//! What becomes of bounces that were read.

use std::time::Duration;

use crate::policy::score::Rules;

/// How bounces count, and who is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounces {
    /// When an address gets no more mail.
    pub rules: Rules,
    /// How long each report is kept; an address's score and whether it is suppressed stay. Default 90 days.
    pub keep: Duration,
    /// A program, by its absolute path, and its arguments, that is run for each report; default none.
    pub hook: Option<Vec<String>>,
    pub pass_on: PassOn,
}

/// What goes on through the queue's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassOn {
    /// What could not be read, the default.
    Unread,
    /// Everything, also what was recorded.
    All,
}

impl PassOn {
    pub const ALL: [PassOn; 2] = [PassOn::Unread, PassOn::All];

    /// As the file spells it.
    pub fn name(self) -> &'static str {
        match self {
            PassOn::Unread => "unread",
            PassOn::All => "all",
        }
    }
}

impl Default for Bounces {
    fn default() -> Bounces {
        let keep = Duration::from_secs(90 * 24 * 3_600);
        Bounces { rules: Rules::default(), keep, hook: None, pass_on: PassOn::Unread }
    }
}
