//! What happened to whom: one JSON line a recipient and verdict, in `SPOOL/events/<date>.jsonl` (the date in UTC). Deliveries
//! of a merge's rows have none: their entry has lines that sum up what came of all its rows, of which the last counts.
//!
//! A line is one `O_APPEND` write, so lines of many workers never mix. It is written after the verdict is in the journal
//! and before the entry is settled. A worker that is killed there leaves the lines of its one hand-over missing (its verdict
//! is in the journal) or, handed over again, there twice; never a line of what did not happen. A disk that cannot take
//! events does not stop the mail: a process warns once.
//!
//! Nothing else knows how a line looks: [`line`] makes them, and reads those of each format.

mod line;
mod log;

pub use line::{
    EventContext, EventLine, EventRecipient, JobLine, RemovedFileLine, RowsLine, SuppressedLine, UnreadableLine, read,
};
pub use log::Log;
