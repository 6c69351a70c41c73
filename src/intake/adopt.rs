//! Adopting the mail in `drop/` (see [`mod@drop`]), under the queue's lock.
//!
//! For each file: opened, looked at, read into the queue like any other message, published under an id that counts once,
//! removed. Killed between the last two, the next adopter finds the id and only removes.
//!
//! A file that cannot be adopted is left where it is, because it may be evidence and is its owner's, and is said once: how
//! new the newest of them was that was said is kept in `<queue>/left`.

use std::ffi::OsStr;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::accept::{self, Failure, Request};
use super::{Refused, sendmail};
use crate::config::Limits;
use crate::model::Exit;
use crate::queue::QueueError;
use crate::spool::drop::{self, Dropped, Unfit};
use crate::spool::{Spool, SpoolQueue};
use crate::sys::output::{self, warning};
use crate::sys::{clock, fault, nss};

/// So many files that are left are named; the others are counted.
const NAMED_MAX: usize = 5;
/// The note about what was said.
const LEFT: &str = "left";

/// Adopts what lies in the drop folder for `queue`, until all was looked at or `stop` says so.
///
/// Errors: the disk. What was adopted before is queued.
pub fn adopt(spool: &Spool, queue: &SpoolQueue, limits: &Limits, stop: &dyn Fn() -> bool) -> Result<Exit, QueueError> {
    let mut left = Left::read(queue);
    let mut exit = Exit::Ok;
    for (number, name) in queue.drop_names()?.enumerate() {
        let name = name.map_err(|source| QueueError::Io { doing: "list", path: queue.drop_path(""), source })?;
        if number == 0 {
            queue.may_undrop()?;
        }
        if stop() {
            break;
        }
        match queue.open_dropped(&name, limits.recipients) {
            Ok(None) => {}
            Err(unfit) => left.add(&name, unfit),
            Ok(Some(dropped)) => {
                let (changed, uid, text) = (dropped.changed, dropped.uid, dropped.name.clone());
                match one(spool, queue, limits, dropped) {
                    Ok(()) => {
                        fault::instant("adopt.published");
                        queue.undrop(&text)?;
                        fault::instant("adopt.removed");
                    }
                    // No room now: there may be later, and then these are adopted.
                    Err(Failure::Refused(full @ Refused::Full { .. })) => {
                        warning!("{}: mail waits in drop/: {full}", queue.name());
                        exit = Exit::TempFail;
                        break;
                    }
                    Err(Failure::Refused(refused)) => {
                        left.add(&name, Unfit { why: refused.to_string(), changed, uid: Some(uid) })
                    }
                    Err(Failure::Spool(error)) => return Err(error),
                }
            }
        }
    }
    left.say(queue);
    Ok(exit)
}

fn one(spool: &Spool, queue: &SpoolQueue, limits: &Limits, dropped: Dropped) -> Result<(), Failure> {
    accept::check_room(spool.free_space()?, limits)?;
    if dropped.len > limits.message {
        return Err(Refused::MessageTooBig { max: limits.message }.into());
    }
    let envelope = dropped.envelope;
    let request = Request {
        sender: Some(envelope.sender),
        recipients: envelope.recipients,
        body: envelope.origin.body,
        // They become arguments of a command.
        notify: envelope.origin.notify.map(sendmail::notify).transpose()?,
        ret: envelope.origin.ret.map(sendmail::ret).transpose()?,
        envid: envelope.origin.envid.map(|envid| sendmail::printable('V', envid)).transpose()?,
        at: dropped.at,
        user: Some(dropped.uid),
        ..Request::default()
    };
    let mut input = BufReader::with_capacity(64 << 10, Whole { file: dropped.file, left: dropped.len });
    accept::queue_as(dropped.id, queue, limits, request, &mut input)?;
    Ok(())
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

/// What cannot be adopted.
struct Left {
    /// Those that are no newer were said.
    said: (i64, i64),
    newest: (i64, i64),
    new: usize,
    lines: Vec<String>,
}

impl Left {
    fn read(queue: &SpoolQueue) -> Left {
        let note = queue.read_note(LEFT).ok().flatten().and_then(|(text, _)| serde_json::from_str(&text).ok());
        let said: (i64, i64) = note.unwrap_or_default();
        let now = i64::try_from(clock::now().0 / 1_000_000).unwrap_or(i64::MAX);
        // It was said by a clock that has been set back since.
        let said = if said.0 > now { (0, 0) } else { said };
        Left { said, newest: said, new: 0, lines: Vec::new() }
    }

    fn add(&mut self, name: &OsStr, unfit: Unfit) {
        if unfit.changed <= self.said {
            return;
        }
        self.newest = self.newest.max(unfit.changed);
        self.new += 1;
        if self.lines.len() < NAMED_MAX {
            let name: String = output::name(name).chars().take(100).collect();
            let who = unfit.uid.map_or(String::new(), |uid| format!(" of {}", nss::user_name(uid)));
            self.lines.push(format!("{name}{who}: {}", unfit.why));
        }
    }

    fn say(self, queue: &SpoolQueue) {
        if self.new == 0 {
            return;
        }
        let more = self.new - self.lines.len();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let folder = queue.drop_path("");
        warning!(
            "{}: in {} lies what cannot be queued and is left; remove it once you have looked: {}{more}",
            queue.name(),
            folder.display(),
            self.lines.join("; ")
        );
        if let Ok(text) = serde_json::to_string(&self.newest) {
            // If it cannot be noted it is said again by the next run.
            let _ = queue.write_note(LEFT, &(text + "\n"));
        }
    }
}

/// Opens the site's spool for a run: where it has a drop folder, it and the queues that mail waits for there are made.
/// `None` if there is no spool.
pub fn prepare(root: &Path, known: &dyn Fn(&str) -> bool) -> Result<Option<Spool>, QueueError> {
    let spool = match Spool::open(root)? {
        Some(spool) => spool,
        None if drop::is_there(root) => Spool::create(root)?,
        None => return Ok(None),
    };
    for name in spool.drop_names()? {
        let name = name.map_err(|source| QueueError::Io { doing: "list", path: root.join("drop"), source })?;
        if let Some(queue) = drop::queue_of(&name).filter(|queue| known(queue)) {
            spool.queue(queue)?;
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
