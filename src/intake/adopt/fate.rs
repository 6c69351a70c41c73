//! What becomes of a file in `drop/` when its turn comes.

use crate::spool::drop::Unfit;

/// What became of a file.
pub(super) enum Fate {
    /// It is in the queue, and was before if it met a kill.
    Adopted,
    Gone,
    /// It stays, until somebody has looked.
    Unfit(Unfit),
    /// It stays, until its user has less waiting.
    Over,
    /// It asks for an entry that a worker has, and stays.
    InHand,
    /// It stays, as do all others, until there is room.
    NoRoom(String),
}
