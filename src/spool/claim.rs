//! Claiming and settling: who has an entry, and how it leaves.
//!
//! A claim is an exclusive flock on the entry's own file, taken as `lock` says.
//!
//! Settling happens under the claim:
//! - delivered: `unlink`, then close, which may come later and with others; a journal closes every recipient before, and
//!   stays until the unlink is durable (`tidy`);
//! - deferred, failed, held: one `renameat2`; the journal, which keeps its name, was written before.
//!
//! A merge's head is claimed by its own lock and then that of its log: see [`merge::claim`](super::merge::claim).
//!
//! Where a step fails the entry lies where it was, and the run passes it over from then on. One that was delivered and
//! could not be unlinked is closed in its journal besides, so that a later run only settles it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::entry::{Extent, Unreadable};
use super::entry_file::{self, EntryFile};
use super::history::{AttemptLine, History};
use super::home::Home;
use super::journal::Journal;
use super::lock::Locked;
use super::merge::claim::{MergeClaim, Reached};
use super::names::{EntryName, Spot, State, journal_file, message_path};
use super::order::Hand;
use super::queue::SpoolQueue;
use super::speed;
use crate::model::verdict::Kind;
use crate::model::{Envelope, Micros, Reason, Verdict};
use crate::policy::notice::{About, RecipientStatus};
use crate::policy::told::Known;
use crate::queue::{AttemptNote, Begun, Claim, End, Message, NoMessage, QueueError, Stuck};
use crate::sys::mutex::locked;
use crate::sys::{dir, fault};

/// An entry of the spool in somebody's hand.
#[derive(Debug)]
pub struct SpoolClaim<'q> {
    pub(super) queue: &'q SpoolQueue,
    pub(super) home: Home<'q>,
    pub(super) spot: Spot,
    /// The same as a path in the queue's folder.
    path: String,
    /// Its lock is the claim.
    file: Arc<File>,
    /// All of the file, if it is small.
    held: Option<Arc<Vec<u8>>>,
    envelope: Envelope,
    extent: Extent,
    /// The message that lies apart, once it was opened.
    apart: OnceLock<Arc<File>>,
    pub(super) journal: Journal,
    /// Nobody else reaches for it as long as this is here; see [`order`](super::order).
    _hand: Option<Hand>,
}

/// What came of reaching for an entry.
#[derive(Debug)]
pub enum Taken<'q> {
    Claim(Box<SpoolClaim<'q>>),
    /// It is a merge's head.
    Head(Box<MergeClaim<'q>>),
    /// Somebody else holds it, or acts on one of its rows.
    Contended,
    /// It was settled or moved meanwhile.
    Gone,
    /// It could not be read, and lies in `corrupt/` now.
    Corrupt {
        why: String,
    },
}

impl SpoolQueue {
    /// Claims the entry at `spot`, if it is there and free.
    ///
    /// Errors: a newer program made it, or its job.
    pub fn take(&self, spot: &Spot) -> Result<Taken<'_>, QueueError> {
        match self.home(spot)? {
            None => Ok(Taken::Gone),
            Some(home) => home.newer_job().map_or_else(|| self.take_at(home, spot, None, false), Err),
        }
    }

    /// The same for one who [wants](super::merge::wanted) the entry, and so keeps others from it.
    pub(super) fn take_rows_of(&self, spot: &Spot) -> Result<Taken<'_>, QueueError> {
        match self.home(spot)? {
            None => Ok(Taken::Gone),
            Some(home) => home.newer_job().map_or_else(|| self.take_at(home, spot, None, true), Err),
        }
    }

    /// The same for an entry whose job was looked at before: see [`Cursor`](super::scan::Cursor).
    pub(super) fn take_due(&self, spot: &Spot, hand: Option<Hand>) -> Result<Taken<'_>, QueueError> {
        self.home(spot)?.map_or(Ok(Taken::Gone), |home| self.take_at(home, spot, hand, false))
    }

    /// `None` if its job is not at work.
    fn home(&self, spot: &Spot) -> Result<Option<Home<'_>>, QueueError> {
        match Home::of(self, &spot.name.id) {
            Ok(home) => Ok(Some(home)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("open", &spot.path())(error)),
        }
    }

    fn take_at<'q>(
        &'q self,
        home: Home<'q>,
        spot: &Spot,
        hand: Option<Hand>,
        is_ours: bool,
    ) -> Result<Taken<'q>, QueueError> {
        let path = spot.path();
        let Some(file) = home.lock_entry(&path)? else { return Ok(Taken::Gone) };
        let aside = |why| self.set_aside(spot).map(|()| Taken::Corrupt { why });
        let (file, size) = match file {
            Locked::Ours(file, size) => (file, size),
            Locked::NoFile => return aside("it is no regular file".to_owned()),
            Locked::Contended => {
                self.contended.fetch_add(1, Ordering::Relaxed);
                return Ok(Taken::Contended);
            }
        };
        let EntryFile { envelope, extent, held } = match entry_file::read_whole(&file, size, &spot.name, &self.spare) {
            Ok(read) => read,
            Err(Unreadable::Damaged(why)) => return aside(why),
            Err(Unreadable::Newer(newer)) => return Err(QueueError::Newer { path: self.path(&path), newer }),
        };
        if let Some(rows) = extent.rows {
            if !is_ours && self.is_wanted(&envelope.id) {
                return Ok(Taken::Contended);
            }
            return match self.take_rows(home, spot, (Arc::new(file), envelope, rows), hand)? {
                Reached::Claim(claim) => Ok(Taken::Head(claim)),
                Reached::Contended => Ok(Taken::Contended),
                Reached::Gone => Ok(Taken::Gone),
            };
        }
        let journal = Journal::open(&home, &envelope.id, envelope.recipients.len())
            .map_err(|error| self.failed("read", &journal_file(&envelope.id))(error))?;
        fault::point("claim.taken").map_err(self.failed("claim", &path))?;
        Ok(Taken::Claim(Box::new(SpoolClaim {
            queue: self,
            home,
            spot: spot.clone(),
            path,
            file: Arc::new(file),
            held,
            envelope,
            extent,
            apart: OnceLock::new(),
            journal,
            _hand: hand,
        })))
    }
}

