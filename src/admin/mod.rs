//! The commands that look after what is there.
#![forbid(unsafe_code)]

mod act;
mod ask;
pub mod bounces;
pub mod button;
pub mod check;
pub mod config;
mod decide;
pub mod demo;
mod dropped;
mod filter;
pub mod flush;
pub mod generate;
mod glob;
pub mod hold;
pub mod jobs;
pub mod list;
mod listing;
pub mod own;
mod queues;
pub mod release;
pub mod remove;
pub mod requeue;
mod row;
mod run_status;
pub mod select;
pub mod show;
pub mod status;
pub mod suppress;
mod table;
mod verb;

pub use queues::QueueArgs;
