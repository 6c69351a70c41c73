//! A plain user and his own mail in a spool that is another's, where he may only hand mail in.
//!
//! `list` and `mailq` print what a run wrote for him ([`own_lists`](crate::spool::own_lists)), `remove` asks the next run for
//! it. Everything else is refused here, in words that say whose spool it is.

pub mod list;
pub mod remove;
pub mod whose;
