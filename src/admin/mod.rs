//! The commands that look after what is there.
#![forbid(unsafe_code)]

pub mod config;
pub mod generate;
