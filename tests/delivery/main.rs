//! The way out: what sinks and servers do, which verdict each recipient gets for it, at which pace, in whose turn.
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

#[path = "../support/mod.rs"]
mod support;

mod hostile_sinks;
mod pace;
mod refusals;
mod refused_host;
mod replies;
mod sink_down;
mod smtp_bytes;
mod smtp_faults;
mod smtp_servers;
mod smtp_sessions;
mod smtp_silence;
mod smtp_tls;
mod smtp_verdicts;
mod turns;
