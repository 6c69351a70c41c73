//! How far a job is, told by the names of its entries: an entry counts with all its recipients until it is settled. Where it
//! has a journal, which is when some were tried and not all delivered, the journal tells of each of them.

use std::io;

use super::file::JobFile;
use super::standing::Standing;
use crate::model::EntryId;
use crate::model::verdict::Kind;
use crate::queue::QueueError;
use crate::spool::history::read_history;
use crate::spool::names::{EntryName, State};
use crate::spool::queue::SpoolQueue;
use crate::sys::dir;

/// How many entries are looked at for a journal; beyond that they count as wholes.
const LOOKED_AT: u64 = 100_000;

/// How far a job is, in recipients; of a batch in entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobProgress {
    pub all: u64,
    /// Not settled yet.
    pub left: u64,
    pub held: u64,
    /// Given up, as long as their entries are kept.
    pub failed: u64,
    /// Some entries were counted as wholes though they have journals.
    pub rough: bool,
}

impl JobProgress {
    /// Delivered, or removed by a person.
    pub fn done(&self) -> u64 {
        self.all.saturating_sub(self.left + self.held + self.failed)
    }

    fn add(&mut self, state: State, recipients: u64) {
        match state {
            State::Ready => self.left += recipients,
            State::Hold => self.held += recipients,
            State::Failed => self.failed += recipients,
        }
    }
}

impl SpoolQueue {
    /// How far a job is.
    pub fn progress(&self, id: &EntryId, standing: Standing, file: &JobFile) -> Result<JobProgress, QueueError> {
        let top = format!("{}/{id}", standing.folder());
        let mut folders = vec![(State::Hold, format!("{top}/hold")), (State::Failed, format!("{top}/failed"))];
        let ready = format!("{top}/ready");
        for n in self.names(&ready).map_err(self.failed("list", &ready))?.flatten() {
            folders.push((State::Ready, format!("{ready}/{n}")));
        }
        let all = file.count();
        let (mut progress, mut looked_at) = (JobProgress { all, ..JobProgress::default() }, 0_u64);
        for (state, folder) in folders {
            let failed = || self.failed("list", &folder);
            for name in self.names(&folder).map_err(failed())? {
                let Some(name) = EntryName::parse(&name.map_err(failed())?) else { continue };
                let recipients = file.recipients_of(&name.id);
                let journal = format!("{top}/journal/{}.log", name.id);
                looked_at += 1;
                progress.rough |= file.kind.counts_recipients() && looked_at > LOOKED_AT;
                if !file.kind.counts_recipients() || looked_at > LOOKED_AT {
                    progress.add(state, recipients);
                } else {
                    self.add_journal(&mut progress, state, recipients, &journal)
                        .map_err(self.failed("read", &journal))?;
                }
            }
        }
        Ok(progress)
    }

    /// Counts an entry's recipients by what its journal tells of each.
    fn add_journal(&self, progress: &mut JobProgress, state: State, recipients: u64, path: &str) -> io::Result<()> {
        let file = match dir::open_file(&self.dir, path, dir::Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                progress.add(state, recipients);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let count = usize::try_from(recipients).unwrap_or(usize::MAX);
        let (history, _) = read_history(file, count, &mut |_| {})?;
        for recipient in 0..count {
            match history.last.get(recipient).copied().flatten() {
                _ if history.removed => {}
                Some(Kind::Delivered | Kind::Suppressed) => {}
                Some(Kind::Failed) => progress.failed += 1,
                Some(Kind::Held) => progress.held += 1,
                Some(Kind::Deferred | Kind::Unknown) | None => progress.add(state, 1),
            }
        }
        Ok(())
    }
}
