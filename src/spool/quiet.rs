//! Which folders of single entries hold nothing that is due: one look at a folder's time then replaces a walk through its
//! names.
//!
//! A folder's time changes with each name that comes, goes, or is renamed in it. So what a walk saw holds as long as that
//! time is the same, if it lay far enough back when the walk began: the kernel's clock for file times is coarse, and what
//! came right after the walk must not bear the time from before it.
//!
//! A process remembers this for itself, and one that it forks begins with a copy. Nothing depends on it but the time that a
//! look takes.

use std::fs::File;
use std::sync::Mutex;
use std::time::Duration;

use super::names::{BUCKETS, EntryName, bucket_path};
use crate::model::Micros;
use crate::sys::clock;
use crate::sys::dir::{self, Stamp};
use crate::sys::mutex::locked;

/// A folder's time is trusted when it lies so far back: several ticks of the slowest kernel, or more than the second of a
/// file system that keeps whole ones.
const SETTLED: Duration = Duration::from_millis(50);
const SETTLED_COARSE: Duration = Duration::from_secs(3);

/// What was seen of each folder, if nothing in it was due.
#[derive(Debug)]
pub(super) struct Quiet(Mutex<Vec<Option<QuietFolder>>>);

#[derive(Clone, Debug)]
struct QuietFolder {
    stamp: Stamp,
    /// When. A clock that was set back since says nothing.
    at: Micros,
    /// The first that will be due.
    next: Option<Micros>,
}

impl Default for Quiet {
    fn default() -> Quiet {
        Quiet(Mutex::new(vec![None; BUCKETS]))
    }
}

/// A walk through one of the folders that may end in its being quiet.
#[derive(Debug)]
pub(super) struct QuietWalk {
    bucket: u8,
    seen: QuietFolder,
}

impl QuietWalk {
    /// Begins one, at `now`, in the folder `bucket` whose `names` are about to be read.
    pub fn begin(bucket: u8, names: &dir::Names, now: Micros) -> Option<QuietWalk> {
        let stamp = settled_stamp(names)?;
        Some(QuietWalk { bucket, seen: QuietFolder { stamp, at: now, next: None } })
    }

    /// Takes note of one that waits.
    pub fn waits(&mut self, name: &EntryName) {
        self.waits_until(name.due);
    }

    /// Takes note of one that waits for `due`.
    pub fn waits_until(&mut self, due: Micros) {
        self.seen.next = Some(self.seen.next.map_or(due, |next| next.min(due)));
    }
}

/// The time of the folder whose `names` are about to be read, if it lies far enough back.
pub(super) fn settled_stamp(names: &dir::Names) -> Option<Stamp> {
    let stamp = names.stamp();
    let settled = if stamp.is_fine() { SETTLED } else { SETTLED_COARSE };
    (clock::now().since(Micros(stamp.micros())) > settled).then_some(stamp)
}

/// Of a folder in which nothing is due: the first time that one of its names waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest(pub Option<Micros>);

impl Quiet {
    /// A copy, for another process that opens the same queue.
    pub fn copy(&self) -> Quiet {
        Quiet(Mutex::new(locked(&self.0).clone()))
    }

    /// Whether nothing in the folder `ready/<bucket>` of the folder `queue` is due at `now`, as far as is known without a walk.
    pub fn rests(&self, queue: &File, bucket: u8, now: Micros) -> Option<Rest> {
        let seen = locked(&self.0).get(usize::from(bucket)).cloned().flatten()?;
        if now < seen.at || seen.next.is_some_and(|next| next <= now) {
            return None;
        }
        let stat = dir::stat(queue, &bucket_path(bucket)).ok().flatten()?;
        (Stamp::of(&stat) == seen.stamp).then_some(Rest(seen.next))
    }

