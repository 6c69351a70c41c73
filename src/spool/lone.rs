//! Journals whose entry is in no state: it was settled, and its worker killed before it tidied up.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::names::{EntryName, State};
use super::queue::SpoolQueue;
use crate::model::EntryId;
use crate::queue::QueueError;
use crate::sys::dir;

/// A journal whose entry is nowhere.
pub(super) struct Lone {
    pub path: String,
    /// It closes every recipient.
    pub closed: bool,
    /// How long it has not changed.
    pub age: Duration,
}

impl Lone {
    pub fn closed(self) -> Option<String> {
        self.closed.then_some(self.path)
    }
}

impl SpoolQueue {
    /// Journals whose entry is in no state.
    pub(super) fn lone_journals(&self) -> Result<Vec<Lone>, QueueError> {
        let mut lone = Vec::new();
        for bucket in 0..=u8::MAX {
            let states = State::ALL.map(|state| format!("{}/{bucket:02x}", state.name()));
            self.lone_in(&format!("journal/{bucket:02x}"), &states, &mut lone)?;
        }
        for job in self.names("jobs").map_err(self.failed("list", "jobs"))?.flatten() {
            if self.newer_job(&format!("jobs/{job}")).is_some() {
                continue;
            }
            let ready = format!("jobs/{job}/ready");
            let mut states = vec![format!("jobs/{job}/hold"), format!("jobs/{job}/failed")];
            let folders = self.names(&ready).map_err(self.failed("list", &ready))?;
            states.extend(folders.flatten().map(|n| format!("{ready}/{n}")));
            self.lone_in(&format!("jobs/{job}/journal"), &states, &mut lone)?;
        }
        Ok(lone)
    }

    /// The lone ones among the journals of one folder, whose entries would lie in `states`. One folder's ids are in
    /// memory at a time. A journal is looked for before its entry, and what seems alone is looked up once more: a
    /// listing can miss a name that is being renamed.
    fn lone_in(&self, journals: &str, states: &[String], lone: &mut Vec<Lone>) -> Result<(), QueueError> {
        let failed = || self.failed("list", journals);
        let id_of = |name: &str| name.strip_suffix(".log").and_then(|id| id.parse::<EntryId>().ok());
        let mut ids: HashSet<EntryId> =
            self.names(journals).map_err(failed())?.flatten().filter_map(|name| id_of(&name)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        for state in states {
            for name in self.names(state).map_err(failed())?.flatten() {
                if let Some(name) = EntryName::parse(&name) {
                    ids.remove(&name.id);
                }
            }
        }
        for id in ids {
            // A file in corrupt/ needs its journal when a person has mended it.
            let corrupt = |name: String| name.contains(id.as_str());
            if self.locate(&id)?.is_some() || self.names("corrupt").map_err(failed())?.flatten().any(corrupt) {
                continue;
            }
            let closed = match self.history(&id, 0, &mut |_| {}) {
                Ok(history) => history.all_closed(),
                // One that cannot be read is reported like an open one, and is nobody's to remove.
                Err(_) => false,
            };
            let path = format!("{journals}/{id}.log");
            // Looked at last: where it is gone by now, its worker has tidied up meanwhile.
            if let Some(stat) = dir::stat(&self.dir, &path).map_err(failed())? {
                let changed = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
                let age = SystemTime::now().duration_since(UNIX_EPOCH + changed).unwrap_or_default();
                lone.push(Lone { path, closed, age });
            }
        }
        Ok(())
    }
}
