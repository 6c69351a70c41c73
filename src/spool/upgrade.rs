//! The upgrade of a spool that an older program made, by the next command that writes to it. Who only looks at a spool
//! changes nothing, and can go back to the older program.
//!
//! The order of steps, in [`upgrade`]:
//! 1. the spool's top folder is locked, by a description of this call alone, and the number read again: of several commands
//!    one upgrades, and the others find the new number;
//! 2. each queue's lock is taken; where a run is at work, which may be an older program's, nothing is upgraded now;
//! 3. the steps from the number found to ours, each of which may be repeated;
//! 4. the new number is written beside `version`, synced, and renamed over it: **this is the upgrade**;
//! 5. the queues' locks are let go, and the folder is synced.
//!
//! A kill before 4 leaves the old number, and the steps run again; after it, the new one. No lock is held across a fork:
//! this forks nothing, and all of them are gone when it returns.
//!
//! Whatever is in the way, the spool goes on in the format that it has: what this program writes is valid in it, but for
//! what [`Formatted::lacks_fields`] says, which alone is refused.
//!
//! At worst a run of the older program that has read the number before 4 and locks its queue after 5 goes on as in the old
//! format: of what is new it knows nothing, and sets it aside in `corrupt/`.

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

    /// Why an entry whose recipients have fields cannot be written now, and what to do.
    pub fn lacks_fields(&self) -> Option<String> {
        let stays = self.stays.as_deref().unwrap_or("nothing has upgraded it yet: 'bulkmailer check --repair' does");
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
    let top = match dir::open(root).and_then(|top| lock::exclusive(&top).map(|()| top)) {
        Ok(top) => top,
        Err(error) => return Ok(stays(format!("its folder cannot be locked: {error}"))),
    };
    let Some(number) = version::read(&top, root)? else { return Ok(found) };
    let found = Formatted::new(number);
    if found.is_current() {
        return Ok(found);
    }
    let stays = |why: String| Formatted { stays: Some(why), ..found.clone() };
    let names = match queues() {
        Ok(names) => names,
        Err(error) => return Ok(stays(error.to_string())),
    };
    let mut held = Vec::new();
    for name in names {
        match lock_of(dir, &name) {
            Ok(Some(file)) => held.push(file),
            Ok(None) => return Ok(stays(format!("a run is at work in queue {name}; try again when it has ended"))),
            Err(error) => return Ok(stays(format!("queue {name} cannot be locked: {error}"))),
        }
    }
    match steps(&top, number, held) {
        Ok(()) => Ok(Formatted::new(Format::Spool.number())),
        Err(error) => Ok(stays(format!("it cannot be upgraded: {error}"))),
    }
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
    version::prepare(top, Format::Spool.number())?;
    fault::point("upgrade.written")?;
    version::replace(top)?;
    fault::instant("upgrade.renamed");
    // At once: a run that reads the new number is not kept away by us.
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
