//! Pace: before each hand-over a worker waits for a token of its queue's and its transport's rate, and for one of the
//! transport's sessions.
//!
//! What holds: the tokens are counted in files that every worker maps (see [`rate`](crate::policy::rate) for the bound), so
//! a limit holds over all workers, queues and runs together. A token is taken last and at once before the hand-over; one
//! that was taken is not given back. Whoever waits has one claim, has announced nothing, and ends at once when told to:
//! its entry is still due. The board knows that such a worker does not hang, and nothing is sent ahead of a wait.
//!
//! In a doubt (see [`super::doubt`]) the probes go by turns of their own, and wait for no token.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::board::Counter;
use super::{MARGIN, Worker, doubt};
use crate::config;
use crate::model::Micros;
use crate::policy::rate::Rate;
use crate::queue::{Claim, Queue, QueueError};
use crate::sys::slots::Slots;
use crate::sys::{clock, dir, shared};
use crate::transport::Transport;

/// How late a waiting worker may notice that its queue was stopped, or that the clock was set.
const LOOK: Duration = Duration::from_millis(250);

/// Before a longer wait the way into the sink is closed.
const IDLE: Duration = Duration::from_secs(10);

/// The tokens of one rate.
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    state: &'static AtomicU64,
}

impl Bucket {
    /// The bucket whose state is the file `name` in `folder`.
    pub fn open(folder: &File, name: &str, rate: Rate) -> io::Result<Bucket> {
        Ok(Bucket { rate, state: shared::in_file(folder, name)? })
    }

    /// How long until there is a token; zero if there is one, which is then taken if it is meant to be.
    pub fn ask(&self, take: bool, clock: impl Fn() -> Micros) -> Duration {
        loop {
            let seen = self.state.load(Ordering::Acquire);
            // Read after the state: whoever wrote that had read its clock before.
            let turn = self.rate.ask(seen, clock());
            let next = if take || !turn.wait.is_zero() { turn.state } else { seen };
            // Without a token only the state of a wrong clock changes.
            if next == seen || self.state.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return turn.wait;
            }
        }
    }
}

/// What keeps the workers of one queue from handing over too fast. Opened before they are forked.
#[derive(Debug, Default)]
pub struct Pace {
    buckets: Vec<Bucket>,
    sessions: Option<Slots>,
}

impl Pace {
    /// The limits of the queue `name` and of its transport; `folder` opens the spool's `pace/`, if there are any.
    pub fn open(
        name: &str,
        queue: &config::Queue,
        transport: Option<&config::Pace>,
        folder: impl FnOnce() -> Result<File, QueueError>,
    ) -> Result<Pace, QueueError> {
        let way = transport.cloned().unwrap_or_default();
        if queue.rate.is_none() && way == config::Pace::default() {
            return Ok(Pace::default());
        }
        let (folder, through) = (folder()?, format!("transport.{}", queue.transport));
        let rates = [(format!("queue.{name}"), queue.rate), (through.clone(), way.rate)];
        let open = |(name, rate): (String, Option<Rate>)| {
            let bucket = Bucket::open(&folder, &name, rate?);
            Some(bucket.map_err(failed("open the rate's state", name)))
        };
        let buckets = rates.into_iter().filter_map(open).collect::<Result<_, _>>()?;
        let slots = |count| dir::open_at(&folder, ".").and_then(|folder| Slots::open(folder, &through, count));
        let sessions = way.sessions.map(slots).transpose().map_err(failed("open the sessions", through.clone()))?;
        Ok(Pace { buckets, sessions })
    }

    /// How long until there is a token of each but the first `taken`, which are had.
    fn wait(&self, taken: usize) -> Duration {
        self.buckets[taken..].iter().map(|bucket| bucket.ask(false, clock::now)).max().unwrap_or_default()
    }

    /// Whether a hand-over would not have to wait for a token now.
    pub(super) fn has_tokens(&self) -> bool {
        self.wait(0).is_zero()
    }

    /// Takes what is still missing; `false` if somebody else was faster.
    fn take(&self, taken: &mut usize) -> bool {
        while let Some(bucket) = self.buckets.get(*taken) {
            if !bucket.ask(true, clock::now).is_zero() {
                return false;
            }
            *taken += 1;
        }
        true
    }
}

fn failed(doing: &'static str, name: String) -> impl FnOnce(io::Error) -> QueueError {
    move |source| QueueError::Io { doing, path: PathBuf::from("pace").join(name), source }
}

impl<Q: Queue> Worker<'_, Q> {
    /// Waits for the turn of the claim in hand, and for a session, which is held from then on; `false` if told to stop
    /// meanwhile, or if the claim's job was paused or cancelled.
    pub(super) fn admit(&mut self, claim: &Q::Claim, transport: &mut dyn Transport) -> Result<bool, QueueError> {
        let doubts = self.board.doubts();
        let (mut taken, mut waited) = (0, false);
        while !self.must_stop_now() && !claim.is_left() {
            let in_doubt = doubts.are_paced();
            // Whoever has not waited has had its turn before it claimed.
            let probe = in_doubt && (!waited || doubts.take_turn(self.policy.probe_every));
            let wait = self.pace.wait(taken);
            if !probe && !wait.is_zero() {
                if !waited {
                    self.board.add(Counter::Paced, 1);
                }
                waited = true;
                self.slot.paced(MARGIN);
                // No sink likes to wait for long, nor does whoever needs the session.
                if wait > IDLE {
                    transport.close();
                }
                self.end_session(transport);
                // Whatever ends the wait, we look again.
                let _ = self.signals.wait(None, if in_doubt { doubt::PAUSE } else { wait.min(LOOK) });
                continue;
            }
            if let (Some(slots), None) = (&self.pace.sessions, &self.session) {
                let go_on = || {
                    self.slot.paced(MARGIN);
                    !self.must_stop() && !self.queue.is_stopped() && !claim.is_left()
                };
                let session = slots.take(self.signals, &go_on).map_err(failed("take a session", String::new()))?;
                // It may have been waited for.
                if session.is_none() || !go_on() {
                    break;
                }
                self.session = session;
            }
            if self.pace.take(&mut taken) || probe {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lets the session go after a hand-over, unless the way into the sink stays open and nobody waits for one.
    pub(super) fn end_session(&mut self, transport: &mut dyn Transport) {
        let Some(slots) = self.pace.sessions.as_ref().filter(|_| self.session.is_some()) else { return };
        if transport.is_open() && slots.are_wanted() {
            transport.close();
        }
        if !transport.is_open() {
            self.session = None;
        }
    }
}
