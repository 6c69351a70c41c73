//! One queue of an open spool: its folder, what a process remembers of it, and what all that is done in it begins with.
//!
//! Kept true: folders are made mode 0700 and on disk before anything in them counts.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::error::io_at;
use super::freshness::Freshness;
use super::merge::off_limits::OffLimits;
use super::merge::template::Templates;
use super::merge::waiting::Waiting;
use super::open_job::OpenJob;
use super::order::Order;
use super::quiet::Quiet;
use super::syncs::{BegunSync, Syncs};
use super::upgrade::Formatted;
use crate::model::Envelope;
use crate::queue::QueueError;
use crate::sys::speed::closer::Closer;
use crate::sys::{dir, durable};

/// One queue of an open spool.
#[derive(Debug)]
pub struct SpoolQueue {
    name: String,
    path: PathBuf,
    pub(super) dir: File,
    /// What may be written here.
    format: Formatted,
    /// A due time further off than this is the work of a clock that was wrong, and counts as due.
    pub(super) horizon: Duration,
    /// Every hand-over is announced in a journal, and the announcement synced.
    pub(super) announces: bool,
    /// Journals whose entries are gone, to be removed once that is durable.
    pub(super) untidy: Mutex<Vec<String>>,
    /// The file whose time says when to look again (see [`SpoolQueue::wake`]), held open: a look at it finds no path.
    pub(super) wake: File,
    /// The last look whether the queue is stopped.
    pub(super) seen_stopped: Mutex<Option<(Freshness, bool)>>,
    /// Which folders hold nothing that is due.
    pub(super) quiet: Quiet,
    /// The templates of the last merges.
    pub(super) templates: Templates,
    /// Heads of merges whose rows are all closed.
    pub(super) waiting: Waiting,
    /// Closes entries that are delivered and unlinked.
    pub(super) closer: Closer,
    /// Memory in which a small entry was read, for the next one.
    pub(super) spare: Mutex<Vec<u8>>,
    /// The job of the entry that was claimed last.
    pub(super) last_job: Mutex<Option<Arc<OpenJob>>>,
    pub(super) contended: AtomicU64,
    /// In which order entries are handed out, once that is known.
    order: OnceLock<Order>,
    /// The syncs that the supervisor makes, if there is one.
    pub(super) syncs: OnceLock<Syncs>,
}

impl SpoolQueue {
    /// The queue in the folder `dir`, whose file `wake` this is.
    pub(super) fn of(name: &str, path: PathBuf, dir: File, wake: File, format: Formatted) -> SpoolQueue {
        SpoolQueue {
            name: name.to_owned(),
            path,
            dir,
            format,
            horizon: Duration::MAX,
            announces: false,
            untidy: Mutex::default(),
            wake,
            quiet: Quiet::default(),
            seen_stopped: Mutex::default(),
            spare: Mutex::default(),
            templates: Templates::default(),
            waiting: Waiting::default(),
            closer: Closer::default(),
            last_job: Mutex::default(),
            contended: AtomicU64::new(0),
            order: OnceLock::new(),
            syncs: OnceLock::new(),
        }
    }

    /// Sets how far off a due time may lie before it counts as the work of a wrong clock.
    pub fn with_horizon(self, horizon: Duration) -> SpoolQueue {
        SpoolQueue { horizon, quiet: Quiet::within(horizon), ..self }
    }

    /// Sets whether every hand-over is announced on disk before it begins, so that a crash leaves no doubt which began.
    pub fn announcing(mut self, announces: bool) -> SpoolQueue {
        self.announces = announces;
        self
    }

    /// Where no file lies that a row of a merge attaches.
    pub fn off_limits(&self) -> io::Result<OffLimits> {
        OffLimits::of_queue(&self.dir)
    }

    /// Has `workers` workers hand its entries out in order, and know of our syncs, those that are forked from now on.
    pub fn share_order(&self, workers: usize) -> Result<(), QueueError> {
        if self.order.get().is_none() {
            let order = Order::new(workers).map_err(self.failed("map memory for", ""))?;
            // Another thread may have set it, to the same effect.
            let _ = self.order.set(order);
            let syncs = Syncs::new().map_err(self.failed("map memory for", ""))?;
            let _ = self.syncs.set(syncs);
        }
        Ok(())
    }

    /// The order, as this worker sees it; without others it is the only one.
    pub(super) fn order(&self) -> Result<Order, QueueError> {
        self.share_order(1)?;
        // It was set just now, or before.
        self.order.get().copied().ok_or_else(|| self.failed("map memory for", "")(io::ErrorKind::OutOfMemory.into()))
    }

    /// Takes note that the worker number `index` has ended or `died`; what it still had in hand is due again.
    pub fn worker_ended(&self, index: usize, died: bool) {
        self.order.get().iter().for_each(|order| order.forget(index, died));
    }

    /// Has workers read the names anew soon: entries came, or were let go, that are due since before others.
    pub fn look_again(&self) {
        self.order.get().iter().for_each(|order| order.look_again());
    }

