//! Other users of the host: what they may do, what they may not, and what they are told. Most of it needs root, who may
//! become any of them; some of it needs namespaces.

#[path = "../support/mod.rs"]
mod support;

mod drop;
mod drop_bounds;
mod no_way_out;
mod not_yet_adopted;
mod own_mail;
mod plain_user;
mod shared_host;
mod withdraw;
