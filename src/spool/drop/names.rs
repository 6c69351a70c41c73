//! The names in the drop folder: whose queue's a file is, and what its entry will be called.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::access;
use crate::model::reserved::DROP;
use crate::model::{EntryId, Micros};
use crate::queue::QueueError;
use crate::spool::names::EntryName;
use crate::spool::root::Spool;
use crate::sys::dir;

/// Whose run reports a name that begins with no queue's.
const REPORTER: &str = "outbound";

impl Spool {
    /// The names in the drop folder, read a buffer at a time; none where there is no such folder.
    pub fn drop_names(&self) -> Result<impl Iterator<Item = io::Result<OsString>> + use<>, QueueError> {
        names(&self.dir, DROP).map_err(|error| access::unlisted(&self.dir, self.root(), error))
    }
}

/// The names in `path`, as they are; none where it does not exist.
pub(super) fn names(at: &fs::File, path: &str) -> io::Result<Box<dyn Iterator<Item = io::Result<OsString>>>> {
    match dir::Names::open(at, path) {
        Ok(names) => Ok(Box::new(names.raw().map(|name| name.map(|name| name.name)))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Box::new(std::iter::empty())),
        Err(error) => Err(error),
    }
}

/// Which queue a drop file's name is meant for. One that is not UTF-8 is meant for none, but somebody has to report it: the
/// queue that it begins with, or else the queue `outbound`.
pub fn queue_of(name: &OsStr) -> Option<&str> {
    let end = name.as_bytes().iter().position(|&b| b == b'.');
    let queue = end.and_then(|end| OsStr::from_bytes(&name.as_bytes()[..end]).to_str());
    match name.to_str() {
        Some(_) => queue.filter(|queue| !queue.is_empty()),
        None => queue.filter(|queue| !queue.is_empty()).or(Some(REPORTER)),
    }
}

/// File times of the kernel are this coarse at most.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// A file of the drop folder as far as its entry's id follows from it.
pub(super) struct File<'n> {
    pub device: u64,
    pub inode: u64,
    /// When it last changed, by a clock that its owner cannot set.
    pub changed: (i64, i64),
    pub name: &'n str,
}

impl<'n> File<'n> {
    pub fn of(meta: &Metadata, name: &'n str) -> File<'n> {
        File { device: meta.dev(), inode: meta.ino(), changed: (meta.ctime(), meta.ctime_nsec()), name }
    }

    /// When it was handed in. The kernel's clock is coarse, so the files of one tick are told apart by the time in their
    /// names, which may differ from that of the kernel by a tick: nobody can get ahead by more.
    pub fn handed_in(&self) -> Micros {
        let seconds = u64::try_from(self.changed.0).unwrap_or(0).saturating_mul(1_000_000);
        let changed =
            Micros(seconds.saturating_add(u64::try_from(self.changed.1).unwrap_or(0) / 1_000)).min(Micros::MAX);
        let near = |named: &Micros| named.since(changed) <= TICK && changed.since(*named) <= TICK;
        self.named().and_then(|(_, unique)| unique.born()).filter(near).unwrap_or(changed)
    }

    /// The time that was asked for.
    pub fn at(&self) -> Option<Micros> {
        self.named()?.0
    }

    fn named(&self) -> Option<(Option<Micros>, EntryId)> {
        let (_, unique) = self.name.split_once('.')?;
        match EntryName::parse(unique) {
            Some(name) => Some((name.at.then_some(name.due), name.id)),
            None => Some((None, unique.parse().ok()?)),
        }
    }

    /// What its entry is called. The name is part of it, for a file that is removed may leave its inode to the next one
    /// within the same tick.
    pub fn id(&self) -> EntryId {
        EntryId::of_dropped(self.handed_in(), &self.parts().each_ref().map(String::as_str))
    }

    /// What a program before this would have called it.
    pub fn id_before(&self) -> EntryId {
        EntryId::of_dropped_before(&self.parts().each_ref().map(String::as_str))
    }

    fn parts(&self) -> [String; 5] {
        let (seconds, nanos) = self.changed;
        let [a, b, c, d] = [self.device, self.inode, seconds as u64, nanos as u64].map(|part| part.to_string());
        [a, b, c, d, self.name.to_owned()]
    }
}

/// The id of a drop file's entry where its user gave it a key. A key is its user's own: nobody can use up another's.
pub(super) fn keyed_id(uid: u32, claimed: &EntryId) -> Option<EntryId> {
    claimed.counts_once().then(|| EntryId::of_key(&["drop key", &uid.to_string(), claimed.as_str()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_was_handed_in_when_its_name_says_unless_the_kernel_says_another_time() {
        let changed = (1_795_526_824, 5_000_000);
        let kernels = Micros(1_795_526_824_005_000);
        let of = |name: &str| File { device: 1, inode: 2, changed, name }.handed_in();
        for (off, counts) in [(-20_001, false), (-20_000, true), (0, true), (3, true), (20_000, true), (20_001, false)]
        {
            let named = Micros(kernels.0.saturating_add_signed(off));
            let unique = EntryId::new(named);
            for name in [format!("outbound.{unique}"), format!("outbound.{}@{unique}", Micros(7))] {
                assert_eq!(of(&name), if counts { named } else { kernels }, "{off}: {name}");
            }
        }
        for name in ["outbound", "outbound.1", "outbound.a b", "outbound.0000000000000007@k0", "outbound.@"] {
            assert_eq!(of(name), kernels, "{name}");
        }
        let far = File { device: 1, inode: 2, changed: (i64::MAX, -1), name: "outbound.1" };
        assert_eq!(far.handed_in(), Micros::MAX);
    }
}