    /// The end of a walk that met nothing due.
    pub fn note(&self, watch: QuietWalk) {
        if let Some(place) = locked(&self.0).get_mut(usize::from(watch.bucket)) {
            *place = Some(watch.seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::envelope::Origin;
    use crate::model::{EntryId, Envelope};
    use crate::queue::Queue;
    use crate::spool::survey::Glance;
    use crate::spool::{Spool, SpoolQueue};

    /// In seconds since 1970.
    const LONG_AGO: i64 = 1_000_000_000;

    /// Sets the time of all folders, which says when something happened in them last.
    fn set_times(queue: &SpoolQueue, seconds: i64) {
        let then = nix::sys::time::TimeSpec::new(seconds, 0);
        for bucket in 0..=u8::MAX {
            let folder = format!("ready/{bucket:02x}");
            let flags = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
            nix::sys::stat::utimensat(&queue.dir, folder.as_str(), &then, &then, flags).expect("ours");
        }
    }

    fn put(queue: &SpoolQueue, due: Micros) {
        let (submitted, verp) = (Micros(1), None);
        let origin = Origin { submitted, uid: 0, body: None, notify: None, ret: None, envid: None, verp };
        let recipients = vec!["r@example.net".parse().expect("an address")];
        let envelope = Envelope {
            id: EntryId::new(clock::now()),
            sender: None,
            recipients,
            fields: crate::model::Fields::default(),
            origin,
        };
        queue.publish(&envelope, due, &mut |out| out.write_all(b"Subject: x\n\nx\n")).expect("published");
    }

    #[test]
    fn what_comes_goes_or_falls_due_is_seen_though_the_folder_was_quiet() {
        let dir = tempfile::tempdir().expect("a folder");
        let queue = Spool::create(&dir.path().join("s")).and_then(|spool| spool.queue("q")).expect("a queue");
        let (now, later) = (Micros(1_000_000), Micros(2_000_000));
        put(&queue, later);
        set_times(&queue, LONG_AGO);
        let waiting = Glance { due: 0, next: Some(later) };
        assert_eq!(queue.glance(now, 9, &|_| false).expect("a glance"), waiting);
        assert!(
            (0..=u8::MAX).all(|bucket| queue.quiet.rests(&queue.dir, bucket, now).is_some()),
            "all of them are quiet"
        );
        assert_eq!(queue.glance(now, 9, &|_| false).expect("a glance"), waiting, "as before, without a walk");
        // Its time comes.
        assert_eq!(queue.glance(later, 9, &|_| false).expect("a glance").due, 1);
        // Another one comes.
        put(&queue, now);
        assert_eq!(queue.glance(now, 9, &|_| false).expect("a glance"), Glance { due: 1, next: Some(later) });
        // What is passed over counts for nothing, and does not make its folder quiet.
        assert_eq!(queue.glance(later, 9, &|_| true).expect("a glance"), Glance::default());
        assert_eq!(queue.glance(later, 9, &|_| false).expect("a glance").due, 2);
        // A clock that was set back: nothing is known of that time.
        assert!((0..=u8::MAX).all(|bucket| queue.quiet.rests(&queue.dir, bucket, Micros(1)).is_none()));
    }

    #[test]
    fn a_folder_whose_time_is_not_over_is_never_quiet() {
        let dir = tempfile::tempdir().expect("a folder");
        let queue = Spool::create(&dir.path().join("s")).and_then(|spool| spool.queue("q")).expect("a queue");
        put(&queue, Micros(1));
        let begin = || {
            let names = dir::Names::open(&queue.dir, "ready/00").expect("names");
            QuietWalk::begin(0, &names, clock::now())
        };
        set_times(&queue, LONG_AGO);
        assert!(begin().is_some());
        // As late as can be.
        set_times(&queue, i64::from(i32::MAX));
        assert!(begin().is_none());
        // Whole seconds: what comes within this one could not be told from what was there.
        set_times(&queue, i64::try_from(clock::now().0 / 1_000_000).expect("a time"));
        assert!(begin().is_none());
    }
}
