//! What was written is read, also what another version of the program wrote.

#[path = "../support/mod.rs"]
mod support;

mod fields;
mod newer;
mod round_trips;
#[cfg(feature = "faults")]
mod upgrade;
