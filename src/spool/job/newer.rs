//! Whether a newer program made a job.

use std::fs::File;
use std::io::Read;

use super::file::{JobFault, JobFile};
use crate::model::format::Newer;
use crate::sys::dir;

/// The most bytes of a `job.json` that are read.
const BYTES_MAX: u64 = 1 << 20;

/// Why the job whose `job.json` lies at `path` in `folder` is left as it is, if a newer program made it. Of a job whose file
/// is damaged or missing the entries tell everything.
pub(in crate::spool) fn newer_in(folder: &File, path: &str) -> Option<Newer> {
    let mut text = String::new();
    let file = dir::open_file(folder, path, dir::Open::Read).ok()?;
    file.take(BYTES_MAX).read_to_string(&mut text).ok()?;
    match JobFile::parse(&text) {
        Err(JobFault::Newer(newer)) => Some(newer),
        Ok(_) | Err(JobFault::Json(_)) => None,
    }
}
