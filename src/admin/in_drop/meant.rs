//! For whom a file in `drop/` is, and what its adopter would say of it.

use std::ffi::OsStr;

use crate::config::{self, Config, Site};
use crate::intake::{Refused, adopt};
use crate::queue::QueueError;
use crate::spool::drop::{DropFile, DropView, Dropped, Unfit};
use crate::sys::output::warning;

/// For whom a name in `drop/` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant<'f> {
    /// A queue of the configuration, whose run looks at it.
    Queue(&'f str),
    /// A queue that the configuration does not have: no run takes it.
    Unknown(&'f str),
    /// Nobody: it is no drop file at all.
    Nobody,
}

/// The site's drop folder, if it has one. One that its owner alone may list is said, and keeps no command from its work.
pub fn drop_view(site: &Site) -> anyhow::Result<Option<DropView>> {
    match DropView::open(&site.spool) {
        Err(shut @ QueueError::Shut { .. }) => {
            warning!("{shut}");
            Ok(None)
        }
        other => Ok(other?),
    }
}

/// For whom a file is, by its name alone.
pub fn meant<'f>(config: &Config, file: &'f DropFile) -> Meant<'f> {
    match file.queue.as_deref() {
        Some(queue) if config.queues.contains_key(queue) => Meant::Queue(queue),
        Some(queue) if file.regular && file.is_well_formed() && config::is_queue_name(queue) => Meant::Unknown(queue),
        Some(_) | None => Meant::Nobody,
    }
}

/// Opens a file as its adopter will, with the bounds that can be known before its message is read. `None` if it is gone.
pub fn open(view: &DropView, name: &OsStr, config: &Config) -> Result<Option<Dropped>, Unfit> {
    let Some(dropped) = view.open_file(name, config.limits.recipients)? else { return Ok(None) };
    let unfit = |refused: Refused| Unfit { why: refused.to_string(), changed: dropped.changed, uid: Some(dropped.uid) };
    adopt::check(&dropped, &config.limits, &config.drop).map_err(unfit)?;
    Ok(Some(dropped))
}
