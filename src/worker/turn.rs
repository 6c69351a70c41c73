//! The turn of a hand-over, asked for before each group ([`Infeed::admit`]): the queue was not stopped, the run goes on, the
//! entry's job was neither paused nor cancelled, its window is open, and there are a token of the job's, the queue's and the
//! transport's rate and one of the transport's sessions (see [`pace`](super::pace)). A worker waits for the last two; for a
//! token of the job's own rate the entry waits ([`resting`](super::resting)), while the worker takes other mail.
//!
//! What holds: a token is taken last and at once before the hand-over; one that was taken is not given back. Whoever waits
//! has one claim, has announced nothing, and ends at once when told to: its entry is still due. The board knows that such a
//! worker does not hang, and nothing is sent ahead of a wait.
//!
//! The next row of a merge may have its turn before the last one is answered, if nothing must be waited for: then both are
//! told by one record, and right before the hand-over it is looked whether a person stopped the queue or the job, or its window has closed.
//!
//! In a doubt (see `doubt`) the probes go by turns of their own, and wait for no token.

use std::time::{Duration, Instant};

use super::board::Counter;
use super::context::{Context, MARGIN};
use super::pace::failed;
use crate::model::Attempt;
use crate::queue::{Claim, Queue, QueueError};
use crate::sys::slots::HeldSlot;
use crate::transport::Transport;

/// How late a waiting worker may notice that its queue was stopped, or that the clock was set.
pub(super) const LOOK: Duration = Duration::from_millis(250);

/// How late a worker may notice that a doubt is over, or that it is its turn to probe.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// Before a longer wait the way into the sink is closed.
const IDLE: Duration = Duration::from_secs(10);

/// How long a worker gives way to others the first time; each time in a row twice as long, up to 16 seconds.
const CROWDED: Duration = Duration::from_millis(500);

/// A worker's infeed: its way into the sink.
#[derive(Default)]
pub(super) struct Infeed {
    /// The transport's session that this worker holds, where their number is limited.
    session: Option<HeldSlot>,
    /// How often in a row the sink had no place for this worker.
    crowded: u32,
}

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The claim may be handed over.
    Ours,
    /// There is no token of its job's own rate: other mail may be handed over meanwhile.
    Paced,
    /// Its job's window is closed.
    Closed,
    /// Its job was paused or cancelled, or nothing more is handed over.
    Dropped,
    /// A person stopped the queue.
    Stopped,
}

impl Infeed {
    /// Waits for the turn of `claim`, and for a session, which is held from then on.
    pub fn admit<Q: Queue>(
        &mut self,
        context: &Context<'_, Q>,
        claim: &Q::Claim,
        transport: &mut dyn Transport,
    ) -> Result<Turn, QueueError> {
        let (doubts, pace) = (context.board.doubts(), context.pace);
        let (mut taken, mut waited) = (0, false);
        loop {
            match looked_at(context, claim)? {
                Turn::Ours => {}
                lost @ (Turn::Stopped | Turn::Dropped | Turn::Closed | Turn::Paced) => return Ok(lost),
            }
            let in_doubt = doubts.are_paced();
            // A worker that has not waited had its turn before it claimed.
            let probe = in_doubt && (!waited || doubts.take_turn(context.policy.probe_every));
            let (job, wait) = (claim.bucket(), pace.wait(claim.bucket(), taken));
            if !probe && !wait.is_zero() {
                if !waited {
                    context.board.add(Counter::Paced, 1);
                }
                if taken == 0 && !in_doubt && pace.has_tokens(None) {
                    return Ok(Turn::Paced);
                }
                waited = true;
                context.slot.paced(MARGIN);
                self.rest(context, transport, wait, if in_doubt { PAUSE } else { LOOK });
                continue;
            }
            if !self.has_session(context, claim)? {
                return Ok(Turn::Dropped);
            }
            // The session may have been waited for.
            if claim.is_closed()? {
                return Ok(Turn::Closed);
            }
            if pace.take(job, &mut taken) || probe {
                return Ok(Turn::Ours);
            }
        }
    }

