//! How much each other user has waiting in a queue, so that nobody fills the spool: `<queue>/users/<uid>`, two numbers; and
//! how many keys he used lately, each of which is a file for a while: `<queue>/users/<uid>.keys`.
//!
//! Kept true: what is noted is never less than what waits, but for an entry that was under way when all was counted. It is
//! noted before an entry is adopted, and goes down only by that count ([`SpoolQueue::recount`]). A kill leaves it too high, until the next count; a power cut may take back
//! what was noted in the last seconds. Workers know nothing of it: to settle mail costs nothing.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::folders::BESIDE;
use super::queue::SpoolQueue;
use crate::model::Micros;
use crate::queue::QueueError;
use crate::sys::{clock, dir, lock};

/// The folder's name in a queue.
const USERS: &str = "users";

/// What a user has waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    pub entries: u64,
    /// Of whole entry files.
    pub bytes: u64,
}

impl Use {
    pub fn and(self, other: Use) -> Use {
        Use { entries: self.entries.saturating_add(other.entries), bytes: self.bytes.saturating_add(other.bytes) }
    }

    fn but(self, other: Use) -> Use {
        Use { entries: self.entries.saturating_sub(other.entries), bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

/// Two numbers of a fixed width, so that one write replaces others.
fn line((one, other): (u64, u64)) -> String {
    format!("{one:>20} {other:>20}\n")
}

/// The numbers of a file; one that a power cut has spoilt has none.
fn pair(file: &File) -> io::Result<(u64, u64)> {
    let mut text = String::new();
    match io::Read::read_to_string(&mut io::Read::take(file, 64), &mut text) {
        Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap_or(0));
    Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

impl From<(u64, u64)> for Use {
    fn from((entries, bytes): (u64, u64)) -> Use {
        Use { entries, bytes }
    }
}

impl std::iter::Sum for Use {
    fn sum<I: Iterator<Item = Use>>(uses: I) -> Use {
        uses.fold(Use::default(), Use::and)
    }
}

impl SpoolQueue {
    /// What is noted of each user who has anything.
    pub fn uses(&self) -> Result<HashMap<u32, Use>, QueueError> {
        let mut uses = HashMap::new();
        for name in self.names(USERS).map_err(self.failed("list", USERS))? {
            let name = name.map_err(self.failed("list", USERS))?;
            if let Ok(uid) = name.parse() {
                let noted = self.use_of(uid)?;
                uses.extend((noted != Use::default()).then_some((uid, noted)));
            }
        }
        Ok(uses)
    }

    /// What is noted of the user `uid` in this queue.
    pub fn use_of(&self, uid: u32) -> Result<Use, QueueError> {
        self.use_at(&format!("{USERS}/{uid}"))
    }

    /// What is noted of him in the queue `other` of the same spool.
    fn use_elsewhere(&self, other: &str, uid: u32) -> Result<Use, QueueError> {
        self.use_at(&format!("../{other}/{USERS}/{uid}"))
    }

    fn use_at(&self, path: &str) -> Result<Use, QueueError> {
        let read = || match dir::open_file(&self.dir, path, dir::Open::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Use::default()),
            Err(error) => Err(error),
            Ok(file) => pair(&file).map(Use::from),
        };
        read().map_err(self.failed("read", path))
    }

    /// Notes that an entry of this size is about to be adopted for the user `uid`, if he has no more than `most` then in this
    /// queue and in `others` of the same spool together; `false` if he would have.
    pub fn take_share(&self, others: &[String], uid: u32, more: Use, most: Use) -> Result<bool, QueueError> {
        // All queues' adopters take turns here, for as long as a few small reads and one write take.
        let turn = dir::open_at(&self.dir, BESIDE).and_then(|drop| lock::exclusive(&drop).map(|()| drop));
        let _turn = turn.map_err(self.failed("lock", BESIDE))?;
        let elsewhere = others.iter().map(|other| self.use_elsewhere(other, uid)).sum::<Result<Use, _>>()?;
        let all = self.use_of(uid)?.and(elsewhere).and(more);
        if all.entries > most.entries || all.bytes > most.bytes {
            return Ok(false);
        }
        self.note_use(uid, more).map(|()| true)
    }

    fn note_use(&self, uid: u32, more: Use) -> Result<(), QueueError> {
        self.change_use(uid, &|noted| noted.and(more))
    }

    /// Corrects what is noted, after everything was counted: `began` is what [`SpoolQueue::uses`] said before the count
    /// began. What was noted since then is added, for it may not have been counted.
    pub fn recount(&self, began: &HashMap<u32, Use>, counted: &HashMap<u32, Use>) -> Result<(), QueueError> {
        for (&uid, &before) in began {
            let counted = counted.get(&uid).copied().unwrap_or_default();
            self.change_use(uid, &|noted| counted.and(noted.but(before)))?;
        }
        Ok(())
    }

    /// Notes that the user `uid` uses a key, which is kept for `keep`; `false` if he has used `most` within that time.
    pub fn note_key(&self, uid: u32, most: u64, keep: Duration) -> Result<bool, QueueError> {
        let (now, mut may) = (clock::now(), false);
        self.change(&format!("{USERS}/{uid}.keys"), &mut |(since, used)| {
            let fresh = since <= now.0 && now.since(Micros(since)) < keep;
            let (since, used) = if fresh { (since, used) } else { (now.0, 0) };
            may = used < most;
            (since, used.saturating_add(u64::from(may)))
        })?;
        Ok(may)
    }

    fn change_use(&self, uid: u32, change: &dyn Fn(Use) -> Use) -> Result<(), QueueError> {
        self.change(&format!("{USERS}/{uid}"), &mut |noted| {
            let Use { entries, bytes } = change(Use::from(noted));
            (entries, bytes)
        })
    }

    /// Changes the two numbers of a file, which is locked for as long as a read and a write take.
    fn change(&self, path: &str, change: &mut dyn FnMut((u64, u64)) -> (u64, u64)) -> Result<(), QueueError> {
        let mut steps = || -> io::Result<()> {
            self.ensure_folder(USERS)?;
            let file = dir::open_file(&self.dir, path, dir::Open::Create)?;
            lock::exclusive(&file)?;
            file.write_all_at(line(change(pair(&file)?)).as_bytes(), 0)
        };
        steps().map_err(self.failed("write", path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Spool;

    #[test]
    fn what_is_noted_goes_down_by_a_count_alone_and_keeps_what_came_meanwhile() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let queue = Spool::create(temp.path()).expect("a spool").queue("outbound").expect("a queue");
        let some = |entries, bytes| Use { entries, bytes };
        queue.note_use(7, some(1, 100)).expect("noted");
        queue.note_use(7, some(1, 50)).expect("noted");
        queue.note_use(8, some(1, 1)).expect("noted");
        assert_eq!(queue.use_of(7).expect("read"), some(2, 150));
        assert_eq!(queue.use_of(9).expect("read"), Use::default());
        std::fs::create_dir(temp.path().join("drop")).expect("a folder");
        let other = Spool::create(temp.path()).expect("a spool").queue("other").expect("a queue");
        let share =
            |more| other.take_share(&["outbound".to_owned()], 7, some(more, 10), some(3, 1_000)).expect("taken");
        assert!(!share(2) && share(1) && !share(1));
        let began = queue.uses().expect("read");
        assert_eq!(began, HashMap::from([(7, some(2, 150)), (8, some(1, 1))]));
        queue.note_use(7, some(1, 10)).expect("noted");
        queue.recount(&began, &HashMap::from([(7, some(1, 100))])).expect("counted");
        assert_eq!(queue.uses().expect("read"), HashMap::from([(7, some(2, 110))]));
        let keyed = |most, keep| queue.note_key(7, most, Duration::from_secs(keep)).expect("noted");
        assert!(keyed(2, 100) && keyed(2, 100) && !keyed(2, 100) && keyed(3, 100) && keyed(2, 0));
        assert_eq!(queue.uses().expect("read").len(), 1);
        // What a power cut has spoilt.
        std::fs::write(queue.path("users/7"), [0xff; 41]).expect("written");
        assert_eq!(queue.use_of(7).expect("read"), Use::default());
    }
}
