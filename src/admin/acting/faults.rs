//! What a command at work could not do, as it is told: each entry once, though it is met in each pass; a job of a newer
//! program once for all its entries; and so many lines at most.

use std::collections::HashSet;

use crate::model::EntryId;
use crate::queue::QueueError;
use crate::sys::output::warning;

/// The most lines about what newer programs made, and about anything else.
const NEWER_LINES: usize = 10;
const OTHER_LINES: usize = 100;

/// The faults of one pass through a queue.
#[derive(Debug, Default)]
pub struct Faults {
    newer: Lines,
    other: Lines,
}

#[derive(Debug, Default)]
struct Lines {
    /// What there is a line about, of this pass or an earlier one.
    told: HashSet<String>,
    /// Entries of this pass, and those of them that no line is about.
    count: u64,
    untold: u64,
}

impl Lines {
    /// Counts an entry; whether a line about `what` is to be printed.
    fn add(&mut self, what: String, most: usize) -> bool {
        self.count += 1;
        if self.told.contains(&what) {
            return false;
        }
        if self.told.len() < most {
            return self.told.insert(what);
        }
        self.untold += 1;
        false
    }
}

impl Faults {
    /// Counts entry `id`, which `error` is about, and prints that.
    pub fn add(&mut self, id: &EntryId, error: &QueueError) {
        let is_new = match error {
            QueueError::Newer { path, .. } => self.newer.add(path.display().to_string(), NEWER_LINES),
            QueueError::Io { .. }
            | QueueError::Corrupt { .. }
            | QueueError::NotASpool { .. }
            | QueueError::NotYet { .. }
            | QueueError::Shut { .. }
            | QueueError::BatchFull(_) => self.other.add(id.to_string(), OTHER_LINES),
        };
        if is_new {
            warning!("{id}: {error}");
        }
    }

    /// The next pass begins: it counts all of them anew.
    pub fn begin_pass(&mut self) {
        for lines in [&mut self.newer, &mut self.other] {
            (lines.count, lines.untold) = (0, 0);
        }
    }

    /// Tells, after the last pass through the queue `name`, how many more there are; returns how many there are in all.
    pub fn end(self, name: &str) -> u64 {
        let more = |count: u64| if count == 1 { "1 more entry".to_owned() } else { format!("{count} more entries") };
        if self.newer.untold > 0 {
            warning!("{name}: {} of a newer bulkmailer left alone; see 'bulkmailer check'", more(self.newer.untold));
        }
        if self.other.untold > 0 {
            warning!("{name}: it could not be done to {}", more(self.other.untold));
        }
        self.newer.count + self.other.count
    }
}
