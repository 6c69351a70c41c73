//! Which folders hold nothing that is due: one look at a folder's times then replaces a walk through its names.
//!
//! A folder's times change with each name that comes, goes, or is renamed in it. So what a walk saw holds as long as these
//! times are the same, if they lay far enough back when the walk began: the kernel's clock for file times is coarse, and what
//! came right after the walk must not bear the time from before it. The time of change is compared besides that of
//! modification, and the inode: a backup that was put back has the old modification times, and nobody can set the others.
//!
//! A process remembers this for itself, and one that it forks begins with a copy. The first look reads what an earlier run
//! knew (`quiet`, see [`hint`]), and a run that knows more writes it at its end; it is not synced. Nothing depends on it but
//! the time that a look takes: each folder's times are looked at each time, and a hint that is missing, torn, old or about
//! other folders costs a walk.

mod folder;
mod hint;

use std::fs::File;
use std::io::{self, Read};
use std::sync::Mutex;
use std::time::Duration;

use self::folder::QuietFolder;
pub(super) use self::folder::is_settled;
use super::names::{bucket_name, bucket_str};
use crate::model::Micros;
use crate::sys::dir;
use crate::sys::mutex::locked;
use crate::sys::{clock, dir::Print};

/// The file's name.
pub(super) const HINT: &str = "quiet";

/// What was seen of each folder, if nothing in it was due.
#[derive(Debug)]
pub(super) struct Quiet {
    /// A due time further off than this counts as due.
    horizon: Duration,
    /// `None` until the first look.
    known: Mutex<Option<Known>>,
}

/// What is known of folders, in the order of their keys.
#[derive(Clone, Debug, Default)]
struct Known {
    folders: Vec<Seen>,
    /// Something is known that the file does not hold.
    is_new: bool,
}

#[derive(Clone, Debug)]
struct Seen {
    key: u64,
    folder: QuietFolder,
    /// This process or one that forked it found the folder like this: it is still there.
    is_met: bool,
}

impl Default for Quiet {
    fn default() -> Quiet {
        Quiet::within(Duration::MAX)
    }
}

/// A folder of entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    /// What the file calls it. Two paths with one key take turns in being known: their inodes differ.
    key: u64,
    pub path: &'p str,
}

