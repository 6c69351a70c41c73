//! Other users of the host: what they may do, what they may not, and what they are told. Most of it needs root, who may
//! become any of them; some of it needs namespaces.
#![allow(clippy::restriction, clippy::too_many_lines)] // The lints of Cargo.toml are for src/.

#[path = "../support/mod.rs"]
mod support;

mod drop;
mod drop_bounds;
mod drop_forged;
mod no_way_out;
mod not_yet_adopted;
mod own_mail;
mod plain_user;
mod shared_host;
mod withdraw;
