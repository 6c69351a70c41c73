//! What `bulkmailer run` is asked for.

use std::time::Duration;

use super::headcount::{self, Workers};
use crate::policy::units;

// What `bulkmailer run` is asked for.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Run this queue only; may be given several times
    #[arg(long = "queue", short = 'Q', value_name = "QUEUE")]
    pub queues: Vec<String>,
    /// How many infeeds a queue has, instead of what its configuration says (a number or "auto")
    #[arg(long, short = 'w', value_name = "N", value_parser = headcount::parse)]
    pub workers: Option<Workers>,
    /// Finish the messages in hand and end after this time (for example 55m)
    #[arg(long, value_name = "DURATION", value_parser = units::parse_duration)]
    pub max_runtime: Option<Duration>,
    /// Print a summary as one JSON object at the end
    #[arg(long)]
    pub json: bool,
    /// Draw no progress bar
    #[arg(long, short = 'q')]
    pub quiet: bool,
    /// Say who holds a queue, and what was done
    #[arg(long, short = 'v')]
    pub verbose: bool,
}
