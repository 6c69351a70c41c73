//! What a run writes for users who may not look into the spool: their [lists](super::own_lists).
//!
//! Kept true: a list is read by its user and the spool's owner alone. It is written under another name in `tmp/`, then made
//! his, then renamed: root gives the file away, a service lets one more user read it ([`acl`]). Where neither is possible
//! no list is written. No list that is there is opened, so nothing that its user did to it matters. Memory grows with the
//! number of users, not with that of entries.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::Path;
use std::time::Duration;

use super::brief::Brief;
use super::drop::{Dropped, Unfit, request};
use super::error::io_at;
use super::folders::BESIDE;
use super::names::{EntryName, Spot, State};
use super::own_lists::{LISTS, ListLine, ListsWritten};
use super::queue::SpoolQueue;
use super::row::Row;
use super::users::Use;
use crate::model::Micros;
use crate::queue::QueueError;
use crate::sys::output::{self, Page};
use crate::sys::{acl, clock, dir, process};

/// A user gets to his list by its name, and cannot see who else has one.
const MODE: u32 = 0o711;
/// More entries of one user are counted, and not listed.
pub const ROWS_MAX: u64 = 10_000;
/// How long lists are new enough to let mail come first that was just handed in.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// The most bytes of rows kept in memory before they are written.
const PENDING_MAX: usize = 1 << 20;
/// Said where nobody can be let read.
const NO_ACL: &str =
    "the spool's file system has no access control lists: it needs the mount option acl, or to be root's";

impl SpoolQueue {
    /// Whether anybody's mail may be in this queue whose list is the run's to write: there is a drop folder, and mail in it
    /// for this queue, or a list, or mail that was counted, or nobody has looked yet. What cannot be looked at may be there.
    pub fn has_users(&self) -> bool {
        let there = |path: &str| !matches!(dir::stat(&self.dir, path), Ok(None));
        there(BESIDE)
            && (self.drop_names().is_ok_and(|mut names| names.next().is_some())
                || !self.uses().is_ok_and(|uses| uses.is_empty())
                || !self.has_seen_all()
                || !self.lists().is_ok_and(|mut lists| lists.next().is_none()))
    }

    /// Whether it is noted that the lists of this queue were written, and could be.
    fn has_seen_all(&self) -> bool {
        let path = format!("../{LISTS}/{}.seen", self.name());
        let noted = || {
            let file = dir::open_file(&self.dir, &path, dir::Open::Read).ok()?;
            let text = io::read_to_string(Read::take(file, 64 << 10)).ok()?;
            serde_json::from_str::<ListsWritten>(&text).ok()
        };
        noted().is_some_and(|noted| noted.why.is_none())
    }

    /// Whether all lists of this queue were written within the last minutes.
    pub fn has_fresh_lists(&self) -> bool {
        let seen = dir::stat(&self.dir, &format!("../{LISTS}/{}.seen", self.name())).ok().flatten();
        let written = seen.map(|seen| dir::Stamp::of(&seen).micros());
        written.is_some_and(|at| clock::now().since(Micros(at)) < FRESH)
    }

    /// The users who have a list for this queue.
    fn lists(&self) -> io::Result<impl Iterator<Item = u32>> {
        let own = self.name().to_owned();
        let names = self.names(&format!("../{LISTS}"))?;
        Ok(names.flatten().filter_map(move |name| name.strip_prefix(&own)?.strip_prefix('.')?.parse().ok()))
    }