    /// The same folder, opened anew by its descriptor, for the worker number `index`, which was forked. It shares no
    /// description with this one, follows the folder wherever it was moved, and begins with what this one has seen.
    pub fn reopened(&self, index: usize) -> Result<SpoolQueue, QueueError> {
        let dir = dir::open_at(&self.dir, ".").map_err(self.failed("open the queue", ""))?;
        let wake = dir::open_file(&dir, "wake", dir::Open::Read).map_err(self.failed("open", "wake"))?;
        Ok(SpoolQueue {
            horizon: self.horizon,
            announces: self.announces,
            quiet: self.quiet.copy(),
            order: self.order.get().map(|order| order.of_worker(index)).map(OnceLock::from).unwrap_or_default(),
            syncs: self.syncs.get().copied().map(OnceLock::from).unwrap_or_default(),
            ..SpoolQueue::of(&self.name, self.path.clone(), dir, wake, self.format.clone())
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where something in this queue lies, for messages.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.path.join(inside)
    }

    /// Refuses an envelope that the spool's format has no place for.
    pub(super) fn may_have(&self, envelope: &Envelope) -> Result<(), QueueError> {
        match self.format.lacks_fields() {
            Some(why) if !envelope.fields.is_empty() => Err(QueueError::NotYet { path: self.path.clone(), why }),
            Some(_) | None => Ok(()),
        }
    }

    /// An `io::Error` as one about `inside`; nothing is made of that before there is one.
    pub(super) fn failed(&self, doing: &'static str, inside: &str) -> impl FnOnce(io::Error) -> QueueError {
        move |error| io_at(doing, self.path(inside))(error)
    }

    /// Makes a folder that is made on demand, durably.
    pub(super) fn ensure_folder(&self, folder: &str) -> io::Result<()> {
        make_folder(&self.dir, folder)
    }

    /// The names in a folder; none if it is not there.
    pub(super) fn names(&self, path: &str) -> io::Result<impl Iterator<Item = io::Result<String>> + use<>> {
        match dir::Names::open(&self.dir, path) {
            Ok(names) => Ok(Some(names).into_iter().flatten()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
            Err(error) => Err(error),
        }
    }

    /// Whether a folder is empty, or not there.
    pub fn is_without(&self, folder: &str) -> bool {
        self.names(folder).is_ok_and(|mut names| names.next().is_none())
    }

    /// Opens the file at `path`, and makes it and its folders where they are missing.
    pub(super) fn open_made(&self, path: &str, how: dir::Open) -> io::Result<File> {
        match dir::open_file(&self.dir, path, how) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        for (at, _) in path.match_indices('/') {
            self.ensure_folder(&path[..at])?;
        }
        dir::open_file(&self.dir, path, how)
    }

    /// Notes that a sync begins that workers may wait for; with [`SpoolQueue::sync_ended`] what came of it.
    pub fn sync_begins(&self) -> Option<BegunSync> {
        self.syncs.get().map(|syncs| syncs.begin())
    }

    /// How many of those have begun.
    pub(super) fn syncs_begun(&self) -> u64 {
        self.syncs.get().map_or(0, |syncs| syncs.begun())
    }

    /// Whether a sync has failed since `begun` of them had begun: what was written since then may not be on disk.
    pub(super) fn sync_has_failed(&self, begun: u64) -> bool {
        self.syncs.get().is_some_and(|syncs| syncs.has_failed(begun))
    }

    /// See [`SpoolQueue::sync_begins`].
    pub fn sync_ended(&self, sync: Option<BegunSync>, succeeded: bool) {
        if let Some((syncs, sync)) = self.syncs.get().zip(sync) {
            syncs.end(sync, succeeded);
        }
    }

    /// Waits until everything that was settled is on disk. A failure is noted for those who wait for a sync.
    pub fn sync(&self) -> Result<(), QueueError> {
        let synced = durable::sync_file_system(&self.dir);
        if synced.is_err() {
            self.sync_ended(self.sync_begins(), false);
        }
        synced.map_err(self.failed("sync", ""))
    }
}

/// Makes the folder `folder` in `dir_fd`, durably, if it is missing.
pub(super) fn make_folder(dir_fd: &File, folder: &str) -> io::Result<()> {
    if dir::stat(dir_fd, folder)?.is_some() {
        return Ok(());
    }
    let parent = folder.rsplit_once('/').map_or(".", |(parent, _)| parent);
    let made = match dir::make(dir_fd, folder) {
        // The last entry of a job has left its ready/, and comes back.
        Err(error) if error.kind() == io::ErrorKind::NotFound && (parent == "ready" || parent.ends_with("/ready")) => {
            dir::make(dir_fd, parent)?;
            dir::make(dir_fd, folder)?
        }
        other => other?,
    };
    if made {
        durable::sync_dir(dir_fd, parent)?;
    }
    Ok(())
}
