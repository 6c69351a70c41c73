//! `bulkmailer hold`: sets waiting entries aside, until they are released.

use super::decide::{self, Choice};
use super::select::Place;
use super::verb::{Done, Verb};
use crate::config::Site;
use crate::events;
use crate::model::Exit;
use crate::queue::QueueError;
use crate::spool::corrupt::Corrupt;
use crate::spool::decision::Decision;
use crate::spool::{SpoolClaim, SpoolQueue};

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    choice: Choice,
}

struct Hold;

/// `bulkmailer hold`. `by` is the real user who decides so.
pub fn run(site: &Site, args: &Args, by: u32) -> anyhow::Result<Exit> {
    decide::run(site, &Hold, &args.choice, &[], by)
}

impl Verb for Hold {
    const NAME: &'static str = "hold";
    const DONE: &'static str = "held";
    const MAKES_DUE: bool = false;

    fn places(&self, _ids: bool) -> &'static [Place] {
        &[Place::Ready]
    }

    fn entry(&self, _: &SpoolQueue, claim: SpoolClaim<'_>, _: Decision, _: &mut events::Log) -> Result<(), QueueError> {
        claim.hold()
    }

    /// Nothing there is held.
    fn corrupt(&self, _: &SpoolQueue, _: &Corrupt, _: Decision, _: &mut events::Log) -> Result<Done, QueueError> {
        Ok(Done::No)
    }
}
