//! Bounces: how they are read and recorded, and what this program tells senders itself.
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

#[path = "../support/mod.rs"]
mod support;

mod ledger;
mod notices;
mod notices_killed;
mod queue;
mod reading;
mod storms;
