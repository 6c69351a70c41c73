//! A person looks at the queue, and decides.
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

#[path = "../support/mod.rs"]
mod support;

mod corrupt;
mod decisions;
mod escapes;
mod jobs;
mod listing;
mod odd_names;
mod posts;
mod stop;
mod views;
