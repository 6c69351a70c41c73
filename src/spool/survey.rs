//! What is due in a queue, and when the next will be, by the names alone: a glance at those that may be, and a survey
//! of all.

use std::io;
use std::time::Duration;

use super::merge::pacing::window_in;
use super::names::{EntryName, State};
use super::queue::SpoolQueue;
use super::quiet::{HINT, Place, QuietWalk, Rest};
use crate::model::{EntryId, Micros};
use crate::queue::QueueError;
use crate::sys::dir;

/// What a glance at all names found, as far as it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// Entries that are due.
    pub due: u64,
    /// The earliest time that one of the others waits for.
    pub next: Option<Micros>,
}

impl Glance {
    fn waits(&mut self, next: Option<Micros>) {
        self.next = self.next.into_iter().chain(next).min();
    }
}

/// What a look at all names found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Entries that are due.
    pub due: u64,
    /// When the first of them came to be due; hours in which the window of its job was closed are left out.
    pub due_since: Option<Micros>,
    /// Entries that wait for their time.
    pub waiting: u64,
    /// The earliest time that one of them waits for.
    pub next: Option<Micros>,
    /// When the oldest of all was submitted.
    pub oldest: Option<Micros>,
}

impl Survey {
    /// How long something is due, at `now`.
    pub fn due_for(&self, now: Micros) -> Duration {
        self.due_since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

impl SpoolQueue {
    /// Whether nothing is due at `now`, as far as that is known without a walk through the names.
    pub fn rests(&self, now: Micros) -> bool {
        let Ok(ready) = dir::open_at(&self.dir, State::Ready.name()) else { return false };
        let mut all = self.quiet.all_rest(&self.dir, &ready, now);
        if all && self.quiet.rests_in(&self.dir, Place::jobs(), now).is_some() {
            return true;
        }
        let mut folder = |path: &str| {
            all = all && self.quiet.rests_in(&self.dir, Place::of_job(path), now).is_some();
            Ok(all)
        };
        self.each_folder_of_jobs(State::Ready, &mut folder).is_ok() && all
    }

    /// Leaves what is known of quiet folders to the next run, if that is more than the last one did.
    pub fn leave_hint(&self) {
        if let Some(news) = self.quiet.news() {
            // Without it the next run walks.
            let _ = self.write_bytes(HINT, &news);
        }
    }

    /// How much of the time from `from` to `to` an entry could be handed over in: that in which its job's window is open, if
    /// it has one.
    pub fn open_time(&self, id: &EntryId, from: Micros, to: Micros) -> Duration {
        let window = id.job().and_then(|(job, _)| window_in(&self.dir, &format!("jobs/{job}/job.json")));
        window.map_or(to.since(from), |window| window.open_between(from, to))
    }

    /// Looks at the names in `ready/`, and stops when `enough` due ones were seen.
    pub fn survey(&self, now: Micros, enough: u64) -> Result<Survey, QueueError> {
        let mut survey = Survey::default();
        self.each_name(State::Ready, &mut |name| {
            if name.is_due(now, self.horizon) {
                survey.due += 1;
                if survey.due_since.is_none_or(|since| name.due < since) {
                    // Of entries, only a merge's has closed hours.
                    let since = name.log.map_or(name.due, |_| now.minus(self.open_time(&name.id, name.due, now)));
                    survey.due_since = survey.due_since.into_iter().chain([since]).min();
                }
            } else {
                survey.waiting += 1;
                survey.next = Some(survey.next.map_or(name.due, |next| next.min(name.due)));
            }
            // A keyed id tells no age: it is at least as old as its time.
            let born = name.id.born().unwrap_or(name.due.min(now));
            survey.oldest = Some(survey.oldest.map_or(born, |oldest| oldest.min(born)));
            survey.due < enough
        })?;
        Ok(survey)
    }

    /// Whether the folder of the jobs is empty, which is remembered.
    fn has_no_job(&self, now: Micros) -> io::Result<bool> {
        if self.quiet.rests_in(&self.dir, Place::jobs(), now).is_some() {
            return Ok(true);
        }
        let mut names = match dir::Names::open(&self.dir, Place::jobs().path) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        let watch = QuietWalk::begin_in(Place::jobs(), &names, now);
        let is_empty = names.next().is_none();
        watch.filter(|_| is_empty).into_iter().for_each(|watch| self.quiet.note(watch));
        Ok(is_empty)
    }

    /// Looks what is due at `now`, but for what is `passed` over, and stops when `enough` was seen. Folders that are known to
    /// be quiet cost next to nothing.
    pub fn glance(&self, now: Micros, enough: u64, passed: &dyn Fn(&EntryId) -> bool) -> Result<Glance, QueueError> {
        let mut glance = Glance::default();
        let mut folder = |place: Place<'_>| -> io::Result<bool> {
            if let Some(Rest(next)) = self.quiet.rests_in(&self.dir, place, now) {
                glance.waits(next);
                return Ok(true);
            }
            let names = match dir::Names::open(&self.dir, place.path) {
                Ok(names) => names,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
                Err(error) => return Err(error),
            };
            let mut watch = QuietWalk::begin_in(place, &names, now);
            for name in names {
                let Some(name) = EntryName::parse(&name?) else { continue };
                if !name.is_due(now, self.horizon) {
                    watch.iter_mut().for_each(|watch| watch.waits(name.due, name.at));
                    glance.waits(Some(name.due));
                    continue;
                }
                watch = None;
                if passed(&name.id) {
                    continue;
                }
                glance.due += 1;
                if glance.due >= enough {
                    return Ok(false);
                }
            }
            watch.into_iter().for_each(|watch| self.quiet.note(watch));
            Ok(true)
        };
        let mut walk = || -> io::Result<()> {
            for bucket in 0..=u8::MAX {
                if !folder(Place::bucket(bucket))? {
                    return Ok(());
                }
            }
            if self.has_no_job(now)? {
                return Ok(());
            }
            self.each_folder_of_jobs(State::Ready, &mut |path| folder(Place::of_job(path)))
        };
        walk().map_err(self.failed("list", State::Ready.name()))?;
        Ok(glance)
    }
}
