//! Which queues a run has.

use crate::config::{Config, ConfigError};
use crate::spool::Spool;
use crate::sys::clock;
use crate::sys::output::warning;

/// The queues that are asked for, or all that exist, in the order of their names.
pub(super) fn names(spool: &Spool, config: &Config, asked: &[String]) -> anyhow::Result<Vec<String>> {
    let existing = spool.queues()?;
    if asked.is_empty() {
        for name in existing.iter().filter(|name| !config.queues.contains_key(*name)) {
            let queue = spool.existing_queue(name)?;
            let Some(queue) = queue else { continue };
            if queue.survey(clock::now(), 1)?.oldest.is_none() {
                continue;
            }
            warning!("{name}: mail lies in this queue and the configuration does not know it; add [queue.{name}]");
        }
        return Ok(existing.into_iter().filter(|name| config.queues.contains_key(name)).collect());
    }
    if let Some(unknown) = asked.iter().find(|name| !config.queues.contains_key(*name)) {
        let known: Vec<&str> = config.queues.keys().map(String::as_str).collect();
        return Err(ConfigError::unknown_queue(unknown, &known).into());
    }
    let mut names: Vec<String> = asked.iter().filter(|name| existing.contains(name)).cloned().collect();
    names.dedup();
    Ok(names)
}
