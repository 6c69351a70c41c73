//! Order: first in, first out. Among single entries, and within each job, names are handed out by due time, ties by
//! submission, at any number of waiting entries.
//!
//! There are two lanes, the single entries and the jobs. For each the workers of a queue share a [`ring`](ring::Ring) of the
//! next names, and each worker takes the first. The worker that finds a ring low holds the lane's lock (on the folder that
//! it reads, free again with its holder's death) and fills it by one walk through the names ([`fill`], [`jobs`]), while the
//! others go on. Names that somebody has in [`hands`] are left out. So a name that is due is handed out once, and nobody
//! tries a lock that is held; but nothing depends on this: the lock on the entry's file is the claim.
//!
//! In the lane of jobs, submissions take turns, an entry each: see [`jobs`].
//!
//! Memory: two buffers of [`SINGLES`] names and two of [`JOBS`], 40 bytes each, shared by all workers of a queue.

mod fill;
mod hands;
mod jobs;
mod packed;
mod ring;
mod rings;
mod singles;
#[cfg(test)]
mod tests;
mod walk;

pub(super) use self::fill::fill;
pub(super) use self::hands::Hand;
pub(super) use self::rings::{Lane, Order};
