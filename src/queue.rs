//! What a worker knows of a queue. Whatever keeps the mail stands behind these two traits.
//!
//! What an implementation keeps true:
//! - A claim is exclusive: while it lives, nobody else gets the entry, in this process or another. It ends with its
//!   holder, however the holder ends.
//! - What a claim was told by [`Claim::answer`] is known to the next holder of the entry, also after a crash.
//! - Recipients of a merge's entry are rows: each is handed over alone, with attempts and times of its own
//!   ([`Claim::has_rows`]). They are closed, held and due one by one.
//! - [`Claim::settle`] consumes the claim; one of an entry that could not be settled comes back inside [`Stuck`], so that
//!   it is let go only when everybody knows to pass it over.

mod bucket;
mod error;
mod message;

use std::io::{self, Write};
use std::time::Duration;

pub use self::bucket::Bucket;
pub use self::error::QueueError;
pub use self::message::{Content, Message, NoMessage};
use crate::model::format::Newer;
use crate::model::verdict::Kind;
use crate::model::{Address, EntryId, Envelope, Micros, Reason, RowSummary, Verdict};
use crate::policy::notice::{About, RecipientStatus};
use crate::policy::told::Known;

/// Which entries a claim may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Single entries and those of jobs, in turn.
    Any,
    /// The same, if the next name is known already; nothing is searched.
    AtHand,
    /// A single entry. Where there is none this costs next to nothing, so that it may be asked often.
    Single,
}

/// What one claim attempt brought.
#[derive(Debug)]
pub enum Found<C> {
    Claim(C),
    /// It could not be read and was set aside.
    Corrupt {
        name: String,
        why: String,
    },
    /// It could not be claimed, and lies where it was.
    Fault {
        id: EntryId,
        error: QueueError,
    },
    /// A newer program made this entry or job, and it lies where it was.
    Newer {
        id: EntryId,
        newer: Newer,
    },
    /// Nothing yet: another worker reads the names, or the next entry is not to be taken. It may be asked again at once.
    Later,
    /// The pass is over.
    Nothing,
}

/// One group's hand-over that was announced with [`Claim::begin`] and must be answered.
#[must_use = "a hand-over that began must be answered"]
#[derive(Debug)]
pub struct Begun {
    /// Which recipients, as positions in the envelope.
    pub group: Vec<usize>,
    /// Where the journal says so, for queues that keep one.
    pub(crate) mark: Option<u64>,
}

/// What is told about one finished attempt on an entry, for its journal.
#[derive(Clone, Debug)]
pub struct AttemptNote {
    /// Counted from 1.
    pub number: u32,
    pub at: Micros,
    /// The time that counts towards expiry, up to this attempt.
    pub waited: Duration,
    /// When it is tried again, if it is.
    pub next: Option<Micros>,
    /// Recipients (as positions) and what came of them.
    pub results: Vec<(Vec<usize>, Verdict)>,
}

/// How an entry leaves the worker's hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every recipient was delivered to: the entry is removed.
    Delivered,
    /// Some recipient is open: tried again at `due`.
    Deferred { due: Micros },
    /// Every recipient is closed and at least one failed: kept for inspection.
    Failed,
    /// Set aside until a person decides; the reason was noted before.
    Held,
}

/// An entry that could not be settled, still claimed.
#[derive(Debug)]
pub struct Stuck<C> {
    pub claim: C,
    pub error: QueueError,
}

/// Notices to one sender that were held back in one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storm {
    pub sender: Address,
    pub since: Micros,
    pub held_back: u64,
    /// A line each, as far as they were kept.
    pub lines: Vec<String>,
}

/// One named stream of entries.
pub trait Queue {
    type Claim: Claim;
    /// A worker's way through the entries.
    type Cursor;

    /// The start of a pass.
    fn cursor(&self) -> Result<Self::Cursor, QueueError>;

    /// Claims the next entry that is due at `now`, of those that `which` asks for: single entries, and those of each job, in
    /// the order of their due times, ties by submission. `reach` is told of each before it is opened, and answers whether to
    /// take it. [`Found::Nothing`] of [`Which::Any`] ends the pass.
    fn claim(
        &self,
        cursor: &mut Self::Cursor,
        which: Which,
        now: Micros,
        reach: &mut dyn FnMut(&EntryId) -> bool,
    ) -> Result<Found<Self::Claim>, QueueError>;

    /// Has the names read anew soon: claims were let go without an attempt, and their entries come before those that were due
    /// later.
    fn look_again(&self);

    /// Lets go of entries that are settled and waited for a sync, if it has come. Asked by whoever waits for something else.
    fn let_synced_go(&self);

    /// Whether a person stopped it: nothing more may be handed over. Asked before each hand-over.
    fn is_stopped(&self) -> bool;

    /// Removes what settled entries leave behind, after making their removal durable.
    fn tidy(&self) -> Result<(), QueueError>;

    /// How many claims found somebody else's lock since the queue was opened.
    fn contended(&self) -> u64;

    /// Publishes an entry, due at `due`, with the message that `write` writes. One whose id counts once is published if it
    /// was not before.
    fn publish(
        &self,
        envelope: &Envelope,
        due: Micros,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), QueueError>;

    /// Whether an entry of this id, which counts once, was published, whatever became of it.
    fn knows(&self, id: &EntryId) -> Result<bool, QueueError>;

