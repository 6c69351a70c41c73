//! Whether other users can hand mail in through `drop/`, and what keeps them from it, each with the command that mends it:
//! one list for the user whose mail is refused, for `check`, `config check` and a run.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::model::reserved::DROP;
use crate::queue::QueueError;
use crate::spool::error::io_at;
use crate::spool::folders::{DROP_MODE, OPEN_MODE};
use crate::sys::{dir, nss, process};

/// What makes the host's folders, for messages.
const MAKE: &str = "type 'bulkmailer check --repair' as root";

/// What keeps other users from handing mail in, and the command that mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub path: PathBuf,
    pub what: String,
    /// The folder is not there yet.
    missing: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}

/// The fault of a host's spool that does not exist.
pub fn no_spool(root: &Path) -> Fault {
    let what = format!("the spool of this host is not made yet: {MAKE}");
    Fault { path: root.to_owned(), what, missing: true }
}

/// The faults of the spool at `root`. One that is not there has none, and one that is not the host's needs no `drop/`.
pub fn faults(root: &Path, is_hosts: bool) -> io::Result<Vec<Fault>> {
    let lacks_drop = || root.join(DROP).symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    if !is_hosts && lacks_drop() {
        return Ok(Vec::new());
    }
    let found = match dir::open_path(root) {
        Ok(dir) => look(&dir, root, is_hosts)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(found.into_iter().filter(|fault| is_hosts || !fault.missing).collect())
}

/// The faults of the spool `dir`, which lies at `root`; one without `drop/` has that fault alone.
fn look(dir: &File, root: &Path, is_hosts: bool) -> io::Result<Vec<Fault>> {
    let spool = dir.metadata()?;
    let path = root.join(DROP);
    let at = path.display();
    // A look-up of a user may start a program: only for a fault.
    let owner = || (nss::user_name(spool.uid()), spool.gid());
    let install = || {
        let (user, group) = owner();
        format!("install -d -o {user} -g {group} -m {DROP_MODE:o} {at}")
    };
    let fault = |path: &Path, what: String, missing: bool| Fault { path: path.to_owned(), what, missing };
    let closed = (spool.mode() & 0o001 == 0).then(|| {
        let what =
            format!("other users cannot get to its {DROP}/: type 'chmod {OPEN_MODE:o} {}' as root", root.display());
        fault(root, what, false)
    });
    let drop = match dir::stat(dir, DROP) {
        Ok(Some(drop)) => drop,
        Ok(None) if is_hosts => return Ok(vec![fault(&path, format!("there is no such folder yet: {MAKE}"), true)]),
        Ok(None) => {
            let (root, install) = (root.display(), install());
            let what =
                format!("there is no such folder yet: type '{install}' and 'chmod {OPEN_MODE:o} {root}' as root");
            return Ok(vec![fault(&path, what, true)]);
        }
        // What cannot be looked at is behind a spool that is closed.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && closed.is_some() => {
            return Ok(closed.into_iter().collect());
        }
        Err(error) => return Err(error),
    };
    if drop.st_mode & 0o170_000 != 0o040_000 {
        let what = format!("this is no folder: type 'mv {at} {at}.old && {}' as root", install());
        return Ok(vec![fault(&path, what, false)]);
    }
    let (mode, mut found) = (drop.st_mode & 0o7777, Vec::new());
    if (drop.st_uid, drop.st_gid) != (spool.uid(), spool.gid()) {
        let (user, group) = owner();
        let what = format!("must have the owner and group of the spool: type 'chown {user}:{group} {at}' as root");
        found.push(fault(&path, what, false));
    }
    if mode != DROP_MODE {
        let what =
            format!("has mode {mode:o}, and other users need {DROP_MODE:o}: type 'chmod {DROP_MODE:o} {at}' as root");
        found.push(fault(&path, what, false));
    }
    found.extend(closed);
    Ok(found)
}

/// Refuses a user's mail where something keeps him from handing it in.
pub(super) fn refuse(dir: &File, root: &Path, is_hosts: bool) -> Result<(), QueueError> {
    let found = look(dir, root, is_hosts).map_err(io_at("look at the drop folder of", root.to_owned()))?;
    match found.split_first() {
        None => Ok(()),
        Some((first, rest)) => {
            let mut why = first.what.clone();
            rest.iter().for_each(|fault| why.push_str(&format!("; {fault}")));
            Err(refused(Fault { what: why, ..first.clone() }))
        }
    }
}

/// What a user is told whose mail cannot be taken: to try again (75) where the folder will be made.
pub fn refused(fault: Fault) -> QueueError {
    let Fault { path, what: why, missing } = fault;
    match missing {
        true => QueueError::NotYet { path, why },
        false => QueueError::Shut { path, why },
    }
}

/// Why the drop folder cannot be listed: what is wrong with it, if that is known.
pub(super) fn unlisted(dir: &File, root: &Path, error: io::Error) -> QueueError {
    match look(dir, root, true).map(|found| found.into_iter().next()) {
        Ok(Some(Fault { path, what, .. })) => QueueError::Shut { path, why: what },
        Ok(None) | Err(_) => io_at("list", root.join(DROP))(error),
    }
}

/// Mends the modes, as the spool's owner, and returns what is left.
pub fn mend(root: &Path, is_hosts: bool) -> io::Result<Vec<Fault>> {
    let dir = match dir::open(root) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let drop = dir::stat(&dir, DROP)?.filter(|drop| drop.st_mode & 0o170_000 == 0o040_000);
    if let Some(drop) = drop.filter(|_| dir.metadata().is_ok_and(|spool| spool.uid() == process::effective_uid())) {
        let spool = dir.metadata()?;
        if drop.st_mode & 0o7777 != DROP_MODE && drop.st_uid == spool.uid() {
            dir::open_at(&dir, DROP)?.set_permissions(PermissionsExt::from_mode(DROP_MODE))?;
        }
        if spool.mode() & 0o001 == 0 {
            dir.set_permissions(PermissionsExt::from_mode(OPEN_MODE))?;
        }
    }
    faults(root, is_hosts)
}
