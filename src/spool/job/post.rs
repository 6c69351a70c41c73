//! A list post: one message to many recipients, as a [job](super). The message lies in the job's folder, once; each
//! entry has an envelope with its part of the recipients.
//!
//! Memory: one entry's recipients, whatever their number is.

use std::fs::File;
use std::io::{self, Write};

use super::FOLDER_MAX;
use super::draft::JobDraft;
use super::file::{JobFile, JobKind};
use super::post_file::PostFile;
use crate::model::{Address, EntryId, Envelope, Fields, Micros};
use crate::queue::QueueError;
use crate::spool::entry;
use crate::spool::names::EntryName;
use crate::spool::publish::Published;
use crate::spool::queue::SpoolQueue;
use crate::sys::{dir, fault};

/// A post whose message is being written. Dropped without [`Entries::commit`], nothing has happened.
#[derive(Debug)]
pub struct Post<'q> {
    draft: JobDraft<'q>,
    message: File,
    bytes: u64,
}

/// A post whose message is there and whose recipients are being added.
#[derive(Debug)]
pub struct Entries<'q> {
    draft: JobDraft<'q>,
    /// The next entry: its id is filled in, its recipients are gathered.
    next: Envelope,
    about: PostFile,
    entries: u32,
    folder: Option<File>,
}

/// A post that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    pub about: PostFile,
    pub entries: u64,
    pub published: Published,
}

impl SpoolQueue {
    /// Starts a post, as job `id`.
    pub fn post(&self, id: EntryId) -> Result<Post<'_>, QueueError> {
        let draft = JobDraft::new(self, id)?;
        let message = draft.file("message")?;
        Ok(Post { draft, message, bytes: 0 })
    }
}

impl Write for Post<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        fault::point("post.message")?;
        let written = self.message.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'q> Post<'q> {
    /// The job's id.
    pub fn id(&self) -> &EntryId {
        &self.draft.id
    }

    /// Goes on to its recipients: entries get the envelope `like`, and what `about` says of them but for
    /// what is counted: recipients, and the message's bytes.
    pub fn entries(self, like: Envelope, about: PostFile) -> Entries<'q> {
        let next = Envelope { recipients: Vec::new(), fields: Fields::default(), ..like };
        let about = PostFile { recipients: 0, bytes: self.bytes, ..about };
        Entries { draft: self.draft, next, about, entries: 0, folder: None }
    }
}

impl Entries<'_> {
    /// Adds one recipient.
    pub fn add(&mut self, recipient: Address) -> Result<(), QueueError> {
        self.next.recipients.push(recipient);
        if self.next.recipients.len() as u64 >= self.about.per_entry { self.close() } else { Ok(()) }
    }

    /// Writes the entry that was gathered.
    fn close(&mut self) -> Result<(), QueueError> {
        self.draft.queue.may_have(&self.next)?;
        let (n, k) = (self.entries / FOLDER_MAX, self.entries % FOLDER_MAX);
        let folder = match &self.folder {
            Some(folder) if k > 0 => folder,
            _ => self.folder.insert(self.draft.folder(n)?),
        };
        self.next.id = self.draft.id.of_job(n, k);
        let submitted: Micros = self.next.origin.submitted;
        let (due, at) = self.about.not_before.map_or((submitted, false), |time| (time, true));
        let name = EntryName { due, at, id: self.next.id.clone(), log: None }.to_string();
        let write = || -> io::Result<()> {
            fault::point("post.entry")?;
            let mut file = dir::open_file(folder, &name, dir::Open::CreateNew)?;
            file.write_all(&entry::head_apart(&self.next, self.about.bytes)?)
        };
        write().map_err(self.draft.queue.failed("write a post", &self.draft.tmp))?;
        self.about.recipients += self.next.recipients.len() as u64;
        self.entries += 1;
        self.next.recipients.clear();
        self.next.fields.clear();
        Ok(())
    }

    /// Publishes the post; one without recipients vanishes, and so does one whose id counts once and was accepted before.
    /// `counts` are the duplicates, and whom the suppression list has.
    pub fn commit(mut self, counts: (u64, u64)) -> Result<Posted, QueueError> {
        if !self.next.recipients.is_empty() {
            self.close()?;
        }
        (self.about.duplicates, self.about.suppressed) = counts;
        let (entries, at) = (u64::from(self.entries), self.next.origin.submitted);
        let job = JobFile::new(JobKind::Post(self.about.clone()), entries, at);
        let published = self.draft.commit_once(&job)?;
        Ok(Posted { about: self.about, entries, published })
    }
}
