//! The queues that a command is about, open.

use crate::config::{ConfigError, Site};
use crate::policy::retry;
use crate::queue::QueueError;
use crate::spool::{Spool, SpoolQueue};

// What commands about whole queues take.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct QueueArgs {
    /// This queue only; else every queue there is
    #[arg(long, short = 'Q', value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// The queues that `asked` names, or all that exist, open. None where there is no spool yet.
pub fn open_queues(site: &Site, asked: Option<&str>) -> anyhow::Result<Vec<SpoolQueue>> {
    let Some(spool) = Spool::open(&site.spool)? else { return Ok(Vec::new()) };
    let names = match asked {
        None => spool.queues()?,
        Some(name) if site.config.queues.contains_key(name) || spool.queues()?.iter().any(|q| q == name) => {
            vec![name.to_owned()]
        }
        Some(name) => {
            let known: Vec<&str> = site.config.queues.keys().map(String::as_str).collect();
            return Err(ConfigError::unknown_queue(name, &known).into());
        }
    };
    let open = names.iter().map(|name| open(site, &spool, name)).collect::<Result<Vec<_>, QueueError>>()?;
    Ok(open.into_iter().flatten().collect())
}

fn open(site: &Site, spool: &Spool, name: &str) -> Result<Option<SpoolQueue>, QueueError> {
    let queue = spool.existing_queue(name)?;
    Ok(queue.map(|queue| match site.config.queues.get(name) {
        Some(policy) => queue.with_horizon(retry::horizon(policy.retry.max)),
        None => queue,
    }))
}
