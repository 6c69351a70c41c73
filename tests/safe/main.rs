//! What was accepted is safe: nothing is lost and nothing is sent twice, whatever is killed, fails, fills up or is damaged.
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

#[path = "../support/mod.rs"]
mod support;

mod bad_disk;
mod crash;
mod crash_admin;
mod crash_hold;
mod crash_submit;
mod exactly_once;
mod file_limits;
mod random_kills;
mod repair;
mod syscalls;
