//! How much waits in `drop/`, counted without opening what is not late.

use std::collections::BTreeMap;

use super::meant::{Meant, drop_view, meant, open};
use crate::config::Site;
use crate::model::Micros;
use crate::spool::drop::{DropFile, DropView, Waiting};
use crate::sys::clock;

/// What waits there, counted without opening anything.
#[derive(Debug, Default)]
pub struct DropCounts {
    /// For each queue of the configuration that something waits for.
    pub queues: BTreeMap<String, Waiting>,
    /// For queues that the configuration does not have, and the first of those.
    pub unknown: Waiting,
    pub unknown_queue: Option<String>,
    /// What is no mail.
    pub junk: u64,
}

/// Counts what waits in `drop/`, for all queues or for the one that was asked for. What waits for too long is opened.
pub fn count(site: &Site, asked: Option<&str>) -> anyhow::Result<DropCounts> {
    let (mut counts, now) = (DropCounts::default(), clock::now());
    let Some(view) = drop_view(site)? else { return Ok(counts) };
    for file in view.files()? {
        let file = file?;
        match meant(&site.config, &file) {
            Meant::Queue(queue) | Meant::Unknown(queue) if asked.is_some_and(|asked| asked != queue) => {}
            Meant::Queue(_) if file.is_request() => {}
            Meant::Queue(queue) if file.regular && !is_left(&view, &file, queue, site, now) => {
                counts.queues.entry(queue.to_owned()).or_default().add(&file);
            }
            Meant::Unknown(queue) => {
                counts.unknown.add(&file);
                counts.unknown_queue.get_or_insert_with(|| queue.to_owned());
            }
            Meant::Queue(_) | Meant::Nobody => counts.junk += u64::from(asked.is_none()),
        }
    }
    Ok(counts)
}

/// Whether a file that waits for too long can never be taken up: nobody else is opened, and it is no mail that is late.
fn is_left(view: &DropView, file: &DropFile, queue: &str, site: &Site, now: Micros) -> bool {
    let late = site.config.queues.get(queue).is_some_and(|queue| now.since(file.since) > queue.warn_after);
    late && open(view, &file.name, &site.config).is_err()
}

/// Says how many names are no mail.
pub fn junk_text(names: u64) -> String {
    let what = if names == 1 { "1 name in drop/ is".to_owned() } else { format!("{names} names in drop/ are") };
    format!("{what} no mail: see 'bulkmailer check'")
}

/// The number of files in `drop/`, in words.
pub fn files_text(files: u64) -> String {
    if files == 1 { "1 file in drop/".to_owned() } else { format!("{files} files in drop/") }
}
