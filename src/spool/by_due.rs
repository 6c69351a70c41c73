//! The names of a state by their due times, without opening a file.
//!
//! Two threads go through the folders and sort what they find. Memory is bounded: each keeps the first `KEPT` names, so
//! both have at most some 74 MB, whatever the number; what either forgot takes another pass. A million names are one pass of
//! some 46 MB. A name that is there throughout is met once; one that moves meanwhile may be met twice, or not at all.

use std::cmp::Ordering;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::{Builder, scope};

use super::journals::Journals;
use super::names::{EntryName, State};
use super::queue::SpoolQueue;
use super::roster::{Roster, order};
use crate::model::EntryId;
use crate::queue::QueueError;

/// The most names that one thread keeps.
const KEPT: usize = 800_000;
/// With fewer names a second thread is not worth while.
const FEW: usize = 8_192;
const STACK: usize = 256 << 10;

/// Which ids are wanted.
pub type Wanted<'w> = &'w (dyn Fn(&EntryId) -> bool + Sync);

/// The names, as far as they were not shown yet.
pub struct ByDue<'q> {
    queue: &'q SpoolQueue,
    state: State,
    wanted: Wanted<'q>,
    kept: usize,
    /// With the position of the next name.
    rosters: Vec<(Roster, Option<EntryName>, usize)>,
    /// The next pass begins with this name.
    from: Option<EntryName>,
    journals: Arc<Journals<'q>>,
}

impl SpoolQueue {
    /// The names in `state` whose ids are `wanted`, by due time.
    pub fn by_due<'q>(&'q self, state: State, wanted: Wanted<'q>) -> Result<ByDue<'q>, QueueError> {
        self.by_due_within(state, wanted, KEPT)
    }

    fn by_due_within<'q>(&'q self, state: State, wanted: Wanted<'q>, kept: usize) -> Result<ByDue<'q>, QueueError> {
        let journals = Arc::new(Journals::of(self));
        let mut all = ByDue { queue: self, state, wanted, kept, rosters: Vec::new(), from: None, journals };
        all.pass()?;
        Ok(all)
    }
}

impl ByDue<'_> {
    /// Goes through all names, from that one on with which this pass begins.
    fn pass(&mut self) -> Result<(), QueueError> {
        let folders = self.queue.entry_folders(self.state)?;
        let (next, from, kept) = (AtomicUsize::new(0), self.from.take(), self.kept);
        let mut rosters = {
            let walk = |roster: &mut Roster, few: usize| -> Result<(), QueueError> {
                while roster.len() < few
                    && let Some(folder) = folders.get(next.fetch_add(1, Relaxed))
                {
                    self.queue.each_name_in(folder, &mut |name| {
                        let comes = from.as_ref().is_none_or(|from| order(&name, from) != Ordering::Less);
                        if comes && (self.wanted)(&name.id) {
                            roster.add(&name);
                        }
                        true
                    })?;
                }
                Ok(())
            };
            let whole = |mut roster: Roster| {
                walk(&mut roster, usize::MAX)?;
                roster.sort();
                Ok(roster)
            };
            let mut first = Roster::new(kept);
            walk(&mut first, FEW)?;
            scope(|scope| -> Result<Vec<Roster>, QueueError> {
                let more = next.load(Relaxed) < folders.len();
                let start = || Builder::new().stack_size(STACK).spawn_scoped(scope, || whole(Roster::new(kept)));
                // Without a second thread the first does it all.
                let second = if more { start().ok() } else { None };
                let mut rosters = vec![whole(first)?];
                if let Some(second) = second {
                    let failed = |_| self.queue.failed("list", self.state.name())(io::ErrorKind::Other.into());
                    rosters.push(second.join().map_err(failed)??);
                }
                Ok(rosters)
            })?
        };
        // What one of them forgot is missing from there on, whatever the other has.
        self.from = rosters.iter().filter_map(Roster::bound).min_by(|one, other| order(one, other)).cloned();
        self.rosters =
            rosters.drain(..).map(|roster| (roster.get(0), roster)).map(|(first, all)| (all, first, 1)).collect();
        // What was read of them before the names were is too old.
        self.journals = Arc::new(Journals::of(self.queue));
        Ok(())
    }

    /// The next name of this pass.
    fn next_of_pass(&mut self) -> Option<EntryName> {
        let heads = self.rosters.iter().enumerate().filter_map(|(n, (_, head, _))| Some((n, head.as_ref()?)));
        let (n, head) = heads.min_by(|one, other| order(one.1, other.1))?;
        if self.from.as_ref().is_some_and(|from| order(head, from) != Ordering::Less) {
            return None;
        }
        let (roster, head, at) = self.rosters.get_mut(n)?;
        *at += 1;
        std::mem::replace(head, roster.get(*at - 1))
    }
}

/// Some names, and the journals that they may have.
pub type Names<'q> = (Vec<EntryName>, Arc<Journals<'q>>);

impl<'q> ByDue<'q> {
    /// The next names, `most` of them at most; `None` at the end.
    pub fn next_names(&mut self, most: usize) -> Result<Option<Names<'q>>, QueueError> {
        loop {
            let names: Vec<EntryName> = std::iter::from_fn(|| self.next_of_pass()).take(most).collect();
            if !names.is_empty() {
                return Ok(Some((names, Arc::clone(&self.journals))));
            }
            // Nothing more comes after an error.
            self.rosters.clear();
            if self.from.is_none() {
                return Ok(None);
            }
            self.pass()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Micros;
    use crate::spool::Spool;
    use crate::spool::names::Spot;
    use crate::sys::dir;

    #[test]
    fn all_names_come_in_order_however_few_are_kept() {
        let temp = tempfile::tempdir().expect("a folder");
        let queue = Spool::create(temp.path()).and_then(|spool| spool.queue("q")).expect("a queue");
        let job = EntryId::new(Micros(1)).of_job(0, 0);
        let (job, _) = job.job().expect("a job");
        for folder in ["0", "1"] {
            std::fs::create_dir_all(queue.path(&format!("jobs/{job}/ready/{folder}"))).expect("made");
        }
        let mut all = Vec::new();
        for n in 0..500_u64 {
            let id = match n % 5 {
                0 => format!("{job}.{}.{}", n % 2, n).parse().expect("an id"),
                _ => EntryId::new(Micros(n)),
            };
            let name = EntryName::new(Micros(n * 71 % 100), id);
            let spot = Spot { state: State::Ready, name };
            dir::open_file(&queue.dir, &spot.path(), dir::Open::CreateNew).expect("made");
            all.push(spot.name);
        }
        all.sort_by(order);
        for kept in [2, 3, 7, 100, 499, 500, 501, 10_000] {
            let mut names = queue.by_due_within(State::Ready, &|_| true, kept).expect("gone through");
            let mut seen = Vec::new();
            while let Some((some, _)) = names.next_names(9).expect("gone through") {
                assert!(some.len() <= 9);
                seen.extend(some);
            }
            assert!(seen == all, "{kept} kept: {} of {}", seen.len(), all.len());
        }
        let none = queue.by_due(State::Hold, &|_| true).and_then(|mut names| names.next_names(9)).expect("none");
        assert!(none.is_none());
    }
}
