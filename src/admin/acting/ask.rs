//! The question before something is done to more than one entry.

use crate::model::Exit;
use crate::sys::ask;

/// Asks before `verb` is done to this many entries; the status to end with, if it is not to be done.
pub fn about(verb: &str, entries: u64) -> anyhow::Result<Option<Exit>> {
    let unasked = format!("{verb}: this is about more than one entry: add --yes, or look first with --dry-run");
    Ok(ask::refused(&format!("{verb} {entries} entries?"), &unasked)?)
}
