//! The documents and contrib say what the program does.
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

#[path = "../support/mod.rs"]
mod support;

mod contrib;
mod guides;
mod manuals;
