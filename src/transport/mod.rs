//! How an entry leaves: a transport takes a group of recipients and a message, and says what came of it.
//!
//! Transports know nothing of the spool. [`Transport`] says what each of them keeps true; [`open`](fn@open) makes the one
//! that is configured.

mod from_config;
mod handover;
mod maildir;
mod no_way_out;
mod pipe;
pub mod profiles;
pub mod smtp;

pub use self::from_config::open;
pub use self::handover::{Handover, Lookahead, Next, NextHandover, Transport};
