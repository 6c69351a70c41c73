//! The ways in: `submit`, the sendmail command's face, SMTP; and input that is bad or never ends.
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

#[path = "../support/mod.rs"]
mod support;

mod at;
mod bad_input;
mod endless;
mod inbound;
mod keys;
mod sendmail_face;
mod smtp_clients;
mod smtp_in;
mod start;
mod submit;
