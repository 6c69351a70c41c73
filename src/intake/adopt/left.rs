//! What stays in `drop/`, and what is reported of it: kept in `<queue>/left` by whoever adopts, and reported by the run at
//! its end, in one line for all queues and all that is there. Nothing is decided here: see `adopt`, and
//! `spool::drop::adopter` for the file itself.
//!
//! What cannot be adopted is said once: how new the newest of it was is noted. That a user has as much waiting as he may is
//! said once a day; that there is no room, by each run.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::Micros;
use crate::policy::reminder::{self, DAILY};
use crate::spool::SpoolQueue;
use crate::spool::drop::Unfit;
use crate::sys::output::{self, warning};
use crate::sys::{clock, nss};

/// The most files named in the line; the others are counted.
const NAMED_MAX: usize = 5;
/// The most users named who have reached their bound.
const USERS_MAX: usize = 20;
/// The most names remembered that cannot be looked at.
const UNSEEN_MAX: usize = 100;
/// The note's name.
const NOTE: &str = "left";

/// The note.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Left {
    /// When the newest changed of what cannot be adopted and was met.
    newest: (i64, i64),
    /// While that lies ahead, because the clock was set back: the newest of what was met and does not.
    back: Option<(i64, i64)>,
    /// Names that could not be looked at.
    unseen: BTreeSet<String>,
    /// How many of them were not said yet, and the first of those.
    new: u64,
    lines: Vec<String>,
    /// Users who have as much waiting as they may, and how many of their files stay.
    over: BTreeMap<u32, u64>,
    /// When that was said.
    over_said: Option<Micros>,
    /// Why nothing at all is adopted.
    room: Option<String>,
    /// `newest` and `back` when this began, and the clock then, in seconds.
    #[serde(skip)]
    before: (i64, i64),
    #[serde(skip)]
    back_before: Option<(i64, i64)>,
    #[serde(skip)]
    now: i64,
    /// There is something for the note.
    #[serde(skip)]
    changed: bool,
}

