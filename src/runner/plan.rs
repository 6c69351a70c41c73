//! One queue's part of a run: all that its supervisor is given at the fork, and the board that it shares with main.
//!
//! What holds: a plan has no descriptor of its queue. Main has none open when it forks; each supervisor opens its own by name
//! after its fork, and a worker opens what its supervisor has.

use std::path::PathBuf;

use super::args::Args;
use super::headcount;
use crate::config::{self, OnCrash, Site};
use crate::policy::retry;
use crate::queue::QueueError;
use crate::spool::{Spool, SpoolQueue};
use crate::worker::board::Board;

/// One queue's part of a run, before it is forked.
pub(super) struct Plan<'a> {
    pub name: String,
    pub policy: &'a config::Queue,
    pub transport: &'a config::Transport,
    /// Why nothing is handed over.
    pub no_way_out: Option<String>,
    pub pace: Option<&'a config::TransportPace>,
    pub notices: &'a config::Notices,
    pub bounces: &'a config::Bounces,
    /// The patterns of senders that VERP makes here, each once.
    pub verp: Vec<String>,
    pub online: Option<&'a config::Online>,
    pub limits: &'a config::Limits,
    pub drop: &'a config::DropBounds,
    pub syslog: bool,
    pub workers: usize,
    /// Counted from 0, so that the queues' first workers do not all stay on the same processor.
    pub number: usize,
    pub spool: PathBuf,
    pub board: Board,
    pub verbose: bool,
    /// The run has a time of its own: a sink that is down is waited for.
    pub patient: bool,
}

impl Plan<'_> {
    /// Opens the plan's queue; each supervisor does so after its fork. `None`: it is not there.
    pub fn open(&self) -> Result<Option<(Spool, SpoolQueue)>, QueueError> {
        let Some(spool) = Spool::open(&self.spool)? else { return Ok(None) };
        let queue = spool.existing_queue(&self.name)?;
        Ok(queue.map(|queue| (spool, by_policy(queue, self.policy))))
    }
}

/// The queue with what its policy says of its entries.
pub(super) fn by_policy(queue: SpoolQueue, policy: &config::Queue) -> SpoolQueue {
    queue.with_horizon(retry::horizon(policy.retry.max)).announcing(policy.on_crash == OnCrash::Hold)
}

/// A plan for each of the queues `names` that the configuration has and that `needs` one, with a board of its own. The
/// others count where workers are shared out: another run may be at work there.
pub(super) fn plans<'a>(
    site: &'a Site,
    names: &[String],
    needs: &dyn Fn(&str) -> bool,
    args: &Args,
) -> anyhow::Result<Vec<Plan<'a>>> {
    let mut plans = Vec::new();
    if !names.iter().any(|name| needs(name)) {
        return Ok(plans);
    }
    let counts = headcount::counts(&site.config, names, args.workers);
    for (number, name) in names.iter().enumerate().filter(|(_, name)| needs(name)) {
        let Some(policy) = site.config.queues.get(name) else { continue };
        let Some(transport) = site.config.transports.get(&policy.transport) else { continue };
        let workers = counts.get(name).copied().unwrap_or(1);
        plans.push(Plan {
            name: name.clone(),
            policy,
            transport,
            no_way_out: site.config.no_way_out(name),
            pace: site.config.paces.get(&policy.transport),
            notices: &site.config.notices,
            bounces: &site.config.bounces,
            verp: site.config.verp_patterns(),
            online: site.config.online.as_ref().filter(|_| !matches!(transport, config::Transport::Maildir { .. })),
            limits: &site.config.limits,
            drop: &site.config.drop,
            syslog: site.config.events.syslog,
            workers,
            number,
            spool: site.spool.clone(),
            board: Board::new(workers)?,
            verbose: args.verbose,
            patient: args.max_runtime.is_some(),
        });
    }
    Ok(plans)
}
