//! The host's own folders, made by whoever may: the spool with its `drop/` and what the Maildir lies in by root, a `drop/`
//! that is missing by the spool's owner.
//!
//! Each is built under a fixed name beside its place and renamed there, never over another. So any number of makers at
//! once, and a kill at any instant, leave either nothing that counts or all of it; what a killed maker left the next one
//! finishes. Whatever is there keeps its owner and its mode.
//!
//! Kept true: root makes nothing in a folder that another user may write in, and follows no link to what he made.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use super::error::io_at;
use super::folders::{DROP_MODE, NEW_DROP, OPEN_MODE};
use super::version;
use crate::model::reserved::DROP;
use crate::queue::QueueError;
use crate::sys::{dir, fault};

/// Has root make the spool at `root` with its drop folder, for the user and group `owner`. Nothing is done where there is
/// something.
///
/// Errors: its folder is not root's alone, or the disk refuses.
pub fn make_spool(root: &Path, owner: (u32, u32)) -> Result<(), QueueError> {
    build(root, &|new| {
        dir::make(new, DROP)?;
        hand_over(&dir::open_at(new, DROP)?, owner, DROP_MODE)?;
        fault::point("host.drop")?;
        hand_over(new, owner, OPEN_MODE)
    })
}

/// Has root make the private folder `path` for the user and group `owner`. Nothing is done where there is something.
///
/// Errors: as of [`make_spool`].
pub fn make_private(path: &Path, owner: (u32, u32)) -> Result<(), QueueError> {
    build(path, &|new| hand_over(new, owner, 0o700))
}

/// Makes the drop folder of the spool at `root`, which is the running user's, and lets others through to it. Nothing is
/// done where there is something, or no spool.
pub fn make_drop(root: &Path) -> Result<(), QueueError> {
    let failed = |error| io_at("make the drop folder of", root.to_owned())(error);
    let spool = match dir::open(root) {
        Ok(spool) => spool,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if dir::stat(&spool, DROP).map_err(failed)?.is_some() {
        return Ok(());
    }
    // A newer program's is left as it is.
    version::read(&spool, root)?;
    let steps = || -> io::Result<()> {
        dir::make(&spool, NEW_DROP)?;
        let meta = spool.metadata()?;
        hand_over(&dir::open_at(&spool, NEW_DROP)?, (meta.uid(), meta.gid()), DROP_MODE)?;
        fault::point("host.new_drop")?;
        if meta.mode() & 0o001 == 0 {
            spool.set_permissions(PermissionsExt::from_mode(meta.mode() & 0o7777 | 0o011))?;
        }
        place(&spool, NEW_DROP, DROP)
    };
    // Another maker was faster.
    let there = |_: &io::Error| root.join(DROP).symlink_metadata().is_ok();
    match steps() {
        Err(error) if !there(&error) => Err(failed(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Builds the folder `path` beside its place with `fill`, which may be called again on what a killed maker left.
fn build(path: &Path, fill: &dyn Fn(&File) -> io::Result<()>) -> Result<(), QueueError> {
    let is_there = || path.symlink_metadata().is_ok();
    if is_there() {
        return Ok(());
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let new = format!(".{name}.new");
    let steps = || -> io::Result<()> {
        let parent = trusted(parent)?;
        dir::make(&parent, &new)?;
        let folder = dir::open_at(&parent, &new)?;
        fault::point("host.made")?;
        fill(&folder)?;
        folder.sync_all()?;
        fault::point("host.filled")?;
        place(&parent, &new, name)
    };
    match steps() {
        // Another maker was faster.
        Err(error) if !is_there() => Err(io_at("make", path.to_owned())(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Gives what was built its name. Where another maker was faster, it is removed.
fn place(parent: &File, new: &str, name: &str) -> io::Result<()> {
    match dir::rename_new(parent, new, name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            dir::remove(parent, &format!("{new}/{DROP}"))?;
            dir::remove(parent, new)?;
        }
        other => other?,
    }
    fault::point("host.placed")?;
    parent.sync_all()
}

/// Owner first: a change of owner may take bits of the mode away.
fn hand_over(folder: &File, (uid, gid): (u32, u32), mode: u32) -> io::Result<()> {
    let meta = folder.metadata()?;
    if (meta.uid(), meta.gid()) != (uid, gid) {
        fchown(folder, Some(uid), Some(gid))?;
    }
    folder.set_permissions(PermissionsExt::from_mode(mode))
}

/// Opens a folder of root's that only root may write in, and makes it, for all to read, where it is missing.
fn trusted(path: &Path) -> io::Result<File> {
    let folder = match dir::open(path) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = path.parent().zip(path.file_name().and_then(|name| name.to_str()));
            let Some((above, name)) = above else { return Err(error) };
            let above = trusted(above)?;
            if dir::make(&above, name)? {
                dir::open_at(&above, name)?.set_permissions(PermissionsExt::from_mode(0o755))?;
            }
            dir::open_at(&above, name)?
        }
        Err(error) => return Err(error),
    };
    let meta = folder.metadata()?;
    if meta.uid() != 0 || meta.mode() & 0o022 != 0 {
        let at = path.display();
        return Err(io::Error::other(format!(
            "others than root could change what is made in {at}: 'chown root {at}' and 'chmod go-w {at}'"
        )));
    }
    Ok(folder)
}
