//! Where an entry, or what will be one, lies.

use clap::ValueEnum;

use crate::spool::names::State;

/// Where an entry lies, as `--state` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Place {
    /// Due, or waiting for its time
    Ready,
    /// Set aside
    Hold,
    /// Given up
    Failed,
    /// Could not be read
    Corrupt,
    /// Handed in by another user, and not taken up yet
    Drop,
}

impl Place {
    /// Every state of an entry.
    pub const ENTRIES: [Place; 3] = [Place::Ready, Place::Hold, Place::Failed];
    /// Wherever a queue has something that a person may decide about.
    pub const IN_QUEUE: [Place; 4] = [Place::Ready, Place::Hold, Place::Failed, Place::Corrupt];
    /// Everything that `list` shows by default.
    pub const LISTED: [Place; 4] = [Place::Ready, Place::Hold, Place::Failed, Place::Drop];

    /// The state of the entries there; none for files that are no entries.
    pub fn state(self) -> Option<State> {
        match self {
            Place::Ready => Some(State::Ready),
            Place::Hold => Some(State::Hold),
            Place::Failed => Some(State::Failed),
            Place::Corrupt | Place::Drop => None,
        }
    }
}
