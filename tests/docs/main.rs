//! The documents and contrib say what the program does.

#[path = "../support/mod.rs"]
mod support;

mod contrib;
mod manuals;
