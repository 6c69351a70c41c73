//! `SPOOL/version`: the number of the spool's format, as text. It is a spool's last file to be made, and an upgrade's last to
//! be replaced.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use super::error::io_at;
use crate::model::format::Format;
use crate::model::reserved::VERSION;
use crate::queue::QueueError;
use crate::sys::{dir, durable, fault, nss};

/// What a killed maker leaves where files need a name begins with this.
pub(super) const SPARE: &str = ".version-";
/// The next number while it is written; one process writes it at a time.
const NEXT: &str = ".version-next";

/// The number of the spool in the folder `dir`, which lies at `root`; `None` if it is none yet.
///
/// Errors: what is there cannot be read, or it is newer than this program.
pub(super) fn read(dir: &File, root: &Path) -> Result<Option<u32>, QueueError> {
    let path = root.join(VERSION);
    let mut bytes = [0; 64];
    let len = match dir::open_file(dir, VERSION, dir::Open::Read) {
        // So few bytes come whole.
        Ok(mut file) => file.read(&mut bytes).map_err(io_at("read the spool's version", path.clone()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            refuse_foreign(dir, root, &error)?;
            return Err(io_at("open the spool's version", path)(error));
        }
    };
    let why = "its version file holds no number";
    let text = str::from_utf8(&bytes[..len]).unwrap_or_default();
    let found: u64 = text.trim().parse().map_err(|_| QueueError::NotASpool { path, why })?;
    match (Format::Spool.age(found), u32::try_from(found)) {
        (Ok(_), Ok(number)) => Ok(Some(number)),
        (Err(newer), _) => Err(QueueError::Newer { path: root.to_owned(), newer }),
        // No known number is so large.
        (Ok(_), Err(_)) => Err(QueueError::NotASpool { path: root.join(VERSION), why }),
    }
}

/// Makes the file of a new spool, unless another maker, perhaps of another version, was faster.
pub(super) fn make(dir: &File) -> io::Result<()> {
    let new = durable::Unnamed::create(dir, ".", &format!("{SPARE}{}", std::process::id()))?;
    new.file().write_all(text(Format::Spool.number()).as_bytes())?;
    new.file().sync_all()?;
    fault::point("spool.version")?;
    match new.link(dir, VERSION) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(_) | Err(_) => {}
    }
    dir.sync_all()
}

/// Writes the next number beside the file and on disk, for the same owner and with the same mode. What is there after an
/// error is for [`discard`]. The group is the folder's choice: nobody but the owner has anything from this file.
pub(super) fn prepare(dir: &File, number: u32) -> io::Result<()> {
    let old = dir::open_file(dir, VERSION, dir::Open::Read)?.metadata()?;
    let next = dir::open_file(dir, NEXT, dir::Open::Create)?;
    next.set_len(0)?;
    // Owner first: a change of owner may take bits of the mode away.
    if next.metadata()?.uid() != old.uid() {
        fchown(&next, Some(old.uid()), None)?;
    }
    next.set_permissions(PermissionsExt::from_mode(old.mode() & 0o7777))?;
    fault::point("upgrade.write")?;
    (&next).write_all(text(number).as_bytes())?;
    next.sync_all()
}

/// Puts the number that was prepared in the old one's place, in one step.
pub(super) fn replace(dir: &File) -> io::Result<()> {
    dir::rename_over(dir, NEXT, VERSION)
}

/// Removes the number that was prepared.
pub(super) fn discard(dir: &File) {
    // If this fails, the next upgrade writes over it.
    let _ = dir::unlink(dir, NEXT);
}

fn text(number: u32) -> String {
    format!("{number}\n")
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
