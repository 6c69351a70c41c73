//! The spool, opened: whether it is one, its queues, and the folders that all of them share.
//!
//! Kept true: `version` is a spool's last file and `wake` a queue's, each made when all before it is on disk; without it,
//! what is there is still being made.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::io_at;
use super::folders::NEW_DROP;
use super::queue::SpoolQueue;
use crate::model::reserved::{DROP, EVENTS, PACE, RESERVED, VERSION};
use crate::queue::QueueError;
use crate::sys::speed::apart::keep_apart;
use crate::sys::{dir, durable, fault, nss};

/// The layout that this program writes. A spool with a newer one is refused.
pub const FORMAT: u32 = 1;

/// An open spool.
#[derive(Debug)]
pub struct Spool {
    root: PathBuf,
    pub(super) dir: File,
}

impl Spool {
    /// Opens the spool at `root`, and makes it if there is nothing or an empty folder.
    ///
    /// Errors: it cannot be made or opened, it holds something else, or its format is newer.
    pub fn create(root: &Path) -> Result<Spool, QueueError> {
        if let Err(error) = std::fs::DirBuilder::new().recursive(true).create(root) {
            return Err(io_at("make the spool", root.to_owned())(error));
        }
        let dir = dir::open(root).map_err(io_at("open the spool", root.to_owned()))?;
        let spool = Spool { root: root.to_owned(), dir };
        match spool.format()? {
            Some(found) => spool.refuse_newer(found)?,
            None => spool.make()?,
        }
        Ok(spool)
    }

