//! Adopting the mail in `drop/` (see [`mod@drop`]), under the queue's lock.
//!
//! For each file: opened, looked at, counted as its user's, read into the queue like any other message, published under an
//! id that counts once, removed; when the removals of some are synced, their keys are. Killed between publishing and
//! removing, the next adopter finds the id and only removes.
//!
//! An entry is due since its file was handed in, whenever it is adopted: so mail of all ways in leaves in one order.
//!
//! Users take turns (`lanes`), and each may have so much waiting; what is beyond that waits in `drop/`. A file that cannot
//! be adopted is left where it is, because it may be evidence and is its owner's, and is said once (`left`).
//!
//! A request (see [`mod@request`]) takes back mail of its owner's, and comes before his other files.

mod bounds;
mod fate;
mod lanes;
mod left;
mod requests;

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};
use std::path::Path;

use self::fate::Fate;
use self::lanes::Turns;
use self::left::Left;
use super::refused::{Failure, Refused};
use super::submission::Submission;
use super::{accept, dsn};
use crate::events;
use crate::model::reserved::DROP;
use crate::model::{EntryId, Exit};
use crate::queue::QueueError;
use crate::spool::drop::{self, DropName, Dropped, Unfit, request};
use crate::spool::users::Use;
use crate::spool::{Spool, SpoolQueue};
use crate::sys::{fault, process};

pub use bounds::{Bounds, check};
pub use left::say;

/// The removals of so many files are synced together.
const FORGOTTEN_MAX: usize = 100;

/// Adopts what lies in the drop folder for `queue`, until all was looked at or `stop` says so. `TempFail` says that there
/// is no room, `Attention` that something waits until its user has less in the queue.
///
/// Errors: the disk. What was adopted before is queued.
pub fn adopt(
    spool: &Spool,
    queue: &SpoolQueue,
    bounds: Bounds<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<Exit, QueueError> {
    let others = spool.queues()?.into_iter().filter(|name| name != queue.name()).collect();
    let left = Left::begin(queue);
    let events = events::Log::new(spool.events()?, bounds.syslog);
    let mut adopter = Adopter { spool, queue, bounds, others, left, events, removed: Vec::new() };
    let done = adopter.all(stop);
    let forgotten = queue.forget_dropped(&mut adopter.removed);
    adopter.left.note(queue);
    done.and_then(|exit| forgotten.map(|()| exit))
}

struct Adopter<'a> {
    spool: &'a Spool,
    queue: &'a SpoolQueue,
    bounds: Bounds<'a>,
    /// The other queues there are.
    others: Vec<String>,
    left: Left,
    events: events::Log,
    /// The ids of files that were removed, and the removal may not be synced.
    removed: Vec<EntryId>,
}

