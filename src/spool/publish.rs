//! Publishing one entry: the instant at which accepted mail becomes the spool's responsibility.
//!
//! The order of steps, in `Draft::commit`:
//! 1. a file without a name in `tmp/`, locked from the start; envelope and message are written, the size filled in;
//! 2. the file is synced; if that fails it is thrown away, a failed sync is never retried;
//! 3. `linkat` to its name in `ready/`, never over another name;
//! 4. the bucket is synced: **this is the commit**. If it fails, the name is taken back; we still hold the entry's lock,
//!    so no worker can have taken it meanwhile;
//! 5. the file is closed, which lets workers claim it, and `wake` is touched.
//!
//! An entry that must count once is published under its key's lock, between a look whether it is there already and the
//! mark that it is (see [`keys`](super::keys)).
//!
//! A kill before step 3 leaves nothing; between 3 and 4 an entry that is whole and will be delivered, though its
//! submitter had no answer.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use super::entry;
use super::keys::Key;
use super::names::{EntryName, Spot, State};
use super::queue::SpoolQueue;
use crate::model::{EntryId, Envelope, Micros};
use crate::queue::QueueError;
use crate::sys::durable::Unnamed;
use crate::sys::{clock, dir, fault, lock};

/// A message is written to the file in pieces of about this size; a smaller one in a single write.
const PIECE: usize = 64 << 10;

/// An entry file in the making: the head is there, the message's bytes are written to it with [`Write`].
#[derive(Debug)]
pub(super) struct Content<F> {
    pub file: F,
    pending: Vec<u8>,
    flushed: u64,
    head: u64,
}

impl<F: AsRef<File>> Content<F> {
    pub fn new(file: F, envelope: &Envelope) -> io::Result<Content<F>> {
        let pending = entry::head(envelope)?;
        let head = pending.len() as u64;
        Ok(Content { file, pending, flushed: 0, head })
    }

    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_ref().write_all_at(&self.pending, self.flushed)?;
        self.flushed += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Fills in the size and writes what is pending. Returns the message's bytes.
    pub fn complete(&mut self) -> io::Result<u64> {
        let len = self.flushed + self.pending.len() as u64 - self.head;
        let (field, at) = (entry::size_field(len), entry::SIZE_AT);
        if self.flushed == 0 {
            let at = at as usize; // the head is longer than its first field
            self.pending[at..at + field.len()].copy_from_slice(field.as_bytes());
        } else {
            self.file.as_ref().write_all_at(field.as_bytes(), at)?;
        }
        self.flush()?;
        Ok(len)
    }
}

impl AsRef<File> for Unnamed {
    fn as_ref(&self) -> &File {
        self.file()
    }
}

/// A single entry being written. Dropped without [`Draft::publish`], nothing has happened.
#[derive(Debug)]
pub struct Draft<'q> {
    queue: &'q SpoolQueue,
    id: EntryId,
    content: Content<Unnamed>,
}

/// What came of publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    New,
    /// An entry of this id, which counts once, was published before.
    Before,
}

impl SpoolQueue {
    /// Starts an entry with this envelope. Nothing is visible until [`Draft::publish`].
    pub fn draft(&self, envelope: &Envelope) -> Result<Draft<'_>, QueueError> {
        self.may_have(envelope)?;
        let start = || -> io::Result<Content<Unnamed>> {
            fault::point("publish.create")?;
            let file = Unnamed::create(&self.dir, "tmp", envelope.id.as_str())?;
            if !lock::try_exclusive(file.file())? {
                return Err(io::Error::other("somebody else has locked a new file"));
            }
            Content::new(file, envelope)
        };
        let content = start().map_err(self.failed("write a new entry", "tmp"))?;
        Ok(Draft { queue: self, id: envelope.id.clone(), content })
    }
}

impl SpoolQueue {
    /// A file without a name, for what does not become an entry as it is.
    pub fn scratch(&self) -> Result<File, QueueError> {
        let name = EntryId::new(clock::now());
        let make = || Unnamed::create(&self.dir, "tmp", name.as_str())?.nameless(&self.dir);
        make().map_err(self.failed("write a new entry", "tmp"))
    }
}

impl Write for Draft<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        fault::point("publish.write")?;
        self.content.push(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Draft<'_> {
    /// Publishes the entry, due at `due`; see the module's head for the steps. One whose id counts once is thrown away if
    /// it was published before.
    ///
    /// Errors: a write or sync that failed. Then the entry is not in the queue.
    pub fn publish(self, due: Micros) -> Result<Published, QueueError> {
        let name = EntryName::new(due, self.id.clone());
        self.put(name)
    }

    /// The same where a person asked for the time, so that it stands however far off.
    pub fn publish_at(self, due: Micros) -> Result<Published, QueueError> {
        let name = EntryName { due, at: true, id: self.id.clone(), log: None };
        self.put(name)
    }

    fn put(self, name: EntryName) -> Result<Published, QueueError> {
        let (queue, id) = (self.queue, self.id.clone());
        if !id.counts_once() {
            return self.commit(name).map(|()| Published::New);
        }
        match queue.key(&id)? {
            Key::Marked => {
                self.content.file.discard(&queue.dir);
                Ok(Published::Before)
            }
            Key::Open(key) => {
                fault::point("key.locked").map_err(queue.failed("write a new entry", "tmp"))?;
                self.commit(name)?;
                fault::instant("key.published");
                // The entry is there, and tells as much; whoever removes it sets the mark first.
                let _ = key.mark();
                Ok(Published::New)
            }
        }
    }

    fn commit(mut self, name: EntryName) -> Result<(), QueueError> {
        let queue = self.queue;
        let write = |content: &mut Content<Unnamed>| -> io::Result<()> {
            content.complete()?;
            fault::point("publish.written")?;
            content.file.file().sync_data()?;
            fault::point("publish.synced")
        };
        if let Err(error) = write(&mut self.content) {
            self.content.file.discard(&queue.dir);
            return Err(queue.failed("write a new entry", "tmp")(error));
        }
        let spot = Spot { state: State::Ready, name };
        let path = spot.path();
        let folder = queue.folder_of(&spot)?;
        let file = self.content.file.link(&queue.dir, &path).map_err(queue.failed("link a new entry", &path))?;
        let commit = || {
            fault::point("publish.linked")?;
            folder.sync_all()?;
            fault::point("publish.committed")
        };
        if let Err(error) = commit() {
            // We hold its lock, so nobody has claimed it.
            let _ = dir::unlink(&queue.dir, &path);
            return Err(queue.failed("sync", &spot.folder())(error));
        }
        drop(file);
        fault::instant("publish.closed");
        // The mail is safe; a wake that fails only means that the next run finds it.
        let _ = queue.wake();
        Ok(())
    }
}

impl SpoolQueue {
    /// The open folder of `spot`. Somebody may have removed an empty bucket by hand: then it is made.
    fn folder_of(&self, spot: &Spot) -> Result<File, QueueError> {
        let path = spot.folder();
        let made = || {
            self.ensure_folder(&path).map_err(self.failed("make", &path))?;
            dir::open_at(&self.dir, &path).map_err(self.failed("open", &path))
        };
        match dir::open_at(&self.dir, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => made(),
            other => other.map_err(self.failed("open", &path)),
        }
    }
}
