//! A person looks at the queue, and decides.

#[path = "../support/mod.rs"]
mod support;

mod decisions;
mod escapes;
mod jobs;
mod odd_names;
mod views;
