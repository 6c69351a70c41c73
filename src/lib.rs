//! bulkmailer: stands between the programs that produce mail and the MTA that delivers it.
//!
//! The layers, from the bottom; an import points downward only (`tests/layers` reads this table, and lets no file import
//! one that imports it):
//!
//! | layer | module | role |
//! |---|---|---|
//! | 0 | [`model`], [`sys`] | the words of the program; the system calls, the only `unsafe` |
//! | 1 | [`policy`], [`events`] | pure functions: when to try again, how fast at most, whom to tell; the log of what became of mail |
//! | 2 | [`queue`], [`config`], [`bounce`] | what a worker knows of a queue; the configuration; what comes back, and the ledger |
//! | 3 | [`spool`], [`transport`] | storage, behind [`queue`]; delivery, which reads its part of [`config`] and takes messages as [`queue`] has them. They never import each other |
//! | 4 | [`worker`], [`intake`] | claim → send → settle, by [`queue`] and [`transport`] alone; the ways in |
//! | 5 | [`runner`] | one launch by cron |
//! | 6 | [`admin`] | the other commands |
//! | 7 | [`cli`] | arguments → command → exit status |
//!
//! One message's way from cron to its unlink:
//! [`runner::run`] → [`worker::work`] → [`queue::Queue::claim`] → [`transport::Transport::send`] → [`queue::Claim::settle`].
#![deny(unsafe_code)]
// A standard error that cannot be written (a full disk) makes eprintln! panic: `sys::output::warning!` never does.
#![deny(clippy::print_stderr, clippy::print_stdout)]
// No input makes this program panic: only tests may say that something cannot fail.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        // Nor is any function longer than clippy.toml says.
        clippy::too_many_lines
    )
)]

pub mod admin;
pub mod bounce;
pub mod cli;
pub mod config;
pub mod events;
pub mod intake;
pub mod model;
pub mod policy;
pub mod queue;
pub mod runner;
pub mod spool;
pub mod sys;
pub mod transport;
pub mod worker;
