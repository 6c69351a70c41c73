//! Whose spool it is, and what is refused to all others.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::config::{ConfigError, Site};
use crate::queue::QueueError;
use crate::spool::drop::{self, DropFolder, access};
use crate::sys::{dir, nss, process};

/// What a user may not do in a spool that is another's.
#[derive(Debug, thiserror::Error)]
pub enum NotYours {
    #[error(
        "{}: this spool is {owner}'s: of your own mail in it 'bulkmailer list' tells you, and 'bulkmailer remove ID' \
         takes it back; for the rest ask {}", path.display(), whom(owner)
    )]
    Spool { path: PathBuf, owner: String },
    #[error("remove: this spool is {owner}'s: name entries of yours by their ids, as 'bulkmailer list' prints them")]
    ByIds { owner: String },
    #[error("{queue}: a run cannot tell you what waits of yours: {why}; tell {}", whom(owner))]
    Lists { queue: String, why: String, owner: String },
}

/// The user whose spool this is, where that is another and the running user may only hand mail in.
pub fn owner(site: &Site) -> Option<u32> {
    let (uid, owner) = (process::effective_uid(), site.spool.metadata().ok()?.uid());
    let closed = || dir::open(&site.spool).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
    let shared = || site.spool_is_hosts || drop::is_there(&site.spool);
    (uid != 0 && uid != owner && closed() && shared()).then_some(owner)
}

/// What keeps this user from handing mail in at all, for a command that would tell him of it.
pub fn refuse_closed(site: &Site) -> Result<(), QueueError> {
    if site.spool_is_hosts && !process::is_root() && site.spool.symlink_metadata().is_err() {
        return Err(access::refused(access::no_spool(&site.spool)));
    }
    if owner(site).is_some() { DropFolder::open(&site.spool, site.spool_is_hosts).map(|_| ()) } else { Ok(()) }
}

/// Who can help.
fn whom(owner: &str) -> String {
    if owner == "root" { owner.to_owned() } else { format!("{owner} or root") }
}

/// Refuses to go on in such a spool.
pub fn refuse(site: &Site) -> anyhow::Result<()> {
    refuse_closed(site)?;
    match owner(site) {
        Some(owner) => Err(NotYours::Spool { path: site.spool.clone(), owner: nss::user_name(owner) }.into()),
        None => Ok(()),
    }
}

/// The names of the queues that a command is about.
pub fn queue_names<'a>(site: &'a Site, asked: Option<&'a str>) -> anyhow::Result<Vec<&'a str>> {
    let known: Vec<&str> = site.config.queues.keys().map(String::as_str).collect();
    match asked {
        None => Ok(known),
        Some(name) if known.contains(&name) => Ok(vec![name]),
        Some(name) => Err(ConfigError::unknown_queue(name, &known).into()),
    }
}