    /// Writes the lists of all users, and returns what each has waiting in the queue; `None` if `stop` said so before all
    /// was looked at: then nothing was changed. At most `recipients` of an envelope in `drop/` are read, and `fits` says what
    /// else keeps a file there from being taken up.
    ///
    /// Mail counts as a user's that came through `drop/`. Entries that move meanwhile may be missing or there twice.
    ///
    /// Errors: the names cannot be listed. That lists cannot be written is noted, and no error.
    pub fn write_lists(
        &self,
        recipients: usize,
        fits: &dyn Fn(&Dropped) -> Result<(), String>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<HashMap<u32, Use>>, QueueError> {
        let mut counted: HashMap<u32, Use> = HashMap::new();
        let mut lists = Lists::begin(self);
        for state in State::ALL {
            for bucket in 0..=u8::MAX {
                let folder = format!("{}/{bucket:02x}", state.name());
                for name in self.names(&folder).map_err(self.failed("list", &folder))? {
                    if stop() {
                        return Ok(None);
                    }
                    let name = EntryName::parse(&name.map_err(self.failed("list", &folder))?);
                    if let Some(name) = name.filter(|name| name.id.counts_once()) {
                        lists.entry(&Spot { state, name }, &mut counted);
                    }
                }
            }
        }
        let mut looked: HashMap<u32, u64> = HashMap::new();
        for name in self.drop_names()? {
            if stop() {
                return Ok(None);
            }
            let name = name.map_err(io_at("list", self.drop_path("")))?;
            if name.to_str().is_some_and(request::is_request) {
                continue;
            }
            let path = Path::new(BESIDE).join(&name);
            let Ok(Some(stat)) = dir::stat_raw(&self.dir, &path) else { continue };
            let looked = looked.entry(stat.st_uid).or_default();
            *looked += 1;
            // One who floods the folder has nobody wait for the others' lists.
            if *looked > ROWS_MAX || !lists.is_for(stat.st_uid) {
                continue;
            }
            let changed = (stat.st_ctime, stat.st_ctime_nsec);
            let fitting = |dropped: Dropped| match fits(&dropped) {
                Ok(()) => Ok(Some(dropped)),
                Err(why) => Err(Unfit { why, changed, uid: Some(stat.st_uid) }),
            };
            match self.open_dropped(&name, recipients).and_then(|dropped| dropped.map_or(Ok(None), fitting)) {
                Ok(Some(dropped)) => lists.add(dropped.uid, Row::dropped(self.name(), &dropped)),
                Ok(None) => {}
                Err(unfit) => {
                    let bytes = u64::try_from(stat.st_size).unwrap_or(0);
                    let row = Row::unfit(self.name(), output::name(&name), unfit.changed.0, bytes, unfit.why);
                    lists.add(stat.st_uid, row);
                }
            }
        }
        lists.publish();
        Ok(Some(counted))
    }
}

/// The lists of one queue while they are written.
struct Lists<'q> {
    queue: &'q SpoolQueue,
    /// The spool's owner, who needs none.
    owner: u32,
    /// Rows of each user.
    rows: HashMap<u32, u64>,
    /// What is not written yet, and how many bytes that is.
    pending: HashMap<u32, Vec<u8>>,
    held: usize,
    begun: Micros,
    why: Option<String>,
}

