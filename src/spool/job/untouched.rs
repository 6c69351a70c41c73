//! A part of a job, `ready/<n>`, in which no name has come, gone or changed since the job was published, and how many entries
//! it has: a job of a million entries is counted by a thousand looks.
//!
//! The publisher sets the folder's time, when nobody else can be at it, to the year 1970: as many microseconds as there are
//! entries, for not every file system keeps nanoseconds. Whatever happens in the folder later brings its time to the present.
//! So a part that bears such a time has as many entries; one that bears another is gone through. A backup that kept the times
//! may have caught a part between two moments, the time from before and the names from after: its number is too high until
//! something happens there. Nothing but numbers that a person reads depends on it.

use std::fs::File;
use std::io;

use super::FOLDER_MAX;
use crate::sys::dir;

/// Nanoseconds in the mark for each entry.
const EACH: u32 = 1_000;

/// Notes that each part of a job that is being published, in the folder `ready` of `top`, has its share of `entries`. A part
/// that cannot be marked is gone through.
pub(super) fn mark(top: &File, entries: u64) {
    let most = u64::from(FOLDER_MAX);
    for (n, first) in (0..entries).step_by(FOLDER_MAX as usize).enumerate() {
        let _ = dir::set_modified(top, &format!("ready/{n}"), 0, (entries - first).min(most) as u32 * EACH);
    }
}

/// How many entries there are in the folder `path` of `dir`, if nothing has happened in it.
pub(super) fn untouched(dir: &File, path: &str) -> io::Result<Option<u64>> {
    let Some(stat) = dir::stat(dir, path)? else { return Ok(None) };
    let mark = u64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    let entries = mark / u64::from(EACH);
    let is_mark = stat.st_mtime == 0 && mark.is_multiple_of(EACH.into());
    Ok((is_mark && (1..=u64::from(FOLDER_MAX)).contains(&entries)).then_some(entries))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::model::envelope::Origin;
    use crate::model::{EntryId, Envelope, Fields, Micros};
    use crate::spool::Spool;
    use crate::spool::job::{PostFile, Standing};

    #[test]
    fn a_part_counts_as_a_whole_until_something_happens_in_it() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let queue = Spool::create(temp.path()).and_then(|spool| spool.queue("q")).expect("a queue");
        let id = EntryId::new(Micros(1));
        let mut post = queue.post(id.clone()).expect("a post");
        post.write_all(b"Subject: x\n\n").expect("written");
        let origin =
            Origin { submitted: Micros(1), uid: 0, body: None, notify: None, ret: None, envid: None, verp: None };
        let like = Envelope { id: id.clone(), sender: None, recipients: Vec::new(), fields: Fields::default(), origin };
        let mut entries = post.entries(like, PostFile { per_entry: 3, ..PostFile::default() });
        for n in 0..4_000 {
            entries.add(format!("r{n}@x.org").parse().expect("an address")).expect("added");
        }
        entries.commit((0, 0)).expect("published");
        let seen = || {
            let parts = [0, 1].map(|n| untouched(&queue.dir, &format!("jobs/{id}/ready/{n}")).expect("a look"));
            let file = queue.job_file(&id, Standing::AtWork).expect("read").expect("a job");
            (parts, queue.progress(&id, Standing::AtWork, &file).expect("counted").left)
        };
        assert_eq!(seen(), ([Some(1_000), Some(334)], 4_000));
        // The last entry has one recipient.
        let last = queue.locate(&id.of_job(1, 333)).expect("a look").expect("an entry");
        dir::unlink(&queue.dir, &last.path()).expect("settled");
        assert_eq!(seen(), ([Some(1_000), None], 3_999));
        // A backup that did not keep the times.
        dir::set_modified(&queue.dir, &format!("jobs/{id}/ready/0"), 1_900_000_000, 7).expect("set");
        assert_eq!(seen(), ([None, None], 3_999));
        // None of ours.
        dir::set_modified(&queue.dir, &format!("jobs/{id}/ready/0"), 0, 1_001).expect("set");
        assert_eq!(seen(), ([None, None], 3_999));
        // Of what is tried its journal tells.
        dir::set_modified(&queue.dir, &format!("jobs/{id}/ready/0"), 0, 1_000_000).expect("set");
        let journal = "{\"journal\":1,\"recipients\":3}\n{\"begun\":1,\"group\":[0,1],\"status\":\"DT\"}\n";
        std::fs::write(queue.path(&format!("jobs/{id}/journal/{}.log", id.of_job(0, 5))), journal).expect("written");
        assert_eq!(seen(), ([Some(1_000), None], 3_998));
    }
}
