//! Bounces: how they are read and recorded, and what this program tells senders itself.

#[path = "../support/mod.rs"]
mod support;

mod ledger;
mod notices;
mod queue;
mod reading;
