//! How many workers each queue of a run has.

use std::collections::HashMap;

use crate::config::{self, Config};

/// A number of infeeds on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    Auto,
    Number(usize),
}

/// The most infeeds of one queue.
const WORKERS_MAX: usize = 256;

/// A number of infeeds, or "auto".
pub(super) fn parse(text: &str) -> Result<Workers, String> {
    match (text, text.parse::<usize>()) {
        ("auto", _) => Ok(Workers::Auto),
        (_, Ok(n)) if (1..=WORKERS_MAX).contains(&n) => Ok(Workers::Number(n)),
        (_, Ok(_) | Err(_)) => Err(format!("a number from 1 to {WORKERS_MAX}, or \"auto\"")),
    }
}

/// What "auto" stands for: twice the processors, at least 2, at most 16.
fn auto(transport: &config::Transport) -> usize {
    match transport {
        // A session waits for its server most of the time, and MTAs like several.
        config::Transport::Smtp(_) => 8,
        config::Transport::Ourselves { .. } => 1,
        config::Transport::Pipe { .. } | config::Transport::Command { .. } | config::Transport::Maildir { .. } => {
            std::thread::available_parallelism().map_or(2, |n| n.get() * 2).clamp(2, 16)
        }
    }
}

/// How many workers each of the queues `names` has: what was asked for on the command line, else by its configuration,
/// within the sessions of its way out and the bound of all queues together.
pub(super) fn counts<'n>(config: &Config, names: &'n [String], asked: Option<Workers>) -> HashMap<&'n String, usize> {
    let wanted = |policy: &config::Queue| {
        let auto = || config.transports.get(&policy.transport).map_or(1, auto);
        match asked {
            Some(Workers::Number(n)) => n,
            Some(Workers::Auto) => auto(),
            None => policy.workers.unwrap_or_else(auto),
        }
    };
    let shares = match config.limits.workers {
        Some(most) => shares(most, names, &|name| {
            let policy = config.queues.get(name)?;
            Some((policy.priority, wanted(policy)))
        }),
        None => HashMap::new(),
    };
    let count = |name: &'n String| {
        let policy = config.queues.get(name)?;
        // Who keeps a session shares it with nobody of its own queue.
        let is_smtp = matches!(config.transports.get(&policy.transport), Some(config::Transport::Smtp(_)));
        let sessions = config.paces.get(&policy.transport).filter(|_| is_smtp).and_then(|pace| pace.sessions);
        let bounds = [sessions, shares.get(name).copied()];
        Some((name, bounds.into_iter().flatten().fold(wanted(policy), usize::min)))
    };
    names.iter().filter_map(count).collect()
}

/// How many workers each queue gets where all of them together have `most`: those with the highest priority what they
/// want, but every queue one at least. `facts` has a queue's priority and what it wants.
fn shares<'n>(
    most: usize,
    names: &'n [String],
    facts: &dyn Fn(&str) -> Option<(usize, usize)>,
) -> HashMap<&'n String, usize> {
    let mut queues: Vec<(&String, usize, usize)> =
        names.iter().filter_map(|name| facts(name).map(|(priority, wanted)| (name, priority, wanted))).collect();
    queues.sort_by_key(|(_, priority, _)| std::cmp::Reverse(*priority));
    let mut left = most.saturating_sub(queues.len());
    let share = |(name, _, wanted): (&'n String, usize, usize)| {
        let more = wanted.saturating_sub(1).min(left);
        left -= more;
        (name, 1 + more)
    };
    queues.into_iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_workers_are_few_the_first_queues_get_theirs_and_everybody_one() {
        let names = ["bounce", "inbound", "outbound"].map(str::to_owned);
        let facts = |name: &str| match name {
            "inbound" => Some((20, 4)),
            "bounce" => Some((10, 4)),
            _ => Some((0, 8)),
        };
        let given = |most: usize| {
            let shares = shares(most, &names, &facts);
            names.each_ref().map(|name| shares[name])
        };
        assert_eq!(given(16), [4, 4, 8]);
        assert_eq!(given(100), [4, 4, 8]);
        assert_eq!(given(8), [3, 4, 1]);
        assert_eq!(given(5), [1, 3, 1]);
        assert_eq!(given(1), [1, 1, 1]);
    }
}
