//! `bulkmailer release`: lets held entries go on, as if they were new.

use super::acting::decide::{self, Again, Choice};
use super::acting::verb::Verb;
use super::selecting::place::Place;
use crate::config::Site;
use crate::events;
use crate::model::Exit;
use crate::queue::{Claim, QueueError};
use crate::spool::decision::Decision;
use crate::spool::merge::claim::MergeClaim;
use crate::spool::{SpoolClaim, SpoolQueue};

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    again: Again,
}

struct Release {
    again: bool,
}

/// `bulkmailer release`. `by` is the real user who decides so.
pub fn run(site: &Site, args: &Args, by: u32) -> anyhow::Result<Exit> {
    decide::run(site, &Release { again: args.again.again }, &args.choice, &[], by)
}

impl Verb for Release {
    const NAME: &'static str = "release";
    const DONE: &'static str = "released";
    const MAKES_DUE: bool = true;
    const PLACES: &'static [Place] = &[Place::Hold];

    fn entry(
        &self,
        _: &SpoolQueue,
        claim: SpoolClaim<'_>,
        decision: Decision,
        _: &mut events::Log,
    ) -> Result<(), QueueError> {
        // Their failure was reported; releasing is to go on with the others.
        let whom = if self.again { (0..claim.envelope().recipients.len()).collect() } else { claim.unsettled() };
        claim.reopen(whom, decision)
    }

    fn rows(
        &self,
        _: &SpoolQueue,
        claim: MergeClaim<'_>,
        rows: &[u16],
        decision: Decision,
        _: &mut events::Log,
    ) -> Result<(), QueueError> {
        claim.reopen_rows(rows, decision)
    }

    fn again(&self) -> bool {
        self.again
    }
}
