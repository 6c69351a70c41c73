//! What was written is read, also what another version of the program wrote.
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

#[path = "../support/mod.rs"]
mod support;

mod fields;
mod newer;
#[cfg(feature = "faults")]
mod old_spool;
mod round_trips;
#[cfg(feature = "faults")]
mod upgrade;
