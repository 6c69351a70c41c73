//! Heads whose rows are all closed, and whose logs wait for a sync that many share.
//!
//! Kept true: a head waits under both its locks, so nobody makes a row due again that its removal would lose.

use std::fs::File;
use std::sync::{Arc, Mutex};

use super::log::file::Log;
use crate::spool::open_job::OpenJob;
use crate::spool::order::Hand;

/// One of them.
#[derive(Debug)]
pub struct WaitingHead {
    pub(super) job: Arc<OpenJob>,
    /// In the job's folder.
    pub(super) path: String,
    pub(super) log: Log,
    /// How many syncs had begun before it was written: if one of these or a later one failed, it is written again.
    pub(super) since: u64,
    /// How many syncs had begun when all of it was written: a later one makes it durable.
    pub(super) begun: Option<u64>,
    /// Its lock is half of the claim.
    pub(super) _head: Arc<File>,
    /// Nobody else reaches for it as long as this is here.
    pub(super) _hand: Option<Hand>,
}

/// All of a worker's.
#[derive(Debug, Default)]
pub struct Waiting(pub(super) Mutex<Vec<WaitingHead>>);
