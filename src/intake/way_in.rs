//! Which way mail goes: its spool's owner writes into the queue, everybody else through `drop/`.

use std::fs::File;
use std::io::{self, BufRead};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::accept::{self, Accepted};
use super::host;
use super::intake_batch::IntakeBatch;
use super::refused::{Failure, Refused};
use super::submission::Submission;
use crate::config::Site;
use crate::model::EntryId;
use crate::queue::QueueError;
use crate::spool::drop::{DropFolder, access};
use crate::spool::{Spool, SpoolQueue};
use crate::sys::{nss, process};

/// The way into one queue.
#[derive(Debug)]
pub struct WayIn<'s> {
    site: &'s Site,
    queue: &'s str,
    destination: Destination,
}

#[derive(Debug)]
enum Destination {
    Queue(Spool, Box<SpoolQueue>),
    Drop(DropFolder),
}

impl<'s> WayIn<'s> {
    /// Finds the way into `queue`, one of the configuration's, makes what is missing on it, and refuses where the disk is
    /// nearly full.
    ///
    /// Errors: another's spool that takes no mail of others, among those of the spool.
    pub fn open(site: &'s Site, queue: &'s str) -> Result<WayIn<'s>, Failure> {
        host::make(site)?;
        if !owns(site) {
            if let Some(folder) = DropFolder::open(&site.spool, site.spool_is_hosts).map_err(unqueued)? {
                accept::check_room(folder.free_space()?, &site.config.limits)?;
                return Ok(WayIn { site, queue, destination: Destination::Drop(folder) });
            }
            become_owner(site)?;
        }
        WayIn::into_queue(site, queue)
    }

    /// The same for what cannot go through `drop/`: root hands it in as the spool's owner.
    pub fn into_spool(site: &'s Site, queue: &'s str) -> Result<WayIn<'s>, Failure> {
        if !process::is_root() && site.spool.exists() && !owns(site) {
            return Err(Refused::NotByDrop.into());
        }
        host::make(site)?;
        become_owner(site)?;
        WayIn::into_queue(site, queue)
    }

    fn into_queue(site: &'s Site, queue: &'s str) -> Result<WayIn<'s>, Failure> {
        let spool = create(site)?;
        accept::check_room(spool.free_space()?, &site.config.limits)?;
        let opened = Box::new(spool.queue(queue)?);
        Ok(WayIn { site, queue, destination: Destination::Queue(spool, opened) })
    }

    /// The queue that it leads into, where it does not lead through `drop/`.
    pub fn queue(&self) -> Result<&SpoolQueue, Failure> {
        match &self.destination {
            Destination::Queue(_, queue) => Ok(queue),
            Destination::Drop(_) => Err(Refused::NotByDrop.into()),
        }
    }

    /// Hands one message in. When this returns, it would survive a power cut.
    pub fn single(&self, submission: Submission, input: &mut impl BufRead) -> Result<Accepted, Failure> {
        let limits = &self.site.config.limits;
        match &self.destination {
            Destination::Queue(_, queue) => accept::single(queue, limits, submission, input),
            Destination::Drop(folder) => {
                accept::check_time(submission.at, &self.site.config.drop)?;
                let (draft, accepted) = accept::to_drop(folder, self.queue, limits, submission, input)?;
                let id = draft.link()?.sync()?;
                Ok(Accepted { id, ..accepted })
            }
        }
    }

    /// Refuses where the disk is nearly full.
    pub fn check_room(&self) -> Result<(), Failure> {
        let free = match &self.destination {
            Destination::Queue(spool, _) => spool.free_space()?,
            Destination::Drop(folder) => folder.free_space()?,
        };
        accept::check_room(free, &self.site.config.limits)
    }

    /// Begins a batch of messages, with the id that the batch before it gave or a new one, and refuses where the disk is
    /// nearly full.
    pub fn batch(&self, id: Option<EntryId>) -> Result<IntakeBatch<'_>, Failure> {
        self.check_room()?;
        match &self.destination {
            Destination::Queue(_, queue) => Ok(IntakeBatch::Batch(queue, queue.batch(id)?)),
            Destination::Drop(folder) => Ok(IntakeBatch::Drop(folder, self.queue, Vec::new())),
        }
    }

    /// A file without a name on the spool's disk, for what is read more than once.
    pub fn scratch(&self) -> Result<File, QueueError> {
        match &self.destination {
            Destination::Queue(_, queue) => queue.scratch(),
            Destination::Drop(folder) => folder.scratch(),
        }
    }

    /// What a failure to write there is.
    pub fn failed(&self, source: io::Error) -> QueueError {
        QueueError::Io { doing: "write a new entry", path: self.site.spool.clone(), source }
    }

    /// Says on a terminal what keeps the user's mail waiting, where he does not know it: see [`host::say_unrun`] and
    /// [`host::say_left_behind`].
    pub fn remind(&self) {
        match &self.destination {
            Destination::Queue(spool, queue) => host::say_unrun(self.site, spool, queue),
            Destination::Drop(_) => {}
        }
        host::say_left_behind(self.site);
    }

    /// Starts a run of the queue that nobody waits for, if its configuration asks for one. What it says is said by the next
    /// launch. Without it the mail waits for that launch, so what fails here is not said at all.
    pub fn kick(&self) -> Option<Child> {
        let wanted = self.site.config.queues.get(self.queue).is_some_and(|queue| queue.kick);
        let Destination::Queue(_, queue) = &self.destination else { return None };
        if !wanted {
            return None;
        }
        let words = queue.open_unreported().ok()?;
        let mut run = Command::new("/proc/self/exe");
        run.arg("--spool").arg(&self.site.spool);
        if let Some(file) = &self.site.file {
            run.arg("--config").arg(file);
        }
        run.args(["run", "--queue", self.queue]).current_dir("/");
        run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words).process_group(0);
        run.spawn().ok()
    }
}

/// Whether the spool is there and the running user's.
fn owns(site: &Site) -> bool {
    site.spool.metadata().is_ok_and(|spool| spool.uid() == process::effective_uid())
}

/// Without a drop folder root hands in as the spool's owner, who could not read root's files.
fn become_owner(site: &Site) -> Result<(), QueueError> {
    let Ok(spool) = site.spool.metadata() else { return Ok(()) };
    let failed = |source| QueueError::Io { doing: "become the owner of", path: site.spool.clone(), source };
    nss::become_user(spool.uid(), spool.gid()).map_err(failed)
}

/// A refusal in words for whoever hands mail in.
fn unqueued(error: QueueError) -> QueueError {
    match error {
        QueueError::NotYet { path, why } => QueueError::NotYet { path, why: format!("{why}; nothing was queued") },
        QueueError::Shut { path, why } => QueueError::Shut { path, why: format!("{why}; nothing was queued") },
        other => other,
    }
}

/// Opens the spool, and makes it where it is missing. The host's is root's to make, with its drop folder.
fn create(site: &Site) -> Result<Spool, QueueError> {
    if site.spool_is_hosts && !process::is_root() && site.spool.symlink_metadata().is_err() {
        return Err(unqueued(access::refused(access::no_spool(&site.spool))));
    }
    host::make_drop(site)?;
    Spool::create(&site.spool)
}
