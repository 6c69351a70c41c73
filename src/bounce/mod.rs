//! Bounces: what a message says of how others were delivered, and the ledger of it.
//!
//! Reading is pure, and never panics whatever the bytes are. A delay is never a failure. What is not surely a report is
//! [`MessageKind::Ordinary`], and nobody is blamed for it.

mod address;
mod class;
mod fields;
mod free_text;
mod html;
pub mod ledger;
mod mime;
mod patterns;
mod read;
mod reading;
mod report;
mod signs;

pub use self::class::Class;
pub use self::read::{READ_MAX, read};
pub use self::reading::{Arrival, MessageKind, Reading};
pub use self::report::{Action, Report};
