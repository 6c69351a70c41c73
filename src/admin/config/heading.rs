//! What both answers begin with: which spool and which file are in force, and which queues have no way out.

use serde_json::json;

use crate::config::Site;
use crate::sys::output::Page;

/// Which spool and which file, and why.
pub(super) fn heading(site: &Site, mark: &str) -> Page {
    let file = site.file.as_ref().map_or_else(|| "none".to_owned(), |file| file.display().to_string());
    let mut page = Page::of(format!("{mark}spool: {} ({})", site.spool.display(), site.spool_why));
    page.line(format!("{mark}file: {file} ({})", site.file_why));
    page
}

/// The same, for JSON: the spool, and the file.
pub(super) fn places_json(site: &Site) -> (serde_json::Value, serde_json::Value) {
    let spool = json!({ "path": site.spool.to_string_lossy(), "why": site.spool_why });
    let file = site.file.as_ref().map(|file| file.to_string_lossy());
    (spool, json!({ "path": file, "why": site.file_why }))
}

/// The queues whose mail has no way out, and why.
pub(super) fn stranded(site: &Site) -> impl Iterator<Item = (&String, String)> {
    site.config.queues.keys().filter_map(|queue| Some((queue, site.config.no_way_out(queue)?)))
}
