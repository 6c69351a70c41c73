//! How far a merge is, as its logs tell.

use std::fs::File;
use std::io;

use super::claim::log_path;
use super::log::file::look;
use super::log::replay::Standing;
use crate::model::EntryId;
use crate::spool::job::JobFile;

/// Shows `each` where rows of the merge `job` stand, whose folder is `top`, and how many. Those of a log that is missing are
/// shown as held: they will be.
pub(in crate::spool) fn each_standing(
    top: &File,
    job: &EntryId,
    file: &JobFile,
    each: &mut dyn FnMut(Standing, u64),
) -> io::Result<()> {
    for id in file.entry_ids(job) {
        let rows = file.recipients_of(&id);
        let count = u16::try_from(rows).unwrap_or(u16::MAX);
        match look(top, &log_path(&id), (&id, count), &mut |_| {}) {
            Ok(states) => states.iter().for_each(|(_, row)| each(row.standing, 1)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => each(Standing::Held, rows),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
