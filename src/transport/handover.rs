//! A hand-over: what a transport is given, what it may look at ahead, and what it promises.

use std::time::Duration;

use crate::model::verdict::{Blame, Doubtful};
use crate::model::{Address, Attempt, Envelope, Reason, Verdict};
use crate::policy::blame;
use crate::policy::notice::About;
use crate::queue::Message;
use crate::sys::signals::Signals;

/// One group of an entry's recipients, about to be handed over.
#[derive(Debug)]
pub struct Handover<'a> {
    pub envelope: &'a Envelope,
    /// The envelope sender for this group: the envelope's own, or with VERP its one recipient's.
    pub sender: Option<&'a Address>,
    /// Positions in `envelope.recipients`; at least one.
    pub group: &'a [usize],
    pub message: Message,
}

/// The envelope of a hand-over whose message is not opened yet: to whom, from whom, how large.
#[derive(Clone, Copy, Debug)]
pub struct NextHandover<'a> {
    pub envelope: &'a Envelope,
    /// As in [`Handover`].
    pub sender: Option<&'a Address>,
    /// As in [`Handover`].
    pub group: &'a [usize],
    /// Bytes of the message.
    pub size: u64,
    /// Its header needs SMTPUTF8 (RFC 6532).
    pub utf8: bool,
}

/// Shows what will probably be handed over after what is in hand.
pub type Next<'n> = dyn FnMut(Lookahead, &mut dyn FnMut(NextHandover<'_>)) + 'n;

/// How far one looks for what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookahead {
    /// What is known already, or found out as soon as a file is opened.
    AtHand,
    /// Whatever there is, however long that takes.
    Far,
}

/// An open way into a sink.
///
/// Kept true by each: nothing is called delivered that the sink has not taken; an answer that never came is
/// [`Verdict::Unknown`]; a fault of the sink itself is [`Attempt::SinkDown`] and blames no entry, and what may be the sink's
/// fault, the entry's or this host's is [`Attempt::Doubtful`].
pub trait Transport {
    /// Looks whether the sink can be reached at all, without handing anything over. The error says what is wrong.
    fn probe(&self) -> Result<(), String>;

    /// How many of the first recipients in `group` fit into one hand-over; at least 1.
    fn fit(&self, envelope: &Envelope, group: &[usize]) -> usize;

    /// Whether a group gets one verdict for all, as from an exit status, so that one bad recipient refuses the others.
    fn shares_verdicts(&self) -> bool;

    /// Whether the sink makes the senders of VERP itself, of patterns that
    /// [`verp_delimiters`](crate::model::envelope::verp_delimiters) knows, so that groups stay together and get the
    /// envelope's own.
    fn verp(&self) -> bool {
        false
    }

    /// Whether a message is read in this process alone, and by position alone; else its file is given away.
    fn reads_by_position(&self) -> bool {
        false
    }

    /// What a delivery is to a sender who asked to be told of success; `None` where the sink is told that he asked
    /// (RFC 3461).
    fn success(&self) -> Option<About>;

    /// The longest that one [`Transport::send`] may take.
    fn longest(&self) -> Duration;

    /// Hands the group over. An answer has one verdict a recipient of the group. The transport may ask what comes `next`,
    /// until it is shown something, and prepare that: far only while the sink considers the message.
    fn send(&mut self, handover: Handover<'_>, next: &mut Next<'_>, signals: &Signals) -> Attempt;

    /// Whether it keeps sessions with the sink, of which that may allow few.
    fn has_sessions(&self) -> bool {
        false
    }

    /// Whether a way into the sink stays open between two hand-overs.
    fn is_open(&self) -> bool {
        false
    }

    /// Closes it.
    fn close(&mut self) {}
}

/// The same verdict for each of `count` recipients.
pub(super) fn all(verdict: Verdict, count: usize) -> Attempt {
    Attempt::Answered(vec![verdict; count])
}

/// A refusal of `count` recipients for now, as of a sink that is down.
pub(super) fn not_now(reason: Reason, count: usize) -> Attempt {
    let cause = blame::cause_by_words(&reason);
    Attempt::Doubtful(Doubtful { verdicts: vec![Verdict::Deferred(reason); count], blame: Blame::Sink, cause })
}