impl<'p> Place<'p> {
    /// `ready/<bucket>`, whose number is its key.
    pub fn bucket(bucket: u8) -> Place<'static> {
        Place { key: bucket.into(), path: bucket_str(bucket) }
    }

    /// The folder of the jobs, which is quiet while it is empty.
    pub fn jobs() -> Place<'static> {
        Place::of_job("jobs")
    }

    /// A folder of a job's, whose key is no bucket's.
    pub fn of_job(path: &'p str) -> Place<'p> {
        let mix = |key: u64, byte| (key ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Place { key: path.bytes().fold(0xcbf2_9ce4_8422_2325, mix) | 1 << 63, path }
    }
}

/// A walk through a folder that may end in its being quiet.
#[derive(Debug)]
pub(super) struct QuietWalk {
    key: u64,
    seen: QuietFolder,
}

impl QuietWalk {
    /// Begins one, at `now`, in the folder `bucket` of single entries whose `names` are about to be read.
    pub fn begin(bucket: u8, names: &dir::Names, now: Micros) -> Option<QuietWalk> {
        QuietWalk::begin_in(Place::bucket(bucket), names, now)
    }

    /// The same in any folder of entries.
    pub fn begin_in(place: Place<'_>, names: &dir::Names, now: Micros) -> Option<QuietWalk> {
        Some(QuietWalk { key: place.key, seen: QuietFolder::new(settled_print(names)?, now) })
    }

    /// Takes note of one that waits for `due`, a time that a person set if it is `at`.
    pub fn waits(&mut self, due: Micros, at: bool) {
        self.seen.waits(due, at);
    }
}

/// The state of the folder whose `names` are about to be read, if its time lies far enough back.
fn settled_print(names: &dir::Names) -> Option<Print> {
    names.print().ok().filter(|print| is_settled(print, clock::now()))
}

/// The time alone.
pub(super) fn settled_stamp(names: &dir::Names) -> Option<dir::Stamp> {
    settled_print(names).map(Print::stamp)
}

/// Of a folder in which nothing is due: the first time that one of its names waits for, `None` if no entry is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest(pub Option<Micros>);

impl Quiet {
    /// Nothing is known, and due times further off than `horizon` will count as due.
    pub fn within(horizon: Duration) -> Quiet {
        Quiet { horizon, known: Mutex::default() }
    }

    /// A copy, for another process that opens the same queue.
    pub fn copy(&self) -> Quiet {
        Quiet { horizon: self.horizon, known: Mutex::new(locked(&self.known).clone()) }
    }

    /// Whether nothing in the folder `ready/<bucket>` of the folder `queue` is due at `now`, as far as is known without a walk.
    pub fn rests(&self, queue: &File, bucket: u8, now: Micros) -> Option<Rest> {
        self.rests_in(queue, Place::bucket(bucket), now)
    }

    /// The same of all buckets; `ready` is their folder, open: a shorter path costs less.
    pub fn all_rest(&self, queue: &File, ready: &File, now: Micros) -> bool {
        let mut known = locked(&self.known);
        let known = known.get_or_insert_with(|| Known::read(queue));
        let mut rests = |bucket: u8| {
            let look = || dir::print(ready, bucket_name(bucket));
            known.rest(bucket.into(), (now, self.horizon), look).is_some()
        };
        (0..=u8::MAX).all(&mut rests)
    }

    /// The same of any folder of entries.
    pub fn rests_in(&self, queue: &File, place: Place<'_>, now: Micros) -> Option<Rest> {
        let mut known = locked(&self.known);
        let known = known.get_or_insert_with(|| Known::read(queue));
        let look = || dir::stat(queue, place.path).ok().flatten().map(|stat| Print::of(&stat));
        known.rest(place.key, (now, self.horizon), look)
    }

    /// The end of a walk that met nothing due.
    pub fn note(&self, watch: QuietWalk) {
        let mut known = locked(&self.known);
        let known = known.get_or_insert_default();
        let seen = Seen { key: watch.key, folder: watch.seen, is_met: true };
        if known.find(watch.key).is_err() && known.folders.len() >= hint::FOLDERS_MAX {
            // Those of jobs that have gone make room.
            known.folders.retain(|seen| seen.is_met);
        }
        match known.find(watch.key) {
            Ok(at) => known.folders[at] = seen,
            Err(at) if known.folders.len() < hint::FOLDERS_MAX => known.folders.insert(at, seen),
            Err(_) => return,
        }
        known.is_new = true;
    }

    /// The file's bytes, if something is known that it does not say: all folders that were met.
    pub fn news(&self) -> Option<Vec<u8>> {
        let mut known = locked(&self.known);
        let known = known.as_mut().filter(|known| known.is_new)?;
        known.is_new = false;
        let met = known.folders.iter().filter(|seen| seen.is_met);
        Some(hint::to_bytes(met.map(|seen| (seen.key, &seen.folder))))
    }
}

impl Known {
    /// The rest of the folder with this key, if it is as it was by a `look` at it.
    fn rest(&mut self, key: u64, at: (Micros, Duration), look: impl FnOnce() -> Option<Print>) -> Option<Rest> {
        let place = self.find(key).ok()?;
        let seen = self.folders.get_mut(place).filter(|seen| seen.folder.waits_at(at.0, at.1))?;
        seen.is_met = look()? == seen.folder.print;
        seen.is_met.then_some(Rest(seen.folder.next))
    }

    /// What an earlier run knew of the folder `queue`; nothing, if that cannot be read.
    fn read(queue: &File) -> Known {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = dir::open_file(queue, HINT, dir::Open::Read)?;
            let length = file.metadata()?.len();
            let length = usize::try_from(length).ok().filter(|length| *length <= hint::BYTES_MAX);
            let mut bytes = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
            file.read_exact(&mut bytes).map(|()| bytes)
        };
        let bytes = read().unwrap_or_default();
        let folders = hint::of_bytes(&bytes).into_iter().flatten();
        let folders: Vec<Seen> = folders.map(|(key, folder)| Seen { key, folder, is_met: false }).collect();
        let is_sorted = folders.is_sorted_by(|one, next| one.key < next.key);
        Known { folders: if is_sorted { folders } else { Vec::new() }, is_new: false }
    }

    /// Where the folder with this key is, or would be. Where all buckets are known each is at its number.
    fn find(&self, key: u64) -> Result<usize, usize> {
        let straight = usize::try_from(key).ok();
        let at = straight.filter(|at| self.folders.get(*at).is_some_and(|seen| seen.key == key));
        at.map_or_else(|| self.folders.binary_search_by_key(&key, |seen| seen.key), Ok)
    }
}

#[cfg(test)]
mod tests;
