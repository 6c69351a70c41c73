//! What a sender is told: a delivery status notification (RFC 3464), the summary of many that were held
//! back, or one notice for a whole merge.
//!
//! Kept true: no text from outside can begin a header field, a line of a field or a part of its own, because control
//! characters become spaces, fields are folded here, and the boundary follows from an id that no message can know. Lines
//! stay below 998 bytes (RFC 5322 section 2.1.1), and a reason below 1,000 (see [`Reason`](crate::model::Reason)).

mod about;
mod fold;
mod head;
mod merge;
mod report;
mod summary;

pub use self::about::{About, RecipientStatus};
pub use self::merge::{MergeCounts, MergeNotice};
pub use self::report::{Notice, Returned};
pub use self::summary::{NoticeSummary, summary_line};
