//! A person looks at the queue, and decides.

#[path = "../support/mod.rs"]
mod support;

mod corrupt;
mod decisions;
mod escapes;
mod jobs;
mod odd_names;
mod posts;
mod stop;
mod views;