    /// Whether one more notice may go to `sender`, who gets at most `limit` in an hour; else it is held back, and `line`
    /// kept for a summary.
    fn admit(&self, sender: &Address, limit: u64, line: &str, now: Micros) -> Result<bool, QueueError>;

    /// Shows `each` the storms whose hour is over, and forgets those that it takes without an error.
    fn ended_storms(
        &self,
        now: Micros,
        each: &mut dyn FnMut(&Storm) -> Result<(), QueueError>,
    ) -> Result<(), QueueError>;
}

/// One entry in a worker's hand.
pub trait Claim: Sized {
    fn envelope(&self) -> &Envelope;

    /// The instant that it was due at.
    fn due(&self) -> Micros;

    /// How many attempts were made before; see [`Claim::own_attempts`].
    fn attempts(&self) -> u32;

    /// The time that counts towards expiry if an attempt is made at `now`: what was counted before, and the smaller of
    /// the real and the scheduled gap since the last attempt.
    fn waited(&self, now: Micros) -> Duration;

    /// The recipients that are still open, as positions in the envelope. Held ones are not among them, nor rows that are not due.
    fn open(&self) -> Vec<usize>;

    /// Those of them that were in flight when a former holder died, as far as that was announced.
    fn in_flight(&self) -> Vec<usize>;

    /// Whether this is the last word on some recipient, in this attempt or before.
    fn any(&self, kind: Kind) -> bool;

    /// Bytes of the message that `group` gets; as with [`Claim::message`]. 0 if it has none.
    fn size(&self, group: &[usize]) -> u64;

    /// Whether the header of the message that `group` gets is known to need SMTPUTF8 (RFC 6532).
    fn is_utf8(&self, _group: &[usize]) -> bool {
        false
    }

    /// Why the last attempt on it, or on this row, did not succeed, if there was one.
    fn last_reason(&self, group: &[usize]) -> Option<&Reason>;

    /// Whether its recipients are rows of a merge. Then a group is one row, [`Claim::note`] tells what came of it, each row is
    /// due by itself, and [`Claim::settle`] goes by what is known of the rows, whatever end it is given.
    fn has_rows(&self) -> bool {
        false
    }

    /// The attempts that were made on the row `recipient`, and its time that counts towards expiry, as with
    /// [`Claim::waited`]; `None` where recipients are no rows.
    fn own_attempts(&self, _recipient: usize, _now: Micros) -> Option<(u32, Duration)> {
        None
    }

    /// What came of its rows since it was submitted, and a number that grows with what came; `None` where recipients are no
    /// rows.
    fn row_summary(&self) -> Option<(u64, RowSummary)> {
        None
    }

    /// Whether it is part of a list post, whose message many entries share.
    fn is_post(&self) -> bool;

    /// The message that `group` gets, recipients as positions in the envelope: those of one hand-over, who get it together,
    /// or one recipient, whose message is read or returned. `by_position`: it is read in this process alone, and by position
    /// alone.
    ///
    /// Errors: it cannot be read, or this row has none.
    fn message(&self, group: &[usize], by_position: bool) -> Result<Message, NoMessage>;

    /// Whether its job was paused or cancelled since it was claimed, or somebody wants to act on its rows: nothing more of it
    /// may be handed over, and what was is settled as usual. Asked before each hand-over.
    fn job_was_moved(&self) -> bool;

    /// Whether its job has hours in which it is handed over, and these are not now. Asked before each hand-over. The entry is
    /// settled then, and due again when they begin.
    ///
    /// Errors: they are not known.
    fn is_closed(&self) -> Result<bool, QueueError> {
        Ok(false)
    }

    /// The tokens of its job's own rate, if it has one.
    fn bucket(&self) -> Option<&Bucket> {
        None
    }

    /// The turn of `group`, which comes next, was there before the last one is answered: where recipients are rows, the record
    /// of that answer announces it as well, if it can, and [`Claim::begin`] finds that done.
    fn admit_next(&mut self, _group: &[usize]) {}

    /// The group of [`Claim::admit_next`] is not handed over after all.
    fn take_back_next(&mut self) -> Result<(), QueueError> {
        Ok(())
    }

    /// Announces that `group` is handed over now. If this fails, nothing may be handed over.
    fn begin(&mut self, group: Vec<usize>, now: Micros) -> Result<Begun, QueueError>;

    /// Tells what came of it, one verdict a recipient; `None` if nothing was handed over after all.
    fn answer(&mut self, begun: Begun, verdicts: Option<&[Verdict]>) -> Result<(), QueueError>;

    /// Records a finished attempt; where recipients are rows, what came of some of them. Not needed where every recipient was delivered to.
    fn note(&mut self, attempt: &AttemptNote) -> Result<(), QueueError>;

    /// What is known of its recipients, to find out whom its sender has to be told of.
    fn known(&self) -> Known<'_>;

    /// What came of these recipients, by their last attempts.
    fn statuses(&self, recipients: &[usize]) -> Result<Vec<RecipientStatus>, QueueError>;

    /// Records that the sender was told of these recipients.
    fn noticed(&mut self, about: About, recipients: &[usize], now: Micros) -> Result<(), QueueError>;

    /// Lets the entry go in the way that `end` says.
    ///
    /// Errors: the entry lies where it was, and nobody may reach for it again in this run. One that was delivered is
    /// closed in its journal besides, so that no later run hands it over.
    fn settle(self, end: End) -> Result<(), Stuck<Self>>;

    fn id(&self) -> &EntryId {
        &self.envelope().id
    }
}
