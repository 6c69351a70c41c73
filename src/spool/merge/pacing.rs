//! When and how fast a merge is handed over: its window and its rate, as `job.json` has them.
//!
//! Kept true: a job whose `job.json` cannot be read has no window that is open. `JOB/pace/rate` has the tokens, and goes with
//! the job.

use std::fs::File;
use std::io;

use crate::model::time;
use crate::policy::window::Window;
use crate::queue::Bucket;
use crate::spool::job::newer::read_in;
use crate::spool::job::{JobKind, MergeFile};
use crate::sys::dir;

/// In the job's folder, of a job that has a rate.
pub(super) const FOLDER: &str = "pace";

/// What binds all workers of a merge.
#[derive(Debug)]
pub struct Pacing {
    pub window: Option<Window>,
    pub bucket: Option<Bucket>,
}

impl Pacing {
    /// That of the job whose folder is `top`.
    ///
    /// Errors: it cannot be read, the host does not know the window's zone, or there is no room for the tokens.
    pub fn of(top: &File) -> io::Result<Pacing> {
        let unreadable = || io::Error::other("job.json cannot be read: restore it from a copy, or cancel the job");
        let file = read_in(top, "job.json").and_then(Result::ok).ok_or_else(unreadable)?;
        let JobKind::Merge(merge) = &file.kind else { return Err(unreadable()) };
        let bucket = merge.rate.map(|rate| {
            // It was made with the job; not by a program before, nor in a copy.
            dir::make(top, FOLDER)?;
            Bucket::open(&dir::open_at(top, FOLDER)?, "rate", rate.0)
        });
        Ok(Pacing { window: window_of(merge)?, bucket: bucket.transpose()? })
    }
}

/// The window of the job whose `job.json` lies at `path` in `folder`; `None` if it has none, or none can be read.
pub(in crate::spool) fn window_in(folder: &File, path: &str) -> Option<Window> {
    let JobKind::Merge(merge) = read_in(folder, path)?.ok()?.kind else { return None };
    window_of(&merge).ok()?
}

fn window_of(merge: &MergeFile) -> io::Result<Option<Window>> {
    let window = merge.window.as_ref().map(|hours| hours.window(time::zone));
    window.transpose().map_err(io::Error::other)
}
