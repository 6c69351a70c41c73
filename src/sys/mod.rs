//! The system calls behind small typed functions. This is the only place with `unsafe`.
//!
//! What holds here: every descriptor is close-on-exec and owned by a type that closes it; a lock is released by drop and
//! never by an explicit unlock (a forked child's unlock would free its parent's lock); nothing here knows of mail.
#![allow(unsafe_code)]

pub mod acl;
pub mod ask;
pub mod boot;
pub mod child;
pub mod clock;
pub mod dir;
pub mod durable;
pub mod fault;
pub mod in_order;
mod listing;
pub mod lock;
pub mod mutex;
pub mod named;
pub mod nss;
pub mod output;
pub mod process;
pub mod producer;
pub mod random;
pub mod room;
pub mod sealed;
pub mod shared;
pub mod signals;
pub mod slots;
pub mod socket;
pub mod spawn;
pub mod speed;
pub mod sqlite;
pub mod start;
pub mod stdio;
pub mod trusted;