impl SpoolClaim<'_> {
    /// Where the entry lies.
    pub fn spot(&self) -> &Spot {
        &self.spot
    }

    /// Moves the entry within its state to another due time.
    pub fn reschedule(self, due: Micros) -> Result<(), QueueError> {
        let spot = Spot { state: self.spot.state, name: EntryName::new(due, self.spot.name.id.clone()) };
        self.move_to(&spot).map_err(self.queue.failed("rename", &self.spot.path()))
    }

    pub(super) fn move_to(&self, to: &Spot) -> io::Result<()> {
        if *to == self.spot {
            return Ok(());
        }
        fault::point("settle.rename")?;
        self.home.ensure_folder(&to.folder())?;
        dir::rename_new(self.home.dir(), self.home.inner(&self.path), self.home.inner(&to.path()))?;
        fault::instant("settle.renamed");
        Ok(())
    }

    pub(super) fn remove(&mut self) -> io::Result<()> {
        if self.journal.exists() && !self.journal.history.all_closed() {
            // One recipient's delivery is in no journal yet, and a journal that is left behind open is nobody's to remove. A
            // full disk may refuse it, and no unlink.
            self.close_in_journal(crate::sys::clock::now());
        }
        self.queue.mark_key(&self.envelope.id)?;
        fault::point("settle.unlink")?;
        dir::unlink(self.home.dir(), self.home.inner(&self.path))?;
        fault::instant("settle.unlinked");
        if self.journal.exists() {
            self.queue.leave_journal(&self.envelope.id);
        }
        Ok(())
    }

    /// Closes every recipient of a delivered entry in the journal, so that nobody is in doubt whether it still waits.
    fn close_in_journal(&mut self, now: Micros) {
        let all: Vec<usize> = (0..self.envelope.recipients.len()).collect();
        let note = AttemptNote {
            number: self.attempts().saturating_add(1),
            at: now,
            waited: self.waited(now),
            next: None,
            results: vec![(all, Verdict::Delivered(None))],
        };
        // If this fails, what comes is an unlink; if that fails too, the run still passes the entry over.
        let _ = self.journal.note(&self.home, &self.envelope.id, &note);
    }

    /// Names the journal where a step on it failed, and not before.
    fn journal_failed(&self, doing: &'static str) -> impl FnOnce(io::Error) -> QueueError {
        move |error| self.queue.failed(doing, &journal_file(&self.envelope.id))(error)
    }
}

