//! bulkmailer: stands between the programs that produce mail and the MTA that delivers it.
//!
//! The layers, from the bottom; an import points downward only (`tests/layers` reads this table, and lets no file import
//! one that imports it):
//!
//! | layer | module | role |
//! |---|---|---|
//! | 0 | [`model`], [`sys`] | the words of the program; the system calls, the only `unsafe` |
//! | 1 | [`policy`], [`events`], [`compose`] | pure functions: when to try again, how fast at most, whom to tell; the log of what became of mail; a template and a row become a mail |
//! | 2 | [`queue`], [`config`], [`bounce`] | what a worker knows of a queue; the configuration; what comes back, and the ledger |
//! | 3 | [`spool`], [`transport`] | storage, behind [`queue`]; delivery, which reads its part of [`config`] and takes messages as [`queue`] has them. They never import each other |
//! | 4 | [`worker`], [`intake`] | claim → send → settle, by [`queue`] and [`transport`] alone; the ways in |
//! | 5 | [`runner`] | one launch by cron |
//! | 6 | [`admin`] | the other commands |
//! | 7 | [`cli`] | arguments → command → exit status |
//!
//! One message's way from cron to its unlink:
//! [`runner::run`] → [`worker::work`] → [`queue::Queue::claim`] → [`transport::Transport::send`] → [`queue::Claim::settle`].
#![cfg_attr(test, allow(clippy::restriction, clippy::too_many_lines))] // As in each binary of tests/.

pub mod admin;
pub mod bounce;
pub mod cli;
pub mod compose;
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