impl Adopter<'_> {
    fn all(&mut self, stop: &dyn Fn() -> bool) -> Result<Exit, QueueError> {
        let mut turns = Turns::new(self.queue);
        let (mut met_any, mut waits) = (false, false);
        while let Some(file) = turns.next()? {
            if !met_any {
                self.queue.may_undrop()?;
                met_any = true;
            }
            if stop() {
                break;
            }
            let is_request = file.name.to_str().is_some_and(request::is_request);
            match if is_request { self.request(&file)? } else { self.mail(&file)? } {
                Fate::Adopted | Fate::Gone => {}
                Fate::Unfit(unfit) => {
                    self.left.unfit(&file.name, &unfit);
                    turns.pass(&file);
                }
                Fate::Over => {
                    self.left.over(file.uid);
                    turns.pass(&file);
                }
                Fate::InHand => {
                    waits = true;
                    turns.pass(&file);
                }
                Fate::NoRoom(why) => {
                    self.left.no_room(why);
                    return Ok(Exit::TempFail);
                }
            }
        }
        Ok(if waits || self.left.waits() { Exit::Attention } else { Exit::Ok })
    }

    fn request(&mut self, file: &DropName) -> Result<Fate, QueueError> {
        requests::serve(self.queue, self.bounds.limits.recipients, file, &mut self.events, &mut self.removed)
    }

    fn mail(&mut self, file: &DropName) -> Result<Fate, QueueError> {
        let dropped = match self.queue.open_dropped(&file.name, self.bounds.limits.recipients) {
            Ok(Some(dropped)) => self.as_before(dropped)?,
            Ok(None) => return Ok(Fate::Gone),
            Err(unfit) => return Ok(Fate::Unfit(unfit)),
        };
        let (changed, uid, id) = (dropped.changed, dropped.uid, dropped.id.clone());
        match self.queue_it(dropped) {
            Ok(true) => {
                fault::instant("adopt.published");
                let gone = self.queue.undrop(&file.name)?;
                fault::instant("adopt.removed");
                self.removed.extend(gone.then_some(id));
                if self.removed.len() >= FORGOTTEN_MAX {
                    self.queue.forget_dropped(&mut self.removed)?;
                }
                Ok(Fate::Adopted)
            }
            Ok(false) => Ok(Fate::Over),
            Err(Failure::Refused(full @ Refused::Full { .. })) => Ok(Fate::NoRoom(full.to_string())),
            Err(Failure::Refused(refused)) => {
                Ok(Fate::Unfit(Unfit { why: refused.to_string(), changed, uid: Some(uid) }))
            }
            Err(Failure::Spool(error)) => Err(error),
        }
    }

    /// A file that a program before this published, and was killed before it could remove it, keeps the id that it had.
    fn as_before(&self, dropped: Dropped) -> Result<Dropped, QueueError> {
        match &dropped.id_before {
            Some(id) if self.queue.knows_key(id)? => Ok(Dropped { id: id.clone(), ..dropped }),
            Some(_) | None => Ok(dropped),
        }
    }

    /// Queues a message; `false` if its user has as much waiting as he may.
    fn queue_it(&mut self, dropped: Dropped) -> Result<bool, Failure> {
        let limits = self.bounds.limits;
        accept::check_room(self.spool.free_space()?, limits)?;
        check(&dropped, limits, self.bounds.drop)?;
        let (uid, more) = (dropped.uid, Use { entries: 1, bytes: dropped.size });
        // Root and the spool's owner could write into the queue themselves.
        let bounded = uid != 0 && uid != process::effective_uid();
        if bounded && !(self.may_have(uid, more, &dropped.id)? && self.may_key(uid, &dropped.id)?) {
            return Ok(false);
        }
        let envelope = dropped.envelope;
        let submission = Submission {
            sender: Some(envelope.sender),
            recipients: envelope.recipients,
            body: envelope.origin.body,
            notify: envelope.origin.notify.map(dsn::notify).transpose()?,
            ret: envelope.origin.ret.map(dsn::ret).transpose()?,
            envid: envelope.origin.envid.map(dsn::envid).transpose()?,
            at: dropped.at,
            user: Some(uid),
            ..Submission::default()
        };
        let mut input = BufReader::with_capacity(64 << 10, Whole { file: dropped.file, left: dropped.len });
        accept::queue_since(dropped.since, dropped.id, self.queue, limits, submission, &mut input)?;
        Ok(true)
    }

    /// Whether the user may use another key, if his mail has one.
    fn may_key(&self, uid: u32, id: &EntryId) -> Result<bool, QueueError> {
        let (most, keep) = (self.bounds.drop.entries as u64, self.bounds.key_keep);
        Ok(id.is_adopted() || self.queue.knows_key(id)? || self.queue.note_key(uid, most, keep)?)
    }

    /// Whether the user may have so much more waiting, in all queues; it is noted then. A file whose entry was published before a
    /// kill needs no more room: it is only removed.
    fn may_have(&mut self, uid: u32, more: Use, id: &EntryId) -> Result<bool, QueueError> {
        let most = Use { entries: self.bounds.drop.entries as u64, bytes: self.bounds.drop.bytes };
        Ok(self.queue.take_share(&self.others, uid, more, most)? || self.queue.knows_key(id)?)
    }
}

/// A message of a known length; one that ends before is an error, for its owner may have cut it meanwhile.
struct Whole {
    file: std::fs::File,
    left: u64,
}

impl Read for Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = (&mut self.file).take(self.left).read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it was cut while it was read"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Opens the site's spool, as it is. Where it has a drop folder, it and the queues that mail waits for there are made. `None`
/// if there is no spool.
pub fn prepare(root: &Path, known: &dyn Fn(&str) -> bool) -> Result<Option<Spool>, QueueError> {
    let spool = match Spool::open(root)? {
        Some(spool) => spool,
        None if drop::is_there(root) => Spool::create(root)?,
        None => return Ok(None),
    };
    let mut made = BTreeSet::new();
    for name in spool.drop_names()? {
        let name = name.map_err(|source| QueueError::Io { doing: "list", path: root.join(DROP), source })?;
        if let Some(queue) = drop::queue_of(&name).filter(|queue| !made.contains(*queue) && known(queue)) {
            spool.queue(queue)?;
            made.insert(queue.to_owned());
        }
    }
    Ok(Some(spool))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_cut_or_grows_while_it_is_read_is_cut_or_whole_for_us() {
        let mut file = tempfile::tempfile().expect("a file");
        io::Write::write_all(&mut file, b"0123456789").expect("written");
        let read = |left: u64| {
            io::Seek::rewind(&mut &file).expect("rewound");
            let mut text = String::new();
            let file = file.try_clone().expect("a second one");
            Whole { file, left }.read_to_string(&mut text).map(|_| text)
        };
        assert_eq!(read(10).expect("all is there"), "0123456789");
        assert_eq!(read(4).expect("it grew"), "0123");
        assert_eq!(read(11).expect_err("it was cut").kind(), io::ErrorKind::UnexpectedEof);
    }
}
