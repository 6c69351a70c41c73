//! Pace: how fast a queue and a transport are handed mail at most, and through how many sessions.
//!
//! What holds: the tokens are counted in files that every worker maps (see [`rate`](crate::policy::rate) for the bound), so
//! a limit holds over all workers, queues and runs together.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::config;
use crate::model::Micros;
use crate::policy::rate::Rate;
use crate::queue::QueueError;
use crate::sys::slots::Slots;
use crate::sys::{clock, dir, shared};

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
            let allowance = self.rate.ask(seen, clock());
            let next = if take || !allowance.wait.is_zero() { allowance.state } else { seen };
            // Without a token only the state of a wrong clock changes.
            if next == seen || self.state.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return allowance.wait;
            }
        }
    }
}

/// What keeps the workers of one queue from handing over too fast. Opened before they are forked.
#[derive(Debug, Default)]
pub struct Pace {
    buckets: Vec<Bucket>,
    pub(super) sessions: Option<Slots>,
}

impl Pace {
    /// The limits of the queue `name` and of its transport; `folder` opens the spool's `pace/`, if there are any.
    pub fn open(
        name: &str,
        queue: &config::Queue,
        transport: Option<&config::TransportPace>,
        folder: impl FnOnce() -> Result<File, QueueError>,
    ) -> Result<Pace, QueueError> {
        let way = transport.cloned().unwrap_or_default();
        if queue.rate.is_none() && way == config::TransportPace::default() {
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
    pub(super) fn wait(&self, taken: usize) -> Duration {
        self.buckets[taken..].iter().map(|bucket| bucket.ask(false, clock::now)).max().unwrap_or_default()
    }

    /// Whether a hand-over would not have to wait for a token now.
    pub(super) fn has_tokens(&self) -> bool {
        self.wait(0).is_zero()
    }

    /// Takes what is still missing; `false` if somebody else was faster.
    pub(super) fn take(&self, taken: &mut usize) -> bool {
        while let Some(bucket) = self.buckets.get(*taken) {
            if !bucket.ask(true, clock::now).is_zero() {
                return false;
            }
            *taken += 1;
        }
        true
    }
}

pub(super) fn failed(doing: &'static str, name: String) -> impl FnOnce(io::Error) -> QueueError {
    move |source| QueueError::Io { doing, path: PathBuf::from("pace").join(name), source }
}
