//! Runs that nobody watches: launches that overlap, hosts that are offline now and then, clocks that jump.

#[path = "../support/mod.rs"]
mod support;

mod kick;
mod laptop;
mod offline;
mod overlap;
mod pains;
mod unattended;
