//! Pace: how fast a queue and a transport are handed mail at most, and through how many sessions.
//!
//! What holds: the tokens are counted in files that every worker maps (see [`rate`](crate::policy::rate) for the bound), so
//! a limit holds over all workers, queues and runs together. A job may have a rate of its own beside; its token is taken
//! first.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::config;
use crate::policy::rate::Rate;
use crate::queue::{Bucket, QueueError};
use crate::sys::slots::Slots;
use crate::sys::{clock, dir};

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

    /// How long until there is a token of each but the first `taken`, which are had; `job` has those of the job, if it has any.
    pub(super) fn wait(&self, job: Option<&Bucket>, taken: usize) -> Duration {
        self.all(job).skip(taken).map(|bucket| bucket.ask(false, clock::now)).max().unwrap_or_default()
    }

    /// Whether a hand-over would not have to wait for a token now.
    pub(super) fn has_tokens(&self, job: Option<&Bucket>) -> bool {
        self.wait(job, 0).is_zero()
    }

    /// Takes what is still missing; `false` if somebody else was faster.
    pub(super) fn take(&self, job: Option<&Bucket>, taken: &mut usize) -> bool {
        for bucket in self.all(job).skip(*taken) {
            if !bucket.ask(true, clock::now).is_zero() {
                return false;
            }
            *taken += 1;
        }
        true
    }

    fn all<'b>(&'b self, job: Option<&'b Bucket>) -> impl Iterator<Item = &'b Bucket> {
        job.into_iter().chain(&self.buckets)
    }
}

pub(super) fn failed(doing: &'static str, name: String) -> impl FnOnce(io::Error) -> QueueError {
    move |source| QueueError::Io { doing, path: PathBuf::from("pace").join(name), source }
}
