//! The upgrade of a spool that an older program made, by the next run or `check --repair`. Every other command works in the
//! format that it finds, and pays nothing for an upgrade that is not possible yet.
//!
//! The order of steps, in [`upgrade`]:
//! 1. the spool's top folder is locked, by a description of this call alone, and the number read again: of several commands
//!    one upgrades. Nobody waits for this lock;
//! 2. the new number is written beside `version` and synced;
//! 3. each queue's lock is taken; where a run is at work, which may be an older program's, nothing is upgraded now;
//! 4. the steps from the number found to ours, each of which is short and may be repeated;
//! 5. the new number is renamed over `version`: **this is the upgrade**;
//! 6. the queues' locks are let go, and the folder is synced.
//!
//! A kill before 5 leaves the old number, and the steps run again; after it, the new one. No lock is held across a fork:
//! this forks nothing, and all of them are gone when it returns. A run that finds its queue's lock held between 3 and 6 waits
//! until the top folder's lock is free, see [`is_under_way`]: it must not take the upgrade for another run.
//!
//! Whatever is in the way, the spool goes on in the format that it has: what this program writes is valid in it, but for
//! what [`Formatted::lacks_fields`] names, which alone is refused.
//!
//! At worst a run of the older program that has read the number before 5 and locks its queue after 6 goes on as in the old
//! format: it does not know what is new, and sets it aside in `corrupt/`.

use std::fs::File;
use std::io;
use std::path::Path;

use super::version;
use crate::model::format::Format;
use crate::queue::QueueError;
use crate::sys::{dir, fault, lock};

/// One step. It may have been done before, as a whole or in part.
struct Step {
    from: u32,
    run: fn(spool: &File) -> io::Result<()>,
}

/// The step from each number to the next.
const STEPS: [Step; 1] = [Step { from: 1, run: heads_may_have_fields }];

/// The first format in which recipients have fields.
const WITH_FIELDS: u32 = 2;

/// 1 → 2: an entry's head may have the number 2, which a program of format 1 takes for damaged. What is there is valid as it
/// is.
fn heads_may_have_fields(_spool: &File) -> io::Result<()> {
    Ok(())
}

/// The format that a spool has, and why it has no newer one.
#[derive(Clone, Debug)]
pub(super) struct Formatted {
    number: u32,
    stays: Option<String>,
}

impl Formatted {
    pub fn new(number: u32) -> Formatted {
        Formatted { number, stays: None }
    }

    pub fn is_current(&self) -> bool {
        self.number == Format::Spool.number()
    }

    /// That the spool still has an older format, and why the upgrade was not possible.
    pub fn says_why_older(&self) -> Option<String> {
        let stays = self.stays.as_deref()?;
        Some(format!("this spool still has format {}: {stays}", self.number))
    }

    /// Why an entry whose recipients have fields cannot be written now, and what to do.
    pub fn lacks_fields(&self) -> Option<String> {
        let stays = self.stays.as_deref().unwrap_or("the next run or 'bulkmailer check --repair' upgrades it");
        (self.number < WITH_FIELDS).then(|| {
            format!(
                "recipients with fields need a spool of format {WITH_FIELDS}, and this one still has format {}: {stays}",
                self.number
            )
        })
    }
}

/// Brings the spool in the folder `dir`, which lies at `root`, to this program's format, if nothing is in the way.
///
/// Errors: its number cannot be read any more, or a newer program has upgraded it meanwhile.
pub(super) fn upgrade(
    dir: &File,
    root: &Path,
    found: Formatted,
    queues: &dyn Fn() -> Result<Vec<String>, QueueError>,
) -> Result<Formatted, QueueError> {
    let stays = |why: String| Formatted { stays: Some(why), ..found.clone() };
    let top = match dir::open(root).and_then(|top| Ok(lock::try_exclusive(&top)?.then_some(top))) {
        Ok(Some(top)) => top,
        Ok(None) => return Ok(stays("another process has locked its folder, to upgrade it; try again".to_owned())),
        Err(error) => return Ok(stays(format!("its folder cannot be locked: {error}"))),
    };
    let Some(number) = version::read(&top, root)? else { return Ok(found) };
    let found = Formatted::new(number);
    if found.is_current() {
        return Ok(found);
    }
    let done = prepared(&top, || {
        let held = lock_all(dir, queues)?;
        steps(&top, number, held).map_err(cannot)
    });
    Ok(match done {
        Ok(()) => Formatted::new(Format::Spool.number()),
        Err(why) => Formatted { stays: Some(why), ..found },
    })
}

/// Whether the spool in `dir` is being upgraded by another process, or its top folder is locked for another reason.
pub(super) fn is_under_way(dir: &File) -> io::Result<bool> {
    // Opened anew: a lock belongs to the description.
    Ok(!lock::try_shared(&dir::open_at(dir, ".")?)?)
}

fn cannot(error: io::Error) -> String {
    format!("it cannot be upgraded: {error}")
}

/// Does `rest` with the next number on disk, and takes that away again if `rest` fails.
fn prepared(top: &File, rest: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    version::prepare(top, Format::Spool.number())
        .and_then(|()| fault::point("upgrade.written"))
        .map_err(cannot)
        .and_then(|()| rest())
        .inspect_err(|_| version::discard(top))
}

/// The locks of all queues' runs.
///
/// Errors, as text: somebody holds one of them, or it cannot be locked.
fn lock_all(dir: &File, queues: &dyn Fn() -> Result<Vec<String>, QueueError>) -> Result<Vec<File>, String> {
    let mut held = Vec::new();
    for name in queues().map_err(|error| error.to_string())? {
        match lock_of(dir, &name) {
            Ok(Some(file)) => held.push(file),
            Ok(None) => return Err(format!("a run is at work in queue {name}; try again when it has ended")),
            Err(error) => return Err(format!("queue {name} cannot be locked: {error}")),
        }
    }
    Ok(held)
}

/// The lock of a queue's run; `None` if somebody holds it.
fn lock_of(dir: &File, queue: &str) -> io::Result<Option<File>> {
    let file = dir::open_file(dir, &format!("{queue}/lock"), dir::Open::Create)?;
    Ok(lock::try_exclusive(&file)?.then_some(file))
}

fn steps(top: &File, found: u32, held: Vec<File>) -> io::Result<()> {
    fault::point("upgrade.locked")?;
    for step in STEPS.iter().filter(|step| step.from >= found) {
        (step.run)(top)?;
        fault::point("upgrade.step")?;
    }
    version::replace(top)?;
    fault::instant("upgrade.renamed");
    drop(held);
    // If this fails, a power cut may bring the old number back, and the steps are repeated.
    let _ = top.sync_all();
    fault::instant("upgrade.synced");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_lead_from_the_first_format_to_this_programs() {
        let from: Vec<u32> = STEPS.iter().map(|step| step.from).collect();
        assert_eq!(from, (1..Format::Spool.number()).collect::<Vec<_>>());
    }
}
