//! Which queues, and which entries of theirs, a command is about.

pub mod filter;
pub mod glob;
pub mod open_queues;
pub mod place;
pub mod selection;
