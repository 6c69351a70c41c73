//! The words of the program as types: what an entry is called, who mail is from and to, what came of it.
//!
//! Nothing here does I/O, apart from asking for the randomness of a new id and for the local time zone.

pub mod address;
pub mod envelope;
pub mod exit;
pub mod fields;
pub mod format;
pub mod id;
pub mod reserved;
pub mod row;
pub mod row_summary;
pub mod time;
pub mod verdict;

pub use address::Address;
pub use envelope::{Body, Envelope};
pub use exit::Exit;
pub use fields::Fields;
pub use format::Format;
pub use id::EntryId;
pub use row::{Cell, Columns, Row};
pub use row_summary::RowSummary;
pub use time::Micros;
pub use verdict::{Attempt, Reason, SinkReply, Verdict};