impl<'q> Lists<'q> {
    fn begin(queue: &'q SpoolQueue) -> Lists<'q> {
        let mut lists = Lists {
            queue,
            owner: process::effective_uid(),
            rows: HashMap::new(),
            pending: HashMap::new(),
            held: 0,
            begun: clock::now(),
            why: None,
        };
        let made = lists.make_folder().and_then(|()| lists.try_out());
        lists.note(made);
        lists
    }

    fn make_folder(&self) -> io::Result<()> {
        let path = format!("../{LISTS}");
        dir::make(&self.queue.dir, &path)?;
        dir::open_at(&self.queue.dir, &path)?.set_permissions(PermissionsExt::from_mode(MODE))
    }

    /// Finds out with a file of its own whether a list can be made somebody's.
    fn try_out(&self) -> io::Result<()> {
        let path = self.spare(self.owner);
        let file = dir::open_file(&self.queue.dir, &path, dir::Open::Create)?;
        dir::unlink(&self.queue.dir, &path)?;
        // Whom it is for does not matter here: any user but the owner.
        self.hand_over(&file, self.owner ^ 1)
    }

    fn note(&mut self, done: io::Result<()>) {
        let why = |error: io::Error| match error.kind() {
            io::ErrorKind::Unsupported => NO_ACL.to_owned(),
            _ => error.to_string(),
        };
        if let Err(error) = done {
            self.why.get_or_insert(why(error));
        }
    }

    fn spare(&self, uid: u32) -> String {
        format!("tmp/list-{}-{uid}", std::process::id())
    }

    /// Whether rows of this user are wanted. Root sees all anyway.
    fn is_for(&self, uid: u32) -> bool {
        self.why.is_none() && uid != 0 && uid != self.owner
    }

    /// Counts and lists an entry, if it came through `drop/` and is still there.
    fn entry(&mut self, spot: &Spot, counted: &mut HashMap<u32, Use>) {
        // What cannot be read is for `check`.
        let Ok(Some(seen)) = self.queue.look(spot) else { return };
        let uid = seen.envelope.origin.uid;
        if uid == self.owner {
            return;
        }
        let used = counted.entry(uid).or_default();
        used.entries += 1;
        used.bytes = used.bytes.saturating_add(seen.file.metadata().map_or(0, |meta| meta.len()));
        if !self.is_for(uid) {
            return;
        }
        let Ok(history) = self.queue.history(&seen.envelope.id, seen.envelope.recipients.len(), &mut |_| {}) else {
            return;
        };
        let brief = Brief::of(&seen.envelope, seen.extent);
        self.add(uid, Row::of(self.queue.name(), spot.state, spot.name.due, &brief, &history));
    }

    fn add(&mut self, uid: u32, row: Row<'_>) {
        if !self.is_for(uid) {
            return;
        }
        let rows = self.rows.entry(uid).or_default();
        *rows += 1;
        if *rows == 1 {
            // What a killed process of our number left.
            let _ = dir::unlink(&self.queue.dir, &self.spare(uid));
        } else if *rows > ROWS_MAX {
            return;
        }
        let Ok(page) = Page::json(&row) else { return };
        self.pending.entry(uid).or_default().extend_from_slice(page.as_str().as_bytes());
        self.held += page.as_str().len();
        if self.held > PENDING_MAX {
            let written = self.write();
            self.note(written);
        }
    }

    /// Writes what is pending. No file stays open, whatever number of users there is.
    fn write(&mut self) -> io::Result<()> {
        self.held = 0;
        for (uid, rows) in std::mem::take(&mut self.pending) {
            dir::open_file(&self.queue.dir, &self.spare(uid), dir::Open::Append)?.write_all(&rows)?;
        }
        Ok(())
    }

    /// Gives each list its name, removes those of users who have nothing waiting, and notes that.
    fn publish(mut self) {
        if self.why.is_none() {
            let published = self.try_publish();
            self.note(published);
        }
        let current: BTreeSet<u32> =
            if self.why.is_none() { self.rows.keys().copied().collect() } else { BTreeSet::new() };
        let old: Vec<u32> = self.queue.lists().map_or_else(|_| Vec::new(), Iterator::collect);
        for uid in old.into_iter().filter(|uid| !current.contains(uid)) {
            let _ = dir::unlink(&self.queue.dir, &self.named(uid.to_string()));
        }
        let noted = ListsWritten { at: self.begun, why: self.why.take() };
        // If even that cannot be written, the old one stands, and so does its time.
        let _ = self.write_noted(&noted);
    }

    fn try_publish(&mut self) -> io::Result<()> {
        self.write()?;
        let dir = &self.queue.dir;
        for (&uid, &rows) in &self.rows {
            let mut file = dir::open_file(dir, &self.spare(uid), dir::Open::Append)?;
            if let Some(more) = rows.checked_sub(ROWS_MAX).filter(|&more| more > 0) {
                file.write_all(Page::json(&ListLine::More { more })?.as_str().as_bytes())?;
            }
            self.hand_over(&file, uid)?;
            dir::rename_over(dir, &self.spare(uid), &self.named(uid.to_string()))?;
        }
        Ok(())
    }

    fn hand_over(&self, file: &File, uid: u32) -> io::Result<()> {
        if process::is_root() { fchown(file, Some(uid), None) } else { acl::readable_by(file, uid) }
    }

    fn named(&self, what: impl AsRef<str>) -> String {
        format!("../{LISTS}/{}.{}", self.queue.name(), what.as_ref())
    }

    fn write_noted(&self, noted: &ListsWritten) -> io::Result<()> {
        let spare = self.spare(self.owner);
        let file = dir::open_file(&self.queue.dir, &spare, dir::Open::Create)?;
        let steps = || -> io::Result<()> {
            (&file).write_all(Page::json(noted)?.as_str().as_bytes())?;
            file.set_permissions(PermissionsExt::from_mode(0o644))?;
            dir::rename_over(&self.queue.dir, &spare, &self.named("seen"))
        };
        steps().inspect_err(|_| drop(dir::unlink(&self.queue.dir, &spare)))
    }
}

impl Drop for Lists<'_> {
    /// What was not published is removed.
    fn drop(&mut self) {
        for &uid in self.rows.keys() {
            let _ = dir::unlink(&self.queue.dir, &self.spare(uid));
        }
    }
}
