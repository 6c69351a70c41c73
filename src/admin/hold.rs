//! `bulkmailer hold`: sets waiting entries aside, until they are released.

use super::acting::decide::{self, Choice};
use super::acting::verb::Verb;
use super::selecting::place::Place;
use crate::config::Site;
use crate::events;
use crate::model::Exit;
use crate::queue::QueueError;
use crate::spool::decision::Decision;
use crate::spool::merge::claim::MergeClaim;
use crate::spool::{SpoolClaim, SpoolQueue};
use crate::sys::nss;

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
    const PLACES: &'static [Place] = &[Place::Ready];

    fn entry(&self, _: &SpoolQueue, claim: SpoolClaim<'_>, _: Decision, _: &mut events::Log) -> Result<(), QueueError> {
        claim.hold()
    }

    fn rows(
        &self,
        _: &SpoolQueue,
        claim: MergeClaim<'_>,
        rows: &[u16],
        decision: Decision,
        _: &mut events::Log,
    ) -> Result<(), QueueError> {
        claim.hold_rows(rows, decision, &format!("held by {}", nss::user_name(decision.by)))
    }
}
