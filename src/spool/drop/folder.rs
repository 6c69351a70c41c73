//! The drop folder as one sees it who may only write there: a file is made without a name, linked and synced.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::access;
use super::names::{self, keyed_id};
use crate::model::reserved::DROP;
use crate::model::{EntryId, Envelope, Micros};
use crate::queue::QueueError;
use crate::spool::error::io_at;
use crate::spool::names::EntryName;
use crate::spool::publish::Content;
use crate::sys::durable::Unnamed;
use crate::sys::{clock, dir, durable, fault, process};

/// The drop folder as one sees it who may only write there.
#[derive(Debug)]
pub struct DropFolder {
    root: PathBuf,
    pub(super) dir: File,
}

impl DropFolder {
    /// The way into the spool at `root` for a user who does not own it; `None` for its owner, who needs none, for root
    /// where there is no such folder, and where there is no spool. `is_hosts` says whose command makes a folder.
    ///
    /// Errors: others cannot hand mail in there yet, or its modes and owners keep them from it.
    pub fn open(root: &Path, is_hosts: bool) -> Result<Option<DropFolder>, QueueError> {
        let failed = |error| io_at("open the spool", root.to_owned())(error);
        let dir = match dir::open_path(root) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let ours = dir.metadata().map_err(failed)?.uid() == process::effective_uid();
        if ours || (process::is_root() && !is_drop(&dir).map_err(failed)?) {
            return Ok(None);
        }
        if !process::is_root() {
            access::refuse(&dir, root, is_hosts)?;
        }
        Ok(Some(DropFolder { root: root.to_owned(), dir }))
    }

    /// Bytes that an unprivileged user may still write there.
    pub fn free_space(&self) -> Result<u64, QueueError> {
        let path = self.root.join(DROP);
        fs2::available_space(&path).map_err(io_at("ask for the free space", path))
    }

    /// Starts a drop file for the queue `queue`, due at once or `at` a time. Nothing is visible until [`DropDraft::link`].
    pub fn draft(&self, queue: &str, at: Option<Micros>, envelope: &Envelope) -> Result<DropDraft<'_>, QueueError> {
        let start = || -> io::Result<Content<Unnamed>> {
            fault::point("drop.create")?;
            let file = Unnamed::create(&self.dir, DROP, &format!(".{}", envelope.id))?;
            Content::new(file, envelope)
        };
        let content = start().map_err(self.failed("write a new entry"))?;
        Ok(DropDraft { folder: self, queue: queue.to_owned(), at, id: envelope.id.clone(), content })
    }

    /// A file without a name, for what does not become a drop file as it is.
    pub fn scratch(&self) -> Result<File, QueueError> {
        let name = format!(".{}", EntryId::new(clock::now()));
        let make = || Unnamed::create(&self.dir, DROP, &name)?.nameless(&self.dir);
        make().map_err(self.failed("write a new entry"))
    }

    pub fn failed(&self, doing: &'static str) -> impl FnOnce(io::Error) -> QueueError + use<> {
        io_at(doing, self.root.join(DROP))
    }

    pub(super) fn unlink(&self, name: &str) {
        // The supervisor may have adopted it already.
        let _ = dir::unlink(&self.dir, name);
    }
}

/// A drop file being written. Dropped without [`DropDraft::link`], nothing has happened.
#[derive(Debug)]
pub struct DropDraft<'d> {
    folder: &'d DropFolder,
    queue: String,
    at: Option<Micros>,
    id: EntryId,
    content: Content<Unnamed>,
}

impl Write for DropDraft<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.content.push(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'d> DropDraft<'d> {
    /// Writes what is pending. Nobody sees the file before [`DropDraft::link`].
    pub fn finish(&mut self) -> Result<(), QueueError> {
        let readable = |content: &mut Content<Unnamed>| -> io::Result<()> {
            content.complete()?;
            fault::point("drop.written")?;
            content.file.file().set_permissions(PermissionsExt::from_mode(0o640))
        };
        readable(&mut self.content).map_err(self.folder.failed("write a new entry"))
    }

    /// Gives the finished file its name: from here on it may be adopted, and is accepted once [`LinkedFiles::sync`] has
    /// returned.
    pub fn link(self) -> Result<LinkedFiles<'d>, QueueError> {
        let folder = self.folder;
        // A name of its own, for the id of a key is that of each file with this key; made now, for it tells when.
        let unique = EntryId::new(clock::now());
        let name = match self.at {
            Some(due) => format!("{}.{}", self.queue, EntryName { due, at: true, id: unique, log: None }),
            None => format!("{}.{unique}", self.queue),
        };
        let path = format!("{DROP}/{name}");
        let file = self.content.file.link(&folder.dir, &path).map_err(folder.failed("link a new entry"))?;
        fault::instant("drop.linked");
        let meta = file.metadata().map_err(folder.failed("look at a new entry"))?;
        let id = keyed_id(meta.uid(), &self.id).unwrap_or_else(|| names::File::of(&meta, &name).id());
        Ok(LinkedFiles { folder, id, names: vec![path], file })
    }

    /// Throws the file away.
    pub fn discard(self) {
        self.content.file.discard(&self.folder.dir);
    }
}

/// One or more drop files that have their names.
#[derive(Debug)]
pub struct LinkedFiles<'d> {
    folder: &'d DropFolder,
    names: Vec<String>,
    /// The first of them.
    file: File,
    /// What the first one's entry will be called.
    pub id: EntryId,
}

impl LinkedFiles<'_> {
    /// Takes a later one along.
    pub fn add(&mut self, later: LinkedFiles<'_>) {
        self.names.extend(later.names);
    }

    /// Waits until all of them would survive a power cut.
    ///
    /// Errors: they may not, and the names were taken back, but for files that were adopted already.
    pub fn sync(self) -> Result<EntryId, QueueError> {
        let synced = fault::point("drop.sync").and_then(|()| durable::sync_file_system(&self.file));
        if let Err(error) = synced {
            let failed = self.folder.failed("sync")(error);
            self.take_back();
            return Err(failed);
        }
        Ok(self.id)
    }

    /// Removes them again, but for files that were adopted already.
    pub fn take_back(self) {
        self.names.iter().for_each(|name| self.folder.unlink(name));
    }
}

fn is_drop(root: &File) -> io::Result<bool> {
    Ok(dir::stat(root, DROP)?.is_some_and(|stat| stat.st_mode & 0o170_000 == 0o040_000))
}

/// Whether there is a drop folder in `root`, be it a spool already or not.
pub fn is_there(root: &Path) -> bool {
    root.join(DROP).symlink_metadata().is_ok_and(|drop| drop.is_dir())
}