    /// Waits for a token, which comes after `wait`: at most `look`.
    pub fn rest<Q: Queue>(
        &mut self,
        context: &Context<'_, Q>,
        transport: &mut dyn Transport,
        wait: Duration,
        look: Duration,
    ) {
        // No sink likes to wait for long, nor does whoever needs the session.
        if wait > IDLE {
            transport.close();
        }
        self.end_session(context, transport);
        context.queue.let_synced_go();
        // Whatever ends the wait, we look again.
        let _ = context.signals.wait(None, wait.min(look));
    }

    /// Whether the turn of the next row has come, on the session that is open, without a wait; then its tokens are taken.
    /// Whether a person stopped it is looked at later, right before the hand-over.
    pub fn admits_now<Q: Queue>(&self, context: &Context<'_, Q>, claim: &Q::Claim, transport: &dyn Transport) -> bool {
        let has_session = match (&context.pace.sessions, &self.session) {
            (Some(slots), Some(_)) => !slots.are_wanted(),
            (Some(_), None) => false,
            (None, _) => true,
        };
        transport.is_open()
            && has_session
            && !context.is_over()
            && context.board.doubts().since().is_none()
            && context.pace.has_tokens(claim.bucket())
            && context.pace.take(claim.bucket(), &mut 0)
    }

    /// Waits for a session, where their number is limited; `false` if told to stop meanwhile, or if the claim was left.
    fn has_session<Q: Queue>(&mut self, context: &Context<'_, Q>, claim: &Q::Claim) -> Result<bool, QueueError> {
        let (Some(slots), None) = (&context.pace.sessions, &self.session) else { return Ok(true) };
        let go_on = || {
            context.slot.paced(MARGIN);
            context.queue.let_synced_go();
            !context.is_over() && !context.queue.is_stopped() && !claim.job_was_moved()
        };
        let session = slots.take(context.signals, &go_on).map_err(failed("take a session", String::new()))?;
        // It may have been waited for.
        if session.is_none() || !go_on() {
            return Ok(false);
        }
        self.session = session;
        Ok(true)
    }

    /// Takes note of how the sink took a hand-over. Where it has no place for this worker and one for others, it is as
    /// parallel as it likes; else it is down.
    pub fn took<Q: Queue>(&mut self, context: &Context<'_, Q>, answer: &Attempt) {
        match answer {
            Attempt::SinkDown(_) if context.board.another_is_open(context.slot) => {
                self.crowded = self.crowded.saturating_add(1);
            }
            Attempt::SinkDown(why) => context.board.sink_down(why),
            Attempt::Answered(_) | Attempt::Doubtful(_) | Attempt::Stopped => self.crowded = 0,
        }
    }

    /// Until when to give way to others, if the sink had no place for this worker.
    pub fn gives_way_until(&self) -> Option<Instant> {
        let wait = CROWDED.saturating_mul(1 << self.crowded.min(5));
        (self.crowded > 0).then(|| Instant::now() + wait)
    }

    /// Lets the session go after a hand-over, unless the way into the sink stays open and nobody waits for one.
    pub fn end_session<Q: Queue>(&mut self, context: &Context<'_, Q>, transport: &mut dyn Transport) {
        let Some(slots) = context.pace.sessions.as_ref().filter(|_| self.session.is_some()) else { return };
        if transport.is_open() && slots.are_wanted() {
            transport.close();
        }
        if !transport.is_open() {
            self.session = None;
        }
    }

    /// Lets the session go.
    pub fn leave(&mut self) {
        self.session = None;
    }
}

/// Whether nobody stopped the queue, the run or the entry's job, and its window is open, this very moment.
pub(super) fn looked_at<Q: Queue>(context: &Context<'_, Q>, claim: &Q::Claim) -> Result<Turn, QueueError> {
    if context.queue.is_stopped() {
        return Ok(Turn::Stopped);
    }
    if context.is_over() || claim.job_was_moved() {
        return Ok(Turn::Dropped);
    }
    Ok(if claim.is_closed()? { Turn::Closed } else { Turn::Ours })
}
