//! A job's `job.json`, and whether this program can do what it says: a newer one may have made it, on a host that knows more
//! time zones.

use std::fs::File;
use std::io::Read;

use super::file::{JobFault, JobFile, JobKind};
use crate::model::format::Newer;
use crate::model::time;
use crate::policy::window::NoZone;
use crate::sys::dir;

/// The most bytes of a `job.json` that are read.
const BYTES_MAX: u64 = 1 << 20;

/// Why the job whose `job.json` lies at `path` in `folder` is left as it is, if a newer program made it, or its window is in a
/// time zone that this host does not know. Of a job whose file is damaged or missing the entries tell everything.
pub(in crate::spool) fn newer_in(folder: &File, path: &str) -> Option<Newer> {
    match read_in(folder, path)? {
        Err(JobFault::Newer(newer)) => Some(newer),
        Ok(JobFile { kind: JobKind::Merge(merge), .. }) => {
            let window = merge.window?.window(time::zone);
            window.err().map(|NoZone(zone)| Newer::Zone { zone })
        }
        Ok(_) | Err(JobFault::Json(_)) => None,
    }
}

/// What the `job.json` at `path` in `folder` tells; `None` if it cannot be read.
pub(in crate::spool) fn read_in(folder: &File, path: &str) -> Option<Result<JobFile, JobFault>> {
    let mut text = String::new();
    let file = dir::open_file(folder, path, dir::Open::Read).ok()?;
    file.take(BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(JobFile::parse(&text))
}