    /// Opens the spool at `root`; `None` if there is none yet.
    pub fn open(root: &Path) -> Result<Option<Spool>, QueueError> {
        let dir = match dir::open(root) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_at("open the spool", root.to_owned())(error)),
        };
        let spool = Spool { root: root.to_owned(), dir };
        match spool.format()? {
            Some(found) => spool.refuse_newer(found).map(|()| Some(spool)),
            None => Ok(None),
        }
    }

    fn format(&self) -> Result<Option<u32>, QueueError> {
        let path = self.root.join(VERSION);
        let mut text = String::new();
        match dir::open_file(&self.dir, VERSION, dir::Open::Read) {
            Ok(file) => io::Read::read_to_string(&mut io::Read::take(file, 64), &mut text)
                .map_err(io_at("read the spool's version", path.clone()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                refuse_foreign(&self.dir, &self.root, &error)?;
                return Err(io_at("open the spool's version", path)(error));
            }
        };
        let why = "its version file holds no number";
        text.trim().parse().map(Some).map_err(|_| QueueError::NotASpool { path, why })
    }

    fn refuse_newer(&self, found: u32) -> Result<(), QueueError> {
        if found > FORMAT {
            return Err(QueueError::Newer { path: self.root.clone(), found, known: FORMAT });
        }
        Ok(())
    }

    /// Makes an empty folder a spool. Two who do so at once make the same one; `version` comes last.
    fn make(&self) -> Result<(), QueueError> {
        let failed = |error| io_at("make the spool", self.root.clone())(error);
        for name in dir::Names::open(&self.dir, ".").map_err(failed)?.raw() {
            let name = name.map_err(failed)?.name.to_string_lossy().into_owned();
            // `.version-` is what a killed maker leaves where files need a name.
            if ![DROP, NEW_DROP, EVENTS, VERSION, "lost+found"].contains(&name.as_str())
                && !name.starts_with(".version-")
            {
                // Somebody else may have made the spool since we looked.
                return match self.format()? {
                    Some(found) => self.refuse_newer(found),
                    None => {
                        let why = "it is not empty and has no version file";
                        Err(QueueError::NotASpool { path: self.root.clone(), why })
                    }
                };
            }
        }
        let steps = || -> io::Result<()> {
            if dir::stat(&self.dir, DROP)?.is_none() {
                std::fs::set_permissions(&self.root, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
            }
            dir::make(&self.dir, EVENTS)?;
            let new = durable::Unnamed::create(&self.dir, ".", &format!(".version-{}", std::process::id()))?;
            io::Write::write_all(&mut new.file(), format!("{FORMAT}\n").as_bytes())?;
            new.file().sync_all()?;
            fault::point("spool.version")?;
            match new.link(&self.dir, VERSION) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(_) | Err(_) => {}
            }
            self.dir.sync_all()
        };
        steps().map_err(failed)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the event files.
    pub fn events(&self) -> Result<File, QueueError> {
        let path = self.root.join(EVENTS);
        dir::make(&self.dir, EVENTS).map_err(io_at("make", path.clone()))?;
        dir::open_at(&self.dir, EVENTS).map_err(io_at("open", path))
    }

    /// The folder of what rates and sessions have left, for all queues.
    pub fn pace(&self) -> Result<File, QueueError> {
        let path = self.root.join(PACE);
        dir::make(&self.dir, PACE).map_err(io_at("make", path.clone()))?;
        dir::open_at(&self.dir, PACE).map_err(io_at("open", path))
    }

    /// The names of the queues that exist here.
    pub fn queues(&self) -> Result<Vec<String>, QueueError> {
        let failed = |error| io_at("list the spool", self.root.clone())(error);
        let mut found = Vec::new();
        for name in dir::Names::open(&self.dir, ".").map_err(failed)? {
            let name = name.map_err(failed)?;
            let there = |inside: &str| matches!(dir::stat(&self.dir, &format!("{name}/{inside}")), Ok(Some(_)));
            if !RESERVED.contains(&name.as_str()) && there("wake") && there("ready") {
                found.push(name);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Opens the queue `name`, and makes it if it is missing. `name` is a valid queue name (`config` sees to it).
    pub fn queue(&self, name: &str) -> Result<SpoolQueue, QueueError> {
        match self.existing_queue(name)? {
            Some(queue) => Ok(queue),
            None => {
                self.make_queue(name).map_err(io_at("make the queue", self.root.join(name)))?;
                let missing = || io_at("open the queue", self.root.join(name))(io::ErrorKind::NotFound.into());
                self.existing_queue(name)?.ok_or_else(missing)
            }
        }
    }

    /// Opens the queue `name` if it exists.
    pub fn existing_queue(&self, name: &str) -> Result<Option<SpoolQueue>, QueueError> {
        let path = self.root.join(name);
        // `wake` is made last: a queue without it is still being made.
        let wake = match dir::open_file(&self.dir, &format!("{name}/wake"), dir::Open::Read) {
            Ok(wake) => wake,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(io_at("look at the queue", path)(error)),
        };
        let dir = dir::open_at(&self.dir, name).map_err(io_at("open the queue", path.clone()))?;
        Ok(Some(SpoolQueue::of(name, path, dir, wake)))
    }

    fn make_queue(&self, name: &str) -> io::Result<()> {
        dir::make(&self.dir, name)?;
        for folder in ["tmp", "ready", "hold", "failed", "corrupt", "journal", "jobs"] {
            dir::make(&self.dir, &format!("{name}/{folder}"))?;
        }
        // Batches and jobs are built there.
        keep_apart(&dir::open_at(&self.dir, &format!("{name}/tmp"))?);
        for bucket in 0..=u8::MAX {
            dir::make(&self.dir, &format!("{name}/ready/{bucket:02x}"))?;
        }
        dir::open_file(&self.dir, &format!("{name}/lock"), dir::Open::Create)?;
        fault::point("queue.made")?;
        durable::sync_file_system(&self.dir)?;
        fault::point("queue.synced")?;
        dir::open_file(&self.dir, &format!("{name}/wake"), dir::Open::Create)?;
        durable::sync_dir(&self.dir, name)
    }

    /// Bytes that an unprivileged user may still write on the spool's file system.
    pub fn free_space(&self) -> Result<u64, QueueError> {
        fs2::available_space(&self.root).map_err(io_at("ask for the free space", self.root.clone()))
    }
}

/// Says what to type where the spool's folder was given to the running user, and what lies in it was not.
fn refuse_foreign(dir: &File, root: &Path, error: &io::Error) -> Result<(), QueueError> {
    let (Ok(spool), Ok(Some(inside))) = (dir.metadata(), dir::stat(dir, VERSION)) else { return Ok(()) };
    if error.kind() != io::ErrorKind::PermissionDenied || spool.uid() == inside.st_uid {
        return Ok(());
    }
    let (new, old) = (nss::user_name(spool.uid()), nss::user_name(inside.st_uid));
    let (group, at) = (inside.st_gid, root.display());
    let why = format!(
        "the folder was given to {new}, and what lies in it belongs to {old}: type 'chown {old}:{group} {at}' as root, to give it back"
    );
    Err(QueueError::Shut { path: root.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_spool_and_a_strange_folder_are_refused() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        Spool::create(temp.path()).expect("an empty folder becomes a spool");
        std::fs::write(temp.path().join("version"), "2\n").expect("written");
        assert!(matches!(Spool::create(temp.path()), Err(QueueError::Newer { found: 2, .. })));
        let other = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(other.path().join("thesis.tex"), "x").expect("written");
        assert!(matches!(Spool::create(other.path()), Err(QueueError::NotASpool { .. })));
    }
}
