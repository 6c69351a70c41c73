//! What keeps mail from waiting where nobody looks: the host's folders are made before root becomes the spool's owner, and a
//! user whose mail waits in a spool that nothing runs is told so, on a terminal.

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use crate::config::Site;
use crate::model::Micros;
use crate::queue::QueueError;
use crate::spool::drop::access;
use crate::spool::{Spool, SpoolQueue, host};
use crate::sys::output::warning;
use crate::sys::{clock, nss, process};

/// The service's user, where a host has one.
const SERVICE: &str = "bulkmailer";

/// Has root make the host's spool with its drop folder, and what the host's Maildir lies in for the spool's owner. Nothing
/// happens for anybody else and in any other spool.
///
/// Errors: the spool cannot be made. Without a place for its Maildir the sink is down, which is reported.
pub fn make(site: &Site) -> Result<(), QueueError> {
    if !site.spool_is_hosts || !process::is_root() {
        return Ok(());
    }
    if site.spool.symlink_metadata().is_err() {
        host::make_spool(&site.spool, nss::ids(SERVICE).unwrap_or((0, 0)))?;
    }
    let owner = site.spool.metadata().map(|spool| (spool.uid(), spool.gid()));
    let owner = owner.ok().filter(|(uid, _)| *uid != 0);
    if let (Some(owner), Some(folder)) = (owner, site.hosts_maildir().and_then(|maildir| maildir.parent())) {
        let _ = host::make_private(folder, owner);
    }
    Ok(())
}

/// Has the spool's owner make a drop folder that the host's spool lacks. Nothing happens for anybody else.
pub fn make_drop(site: &Site) -> Result<(), QueueError> {
    let ours = || site.spool.metadata().is_ok_and(|spool| spool.uid() == process::effective_uid());
    if site.spool_is_hosts && ours() { host::make_drop(&site.spool) } else { Ok(()) }
}

/// Refuses a user who would do the work of the host's spool: its owner does.
pub fn refuse_others(site: &Site) -> Result<(), QueueError> {
    if !site.spool_is_hosts || process::is_root() {
        return Ok(());
    }
    let owner = match site.spool.metadata() {
        Ok(spool) if spool.uid() == process::effective_uid() => return Ok(()),
        Ok(spool) => nss::user_name(spool.uid()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(access::refused(access::no_spool(&site.spool)));
        }
        Err(_) => "root".to_owned(),
    };
    let why = format!(
        "this host's mail is run by the spool's owner, {owner}: root's crontab launches 'bulkmailer run', \
         or root types it"
    );
    Err(QueueError::Shut { path: site.spool.clone(), why })
}

/// Says on a terminal that a user's own spool still has mail, where the host's is in use and no run will send it.
pub fn say_left_behind(site: &Site) {
    let Some(own) = site.own_spool.as_deref().filter(|own| site.spool_is_hosts && *own != site.spool) else { return };
    if !std::io::stderr().is_terminal() {
        return;
    }
    let has_mail = |spool: &Spool, name: &String| -> Option<bool> {
        let queue = spool.existing_queue(name).ok()??;
        Some(queue.survey(Micros(u64::MAX), 1).ok()?.oldest.is_some())
    };
    let Ok(Some(spool)) = Spool::open(own) else { return };
    if spool.queues().unwrap_or_default().iter().any(|name| has_mail(&spool, name) == Some(true)) {
        let at = own.display();
        warning!(
            "{at}: mail of yours is left in this spool, which nothing runs: 'bulkmailer --spool {at} run' sends it"
        );
    }
}

/// In the spool: that it was said.
const UNRUN: &str = ".unrun";

/// Says once, on a terminal, that nothing runs the user's own spool into which he has just handed mail. A spool that a run
/// has ever worked on, and one whose queue starts its own, need no such word.
pub fn say_unrun(site: &Site, spool: &Spool, queue: &SpoolQueue) {
    let kicks = site.config.queues.get(queue.name()).is_some_and(|queue| queue.kick);
    if !site.spool_is_own || kicks || !std::io::stderr().is_terminal() {
        return;
    }
    let was_run = queue.lock_file().and_then(|file| {
        file.metadata().map_err(|source| QueueError::Io { doing: "look at", path: queue.path("lock"), source })
    });
    let new = was_run.is_ok_and(|lock| lock.len() == 0);
    if !new || !spool.is_to_say(UNRUN, Duration::MAX, clock::now()) {
        return;
    }
    let program = std::env::current_exe().map_or_else(|_| "bulkmailer".to_owned(), |path| path.display().to_string());
    warning!(
        "{}: the mail waits here, and nothing runs this spool yet: type 'bulkmailer run' to send it now, \
         or add the line '* * * * * {program} run' with 'crontab -e'",
        spool.root().display()
    );
}
