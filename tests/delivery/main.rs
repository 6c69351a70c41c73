//! The way out: what sinks and servers do, which verdict each recipient gets for it, at which pace, in whose turn.

#[path = "../support/mod.rs"]
mod support;

mod hostile_sinks;
mod pace;
mod receipts;
mod refusals;
mod sink_down;
mod smtp_bytes;
mod smtp_faults;
mod smtp_servers;
mod smtp_sessions;
mod smtp_tls;
mod smtp_verdicts;
mod turns;
