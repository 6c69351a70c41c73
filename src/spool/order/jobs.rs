//! The lane of jobs: submissions take turns, an entry each, and each hands out its own in order.
//!
//! A submission is a job, or the batches that one command made: their ids end alike. So the order that its messages were
//! given in holds over the borders of its batches.
//!
//! Of very many submissions the 32 oldest and the 32 newest that have something due take turns, or more if these are small;
//! so no small one waits behind campaigns, nor a campaign behind ever more small ones. As long as the queue's jobs stay the
//! same a ring is used up before the next; a job that comes has its turns at once.
//!
//! A job whose folder is locked is still being published, and is passed over; `wake` follows its commit.
//!
//! Memory besides the ring: 48 bytes a job at most, and once more the names of the ring.

use std::collections::BinaryHeap;
use std::io;
use std::ops::Range;

use super::packed::{Packed, PackedId};
use super::walk::{Name, Walk, open};
use crate::model::EntryId;
use crate::spool::quiet::{Place, QuietWalk, Rest, settled_stamp};
use crate::sys::dir::{self, Stamp};
use crate::sys::lock;

/// Submissions that take turns, if they are not small.
const TURNS: usize = 64;
/// Names that a filling brings at least, if there are so many: with fewer the next walk would follow at once.
const ENOUGH: usize = 2_048;

/// A submission: its first job, and where its jobs are among all, in order.
type Submission = (PackedId, Range<usize>);

/// Fills the ring with what is due in jobs.
pub(super) fn walk(walk: &mut Walk<'_, '_>) {
    let folder = match open(walk.queue, "jobs") {
        Ok(Some(folder)) => folder,
        Ok(None) => return,
        Err(error) => return walk.fault("jobs", error),
    };
    walk.seen.folder = settled_stamp(&folder).unwrap_or_default();
    let (mut ids, mut odd) = (Vec::new(), Vec::new());
    let mut folder = folder;
    while let Some(id) = folder.next_with(|name| PackedId::parse(name).ok_or_else(|| name.to_vec())) {
        match id {
            Ok(Ok(id)) => ids.push(id),
            Ok(Err(name)) => odd.push(name),
            Err(error) => return walk.fault("jobs", error),
        }
    }
    for name in odd {
        odd_job(walk, &name);
    }
    let submissions = submissions(&mut ids);
    let share = walk.filling.capacity() / submissions.len().clamp(1, TURNS);
    let mut turns: Vec<Vec<Packed>> = Vec::new();
    // From both ends by turns, the oldest first.
    let (mut old, mut new, mut names) = (0, submissions.len(), 0);
    while old < new && (turns.len() < TURNS || names < ENOUGH) {
        let oldest = turns.len().is_multiple_of(2);
        let (_, jobs) = if oldest { &submissions[old] } else { &submissions[new - 1] };
        if oldest {
            old += 1
        } else {
            new -= 1
        }
        let due = due(walk, &ids[jobs.clone()], share);
        names += due.len();
        if !due.is_empty() {
            turns.push(due);
        }
    }
    walk.seen.more |= old < new;
    for round in 0..turns.iter().map(Vec::len).max().unwrap_or(0) {
        turns.iter().filter_map(|turn| turn.get(round)).for_each(|&name| walk.filling.push(name));
    }
}

/// Puts jobs together that one command made; the oldest submission first.
fn submissions(ids: &mut [PackedId]) -> Vec<Submission> {
    ids.sort_unstable_by_key(|&id| (id.submission(), id));
    let mut end = 0;
    let parts = ids.chunk_by(|a, b| a.submission() == b.submission()).filter_map(|jobs| {
        let begin = end;
        end += jobs.len();
        Some((*jobs.first()?, begin..end))
    });
    let mut submissions: Vec<Submission> = parts.collect();
    submissions.sort_unstable_by_key(|(first, _)| *first);
    submissions
}

/// The first `most` names that are due in these jobs, in order.
fn due(walk: &mut Walk<'_, '_>, jobs: &[PackedId], most: usize) -> Vec<Packed> {
    let mut due = Vec::new();
    for id in jobs {
        if due.len() >= most {
            walk.seen.more = true;
            break;
        }
        job(walk, &id.text(), most, &mut due);
    }
    due
}

