//! What was written is read.
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

mod round_trips;
