//! Runs that nobody watches: launches that overlap, hosts that are offline now and then, clocks that jump.
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

#[path = "../support/mod.rs"]
mod support;

mod empty;
mod kick;
mod laptop;
mod memory;
mod offline;
mod order;
mod order_at_length;
mod overlap;
mod pains;
mod queues_apart;
mod unattended;