/// Adds the first names that are due in a job, in order, until there are `most`.
fn job(walk: &mut Walk<'_, '_>, job: &str, most: usize, due: &mut Vec<Packed>) {
    if !walk.may_look_into(job) {
        return;
    }
    let room = most - due.len();
    let mut heap = BinaryHeap::new();
    walk.each_part(job, &mut |walk, name| match name {
        Name::Due(name) if walk.filling.is_held(name) => {}
        Name::Due(name) => {
            heap.push(name);
            if heap.len() > room {
                heap.pop();
                walk.seen.more = true;
            }
        }
        Name::Noted => {}
        Name::Waits { due, .. } => walk.waits(Some(due)),
    });
    due.extend(heap.into_sorted_vec());
}

/// A job with an id that this program would not make: all its names are handed out apart.
fn odd_job(walk: &mut Walk<'_, '_>, name: &[u8]) {
    let id = std::str::from_utf8(name).ok().and_then(|name| name.parse::<EntryId>().ok());
    if let Some(id) = id.filter(|id| walk.may_look_into(id.as_str())) {
        // Whatever is due in it has no packed form either, and is noted as it is read.
        walk.each_part(id.as_str(), &mut |walk, name| match name {
            Name::Due(_) | Name::Noted => {}
            Name::Waits { due, .. } => walk.waits(Some(due)),
        });
    }
}

impl Walk<'_, '_> {
    /// Whether the job's entries are ours to hand out: it was published, and no newer program made it.
    fn may_look_into(&mut self, job: &str) -> bool {
        let path = format!("jobs/{job}");
        match dir::open_at(&self.queue.dir, &path).and_then(|top| lock::try_shared(&top)) {
            Ok(true) => {}
            Ok(false) => {
                // What its publisher does next changes nothing in `jobs/`.
                self.seen.folder = Stamp::default();
                return false;
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    self.fault(&path, error);
                }
                return false;
            }
        }
        let Some(newer) = self.queue.newer_job(&format!("jobs/{job}")) else { return true };
        self.filled.newer.extend(job.parse().ok().map(|id| (id, newer)));
        false
    }

    /// Shows `each` what is in the job's folders, and ends a job in which there is nothing.
    fn each_part(&mut self, job: &str, each: &mut dyn FnMut(&mut Self, Name)) {
        let ready = format!("jobs/{job}/ready");
        let parts: Vec<String> = match self.queue.names(&ready).and_then(Iterator::collect) {
            Ok(parts) => parts,
            Err(error) => return self.fault(&ready, error),
        };
        if parts.is_empty() {
            self.queue.finish_job(job, "ready");
        }
        for part in parts {
            let path = format!("{ready}/{part}");
            if let Some(Rest(Some(next))) = self.queue.quiet.rests_in(&self.queue.dir, Place::of_job(&path), self.now) {
                self.waits(Some(next));
                continue;
            }
            let mut names = match open(self.queue, &path) {
                Ok(Some(names)) => names,
                Ok(None) => continue,
                Err(error) => {
                    self.fault(&path, error);
                    continue;
                }
            };
            let (mut empty, mut watch) = (true, QuietWalk::begin_in(Place::of_job(&path), &names, self.now));
            while let Some(name) = names.next_with(|name| self.read(name)) {
                empty = false;
                match &name {
                    Ok(Name::Waits { due, at }) => watch.iter_mut().for_each(|watch| watch.waits(*due, *at)),
                    Ok(Name::Due(_) | Name::Noted) | Err(_) => watch = None,
                }
                match name {
                    Ok(name) => each(self, name),
                    Err(error) => {
                        self.fault(&path, error);
                        break;
                    }
                }
            }
            watch.into_iter().filter(|_| !empty).for_each(|watch| self.queue.quiet.note(watch));
            if empty {
                self.queue.finish_job(job, &format!("ready/{part}"));
            }
        }
    }
}
