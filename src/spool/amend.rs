//! What a person does with an entry: sets it aside, gives it another chance, removes it. Whoever does so claims it first,
//! so that nobody acts on what is in a worker's hand, nor a worker on what is in ours.
//!
//! The order of steps: the journal's line, where there is a journal → one rename, or the unlink. A kill between them leaves
//! the entry where it was: the same command finishes it, and an entry in `ready/` that is marked as removed, the next run.
//! Nothing is synced here; the command does that once, at its end.
//!
//! A job whose entries have all left `ready/` loses it, and may end at any moment. So an entry that comes back makes its
//! place anew, and looks afterwards whether its name leads to it; if the folder went to `done/` in between, it is brought
//! back.

use std::io;

use super::claim::SpoolClaim;
use super::decision::Decision;
use super::names::{EntryName, Spot, State, journal_path};
use crate::model::verdict::Kind;
use crate::model::{EntryId, Micros};
use crate::queue::{Claim, QueueError};
use crate::sys::{dir, fault, room};

/// How often a place in an ending job is made anew: each try fails only if somebody else ended the job in that moment.
const TRIES: usize = 20;

impl SpoolClaim<'_> {
    /// When it was last tried, as its journal tells.
    pub fn last_attempt(&self) -> Option<Micros> {
        self.journal.history.attempt.as_ref().map(|attempt| attempt.at)
    }

    /// The recipients that were not delivered to, as positions in the envelope. Who was in flight when a worker died is not
    /// among them: the next claim decides by `on_crash`.
    pub fn undelivered(&self) -> Vec<usize> {
        self.all_but(&[Kind::Delivered])
    }

    /// Those of them that were not given up, those that were held among them.
    pub fn unsettled(&self) -> Vec<usize> {
        self.all_but(&[Kind::Delivered, Kind::Failed, Kind::Suppressed])
    }

    fn all_but(&self, kinds: &[Kind]) -> Vec<usize> {
        let history = &self.journal.history;
        let open =
            |i: &usize| !history.last[*i].is_some_and(|kind| kinds.contains(&kind)) && !history.in_flight.contains(i);
        (0..history.last.len()).filter(open).collect()
    }

    /// Sets the entry aside. Its name keeps its time.
    pub fn hold(self) -> Result<(), QueueError> {
        let spot = Spot { state: State::Hold, name: self.spot.name.clone() };
        self.move_to(&spot).map_err(self.queue.failed("hold", &self.spot.path()))
    }

    /// Makes the entry due at `decision.at`, with no attempt made and no time waited. Recipients in `group` are open again.
    ///
    /// A held one whose time was asked for (`@`) and is still to come keeps it, and one that waits and is due already keeps
    /// its place.
    pub fn reopen(mut self, group: Vec<usize>, decision: Decision) -> Result<(), QueueError> {
        let id = self.id().clone();
        if self.journal.exists() {
            let noted = self.journal.reopen(&self.home, &id, group, decision.at, decision.by);
            noted.map_err(self.queue.failed("write", &journal_path(&id).1))?;
        }
        fault::instant("amend.noted");
        let EntryName { due, at, .. } = self.spot.name;
        let keeps = match self.spot.state {
            State::Hold => at && due > decision.at,
            State::Ready => due <= decision.at,
            State::Failed => false,
        };
        let name = if keeps { self.spot.name.clone() } else { EntryName::new(decision.at, id) };
        self.bring_back(&Spot { state: State::Ready, name }).map_err(self.queue.failed("requeue", &self.spot.path()))
    }

    /// Removes the entry. Its journal follows when that is on disk ([`crate::queue::Queue::tidy`]).
    pub fn discard(mut self, decision: Decision) -> Result<(), QueueError> {
        let id = self.id().clone();
        if self.journal.exists() {
            let noted = self.journal.remove(&self.home, &id, decision.at, decision.by);
            // A full disk may refuse the line, and no unlink.
            match noted {
                Err(error) if !room::is_lacking(&error) => {
                    return Err(self.queue.failed("write", &journal_path(&id).1)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        fault::instant("amend.closed");
        self.remove().map_err(self.queue.failed("remove", &self.spot.path()))?;
        self.queue.tidy_if_many();
        Ok(())
    }

    fn bring_back(&self, to: &Spot) -> io::Result<()> {
        let mut moved = Err(io::ErrorKind::NotFound.into());
        for _ in 0..TRIES {
            moved = self.move_to(to);
            match &moved {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(()) | Err(_) => break,
            }
        }
        moved?;
        let Some(job) = job(self.id()) else { return Ok(()) };
        for _ in 0..TRIES {
            if self.home.is_in_place() || self.home.lies_at(&format!("paused/{job}")) {
                return Ok(());
            }
            // If this fails, whoever moved it away has brought it back.
            let _ = dir::rename_new(&self.queue.dir, &format!("done/{job}"), &format!("jobs/{job}"));
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

fn job(id: &EntryId) -> Option<&str> {
    id.job().map(|(job, _)| job)
}