impl Claim for SpoolClaim<'_> {
    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn due(&self) -> Micros {
        self.spot.name.due
    }

    fn attempts(&self) -> u32 {
        self.journal.history.attempts()
    }

    fn waited(&self, now: Micros) -> Duration {
        self.journal.history.waited(now)
    }

    fn open(&self) -> Vec<usize> {
        (0..self.envelope.recipients.len()).filter(|&i| self.journal.history.is_open(i)).collect()
    }

    fn in_flight(&self) -> Vec<usize> {
        self.journal.history.in_flight.iter().copied().collect()
    }

    fn any(&self, kind: Kind) -> bool {
        self.journal.history.any(kind)
    }

    // Every recipient of an entry gets the same message.
    fn size(&self, _group: &[usize]) -> u64 {
        self.extent.len
    }

    fn last_reason(&self, _group: &[usize]) -> Option<&Reason> {
        self.journal.history.attempt.as_ref()?.results.iter().find_map(|result| result.reason.as_ref())
    }

    fn is_post(&self) -> bool {
        self.extent.apart
    }

    fn message(&self, _group: &[usize], by_position: bool) -> Result<Message, NoMessage> {
        let Extent { len, .. } = self.extent;
        let start = if self.extent.apart { 0 } else { self.extent.start };
        let open = if self.extent.apart { self.apart.get() } else { Some(&self.file) };
        if let (true, Some(file)) = (by_position, open) {
            return Ok(match &self.held {
                Some(held) if !self.extent.apart => Message::of_memory(Arc::clone(held), start, len),
                Some(_) | None => Message::of_file(Arc::clone(file), start, len),
            });
        }
        let path = if self.extent.apart { message_path(&self.envelope.id) } else { self.path.clone() };
        // By name: it is ours as long as we hold the claim. A copy of our descriptor would share its lock with a sendmail
        // that backgrounds itself.
        let file = dir::open_file(self.home.dir(), self.home.inner(&path), dir::Open::Read);
        let file = file.and_then(|file| self.extent.of_message(file)).map_err(self.queue.failed("open", &path))?;
        let file = Arc::new(file);
        // Whoever reads by position leaves it to the next.
        if by_position {
            let _ = self.apart.set(Arc::clone(&file));
        }
        Ok(Message::of_file(file, start, len))
    }

    fn job_was_moved(&self) -> bool {
        self.home.job_was_moved()
    }

    fn begin(&mut self, group: Vec<usize>, now: Micros) -> Result<Begun, QueueError> {
        // An entry with one recipient has no journal until its first verdict other than delivered: its name is enough.
        if self.envelope.recipients.len() == 1 && !self.queue.announces {
            return Ok(Begun { group, mark: None });
        }
        let mark = self.journal.begin(&self.home, &self.envelope.id, &group, now);
        let mark = mark.map_err(self.journal_failed("write"))?;
        let begun = Begun { group, mark: Some(mark) };
        if self.queue.announces
            && let Err(error) = self.journal.sync(&self.home, &self.envelope.id)
        {
            let error = self.journal_failed("sync")(error);
            // If not even this can be written, it is held in vain.
            let _ = self.answer(begun, None);
            return Err(error);
        }
        Ok(begun)
    }

    fn answer(&mut self, begun: Begun, verdicts: Option<&[Verdict]>) -> Result<(), QueueError> {
        let Some(mark) = begun.mark else { return Ok(()) };
        let answered = self.journal.answer(mark, &begun.group, verdicts);
        answered.map_err(self.journal_failed("write"))
    }

    fn note(&mut self, attempt: &AttemptNote) -> Result<(), QueueError> {
        let noted = self.journal.note(&self.home, &self.envelope.id, attempt);
        noted.map_err(self.journal_failed("write"))
    }

    fn known(&self) -> Known<'_> {
        let History { last, noticed, removed, .. } = &self.journal.history;
        let recipients = self.envelope.recipients.len();
        Known { recipients, last, noticed, removed: *removed, is_post: self.is_post() }
    }

    fn statuses(&self, recipients: &[usize]) -> Result<Vec<RecipientStatus>, QueueError> {
        let mut last: HashMap<usize, (Micros, Option<Reason>)> = HashMap::new();
        let mut each = |attempt: &AttemptLine| {
            // A delivery is here for its reply, or not at all: notices do not depend on that.
            for result in attempt.results.iter().filter(|result| result.verdict != Kind::Delivered.name()) {
                last.extend(result.group.iter().map(|&i| (i, (attempt.at, result.reason.clone()))));
            }
        };
        self.queue.history(&self.envelope.id, self.envelope.recipients.len(), &mut each)?;
        let status = |&i: &usize| {
            let (at, reason) = last.remove(&i).map_or((None, None), |(at, reason)| (Some(at), reason));
            Some(RecipientStatus { recipient: self.envelope.recipients.get(i)?.clone(), at, reason })
        };
        Ok(recipients.iter().filter_map(status).collect())
    }

    fn noticed(&mut self, about: About, recipients: &[usize], now: Micros) -> Result<(), QueueError> {
        let noted = self.journal.noticed(&self.home, &self.envelope.id, about, recipients, now);
        noted.map_err(self.journal_failed("write"))
    }

    fn settle(mut self, end: End) -> Result<(), Stuck<Self>> {
        let id = self.envelope.id.clone();
        let at = |state, due| Spot { state, name: EntryName::new(due, id.clone()) };
        let settled = match end {
            End::Delivered => self.remove(),
            End::Deferred { due } => self.move_to(&at(State::Ready, due)),
            End::Failed => self.move_to(&at(State::Failed, self.due())),
            End::Held => self.move_to(&at(State::Hold, self.due())),
        };
        if let Err(error) = settled {
            if end == End::Delivered && !self.journal.history.all_closed() {
                self.close_in_journal(crate::sys::clock::now());
            }
            let error = self.queue.failed("settle", &self.path)(error);
            return Err(Stuck { claim: self, error });
        }
        if let Some(Ok(bytes)) = self.held.take().map(Arc::try_unwrap) {
            *locked(&self.queue.spare) = bytes;
        }
        // Closed here, at the end, but for what is closed later.
        let _file = match end {
            End::Delivered => speed::close_later(self.queue, self.file, self.extent.len),
            End::Deferred { .. } | End::Failed | End::Held => Some(self.file),
        };
        self.queue.tidy_if_many();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
