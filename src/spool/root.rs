//! The spool, opened: whether it is one, its queues, and the folders that all of them share.
//!
//! Kept true: `version` is a spool's last file and `wake` a queue's, each made when all before it is on disk; without it,
//! what is there is still being made.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::error::io_at;
use super::folders::NEW_DROP;
use super::queue::SpoolQueue;
use super::upgrade::{Formatted, is_under_way, upgrade};
use super::version;
use crate::model::reserved::{DROP, EVENTS, PACE, RESERVED, VERSION};
use crate::queue::QueueError;
use crate::sys::speed::apart::keep_apart;
use crate::sys::{dir, durable, fault};

/// An open spool.
#[derive(Debug)]
pub struct Spool {
    root: PathBuf,
    pub(super) dir: File,
    format: Formatted,
}

impl Spool {
    /// Opens the spool at `root` as it is, and makes it if there is nothing or an empty folder.
    ///
    /// Errors: it cannot be made or opened, it holds something else, or its format is newer.
    pub fn create(root: &Path) -> Result<Spool, QueueError> {
        let dir = match dir::open(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = std::fs::DirBuilder::new().recursive(true).create(root);
                made.map_err(io_at("make the spool", root.to_owned()))?;
                dir::open(root)
            }
            other => other,
        };
        let dir = dir.map_err(io_at("open the spool", root.to_owned()))?;
        let number = match version::read(&dir, root)? {
            Some(found) => found,
            None => make(&dir, root)?,
        };
        Ok(Spool { root: root.to_owned(), dir, format: Formatted::new(number) })
    }

    /// Upgrades a spool of an older format, if nothing is in the way; what is, [`Spool::says_why_older`] tells.
    pub fn upgraded(mut self) -> Result<Spool, QueueError> {
        if !self.format.is_current() {
            self.format = upgrade(&self.dir, &self.root, self.format.clone(), &|| self.queues())?;
        }
        Ok(self)
    }

    /// That the spool still has an older format, and why [`Spool::upgraded`] could not change that.
    pub fn says_why_older(&self) -> Option<String> {
        self.format.says_why_older()
    }

    /// Whether another process is upgrading the spool, and may have its queues' locks for an instant.
    pub fn is_being_upgraded(&self) -> Result<bool, QueueError> {
        is_under_way(&self.dir).map_err(io_at("look at the lock of", self.root.clone()))
    }

    /// Refuses the spool at `root` if a newer program made it. Any other fault of it is for whoever opens it.
    pub fn refuse_newer(root: &Path) -> Result<(), QueueError> {
        match Spool::open(root) {
            Err(newer @ QueueError::Newer { .. }) => Err(newer),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Opens the spool at `root` as it is; `None` if there is none yet.
    pub fn open(root: &Path) -> Result<Option<Spool>, QueueError> {
        let dir = match dir::open(root) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_at("open the spool", root.to_owned())(error)),
        };
        let found = version::read(&dir, root)?;
        Ok(found.map(|number| Spool { root: root.to_owned(), dir, format: Formatted::new(number) }))
    }

    /// The same folder, opened anew by its descriptor: see [`SpoolQueue::reopened`].
    pub fn reopened(&self) -> Result<Spool, QueueError> {
        let dir = dir::open_at(&self.dir, ".").map_err(io_at("open the spool", self.root.clone()))?;
        Ok(Spool { root: self.root.clone(), dir, format: self.format.clone() })
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
        Ok(Some(SpoolQueue::of(name, path, dir, wake, self.format.clone())))
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

/// Makes an empty folder a spool; the number that it has then. Of two that do so at once the faster one's number counts;
/// `version` comes last.
fn make(dir: &File, root: &Path) -> Result<u32, QueueError> {
    let failed = |error| io_at("make the spool", root.to_owned())(error);
    for name in dir::Names::open(dir, ".").map_err(failed)?.raw() {
        let name = name.map_err(failed)?.name.to_string_lossy().into_owned();
        if ![DROP, NEW_DROP, EVENTS, VERSION, "lost+found"].contains(&name.as_str())
            && !name.starts_with(version::SPARE)
        {
            // Somebody else may have made the spool since we looked.
            let why = "it is not empty and has no version file";
            return version::read(dir, root)?.ok_or_else(|| QueueError::NotASpool { path: root.to_owned(), why });
        }
    }
    let steps = || -> io::Result<()> {
        if dir::stat(dir, DROP)?.is_none() {
            std::fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        }
        dir::make(dir, EVENTS)?;
        version::make(dir)
    };
    steps().map_err(failed)?;
    version::read(dir, root)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::format::Newer;

    #[test]
    fn a_faster_makers_number_counts() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let dir = dir::open(temp.path()).expect("opened");
        std::fs::write(temp.path().join("version"), "1\n").expect("written");
        assert_eq!(make(&dir, temp.path()).expect("it is a spool"), 1);
        std::fs::write(temp.path().join("version"), "3\n").expect("written");
        assert!(matches!(make(&dir, temp.path()), Err(QueueError::Newer { .. })));
    }

    #[test]
    fn a_newer_spool_and_a_strange_folder_are_refused() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        Spool::create(temp.path()).expect("an empty folder becomes a spool");
        std::fs::write(temp.path().join("version"), "3\n").expect("written");
        assert!(matches!(
            Spool::create(temp.path()),
            Err(QueueError::Newer { newer: Newer::Number { found: 3, .. }, .. })
        ));
        let other = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(other.path().join("thesis.tex"), "x").expect("written");
        assert!(matches!(Spool::create(other.path()), Err(QueueError::NotASpool { .. })));
    }
}