impl Left {
    fn read(queue: &SpoolQueue) -> Left {
        let text = queue.read_note(NOTE).ok().flatten().map(|(text, _)| text);
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// For whoever is about to adopt.
    pub fn begin(queue: &SpoolQueue) -> Left {
        let left = Left::read(queue);
        let now = i64::try_from(clock::now().0 / 1_000_000).unwrap_or(i64::MAX);
        let back = (left.newest.0 > now).then(|| left.back.unwrap_or_default());
        let (before, back_before) = (left.newest, back);
        let changed = !left.over.is_empty() || left.room.is_some() || back != left.back;
        Left { back, before, back_before, now, over: BTreeMap::new(), room: None, changed, ..left }
    }

    /// Something cannot be adopted.
    pub fn unfit(&mut self, name: &OsStr, unfit: &Unfit) {
        if unfit.changed == (0, 0) {
            return self.unseen(name, unfit);
        }
        let met = self.back_before.filter(|_| unfit.changed.0 <= self.now).unwrap_or(self.before);
        if unfit.changed <= met {
            return;
        }
        self.changed = true;
        self.newest = self.newest.max(unfit.changed);
        self.back = self.back.map(|back| if unfit.changed.0 <= self.now { back.max(unfit.changed) } else { back });
        self.new += 1;
        if self.lines.len() < NAMED_MAX {
            let name: String = output::name(name).chars().take(100).collect();
            let who = unfit.uid.map_or(String::new(), |uid| format!(" of {}", nss::user_name(uid)));
            self.lines.push(format!("{name}{who}: {}", unfit.why));
        }
    }

    /// What cannot be looked at has no time; its name is remembered.
    fn unseen(&mut self, name: &OsStr, unfit: &Unfit) {
        let name: String = output::name(name).chars().take(100).collect();
        if self.unseen.len() < UNSEEN_MAX && self.unseen.insert(name.clone()) {
            self.changed = true;
            self.new += 1;
            if self.lines.len() < NAMED_MAX {
                self.lines.push(format!("{name}: {}", unfit.why));
            }
        }
    }

    /// A file stays, because its user has as much waiting as he may.
    pub fn over(&mut self, uid: u32) {
        if self.over.len() < USERS_MAX || self.over.contains_key(&uid) {
            *self.over.entry(uid).or_default() += 1;
            self.changed = true;
        }
    }

    /// Nothing can be adopted now.
    pub fn no_room(&mut self, why: String) {
        self.room = Some(why);
        self.changed = true;
    }

    /// Whether something stays that may be adopted later, though nothing in `drop/` changes.
    pub fn waits(&self) -> bool {
        !self.over.is_empty() || self.room.is_some()
    }

    /// Writes the note, if there is anything new.
    pub fn note(&self, queue: &SpoolQueue) {
        if !self.changed {
            return;
        }
        if let Ok(text) = serde_json::to_string(self) {
            // Without it less is said, and nothing is lost.
            let _ = queue.write_note(NOTE, &(text + "\n"));
        }
    }
}

/// Says what stays in the drop folder `folder` of these queues, which nobody adopts for any more.
pub fn say(folder: &Path, queues: &[SpoolQueue]) {
    let (mut lines, mut new, mut over, mut room) = (Vec::new(), 0, BTreeMap::new(), BTreeSet::new());
    for queue in queues {
        let mut left = Left::read(queue);
        if left == Left::default() {
            continue;
        }
        let now = clock::now();
        let told = !reminder::is_due(left.over_said, DAILY, now);
        left.changed = left.new > 0 || left.room.is_some() || (!told && !left.over.is_empty());
        new += std::mem::take(&mut left.new);
        lines.append(&mut left.lines);
        room.extend(left.room.take());
        if !told && !left.over.is_empty() {
            for (&uid, &files) in &left.over {
                *over.entry(uid).or_default() += files;
            }
            left.over_said = Some(now);
        }
        left.note(queue);
    }
    let mut said = Vec::new();
    if new > 0 {
        lines.truncate(NAMED_MAX);
        let more = new.saturating_sub(lines.len() as u64);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let list = lines.join("; ");
        said.push(format!("what cannot be queued is left; remove it once you have looked: {list}{more}"));
    }
    for (uid, files) in over {
        let (who, files): (_, u64) = (nss::user_name(uid), files);
        let files = if files == 1 { "1 file more waits".to_owned() } else { format!("{files} files more wait") };
        said.push(format!("{who} has as much waiting as [drop] allows one user, so {files} there"));
    }
    said.extend(room.into_iter().map(|why| format!("mail waits there: {why}")));
    if !said.is_empty() {
        warning!("{}: {}", folder.display(), said.join(". "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Spool;

    #[test]
    fn what_was_met_is_new_once_also_after_the_clock_was_set_back() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let queue = Spool::create(temp.path()).expect("a spool").queue("outbound").expect("a queue");
        let now = i64::try_from(clock::now().0 / 1_000_000).expect("now");
        let met = |times: &[i64]| {
            let mut left = Left::begin(&queue);
            for &time in times {
                left.unfit(OsStr::new("x"), &Unfit { why: "x".to_owned(), changed: (time, 0), uid: None });
            }
            left.note(&queue);
            std::mem::take(&mut Left::read(&queue).new)
        };
        assert_eq!(met(&[now - 100, now - 50]), 2);
        assert_eq!(met(&[now - 100, now - 50]), 2);
        assert_eq!(met(&[now - 100, now - 50, now - 10]), 3);
        // Now the clock is set back by an hour: the others look as if they were to come.
        assert_eq!(met(&[now + 3_600]), 4);
        // What is new by this clock counts, once; what was met before it was set back does once more.
        assert_eq!(met(&[now - 10, now - 5, now + 3_600]), 6);
        assert_eq!(met(&[now - 10, now - 5, now + 3_600]), 6);
        assert_eq!(met(&[now - 5, now - 4, now + 3_600]), 7);
    }
}
