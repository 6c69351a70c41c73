//! Merges: templates and rows, and the mail that they become.
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

#[path = "../support/mod.rs"]
mod support;

mod bad_rows;
mod check;
mod decided;
mod examples;
mod harmed;
mod job;
mod killed;
mod meanwhile;
mod order;
mod over_smtp;
mod pace;
mod parsed;
mod preview;
mod queued;
mod sentinel;
mod slaughter;
mod template;
mod told;
mod waiting;
