//! `bulkmailer requeue`: gives failed entries another chance, as if they were new.

use super::acting::decide::{self, Again, Choice, Where};
use super::acting::verb::{Done, Verb};
use super::selecting::place::Place;
use crate::config::Site;
use crate::events;
use crate::model::Exit;
use crate::queue::{Claim, QueueError};
use crate::spool::corrupt::{Corrupt, Mended};
use crate::spool::decision::Decision;
use crate::spool::merge::claim::MergeClaim;
use crate::spool::{SpoolClaim, SpoolQueue};
use crate::sys::output::warning;

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    places: Where,
    #[command(flatten)]
    again: Again,
}

struct Requeue {
    again: bool,
}

/// `bulkmailer requeue`. `by` is the real user who decides so.
pub fn run(site: &Site, args: &Args, by: u32) -> anyhow::Result<Exit> {
    decide::run(site, &Requeue { again: args.again.again }, &args.choice, &args.places.places, by)
}

impl Verb for Requeue {
    const NAME: &'static str = "requeue";
    const DONE: &'static str = "requeued";
    const MAKES_DUE: bool = true;
    const PLACES: &'static [Place] = &[Place::Failed];
    const PLACES_BY_ID: &'static [Place] = &Place::IN_QUEUE;

    fn entry(
        &self,
        _: &SpoolQueue,
        claim: SpoolClaim<'_>,
        decision: Decision,
        _: &mut events::Log,
    ) -> Result<(), QueueError> {
        let whom = if self.again { (0..claim.envelope().recipients.len()).collect() } else { claim.undelivered() };
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

    fn corrupt(
        &self,
        queue: &SpoolQueue,
        file: &Corrupt,
        decision: Decision,
        _: &mut events::Log,
    ) -> Result<Done, QueueError> {
        match queue.mend_corrupt(&file.name, decision)? {
            Mended::Queued(_) => Ok(Done::Yes),
            Mended::Gone => Ok(Done::No),
            Mended::No(why) => {
                let path = queue.path(&format!("corrupt/{}", file.name));
                warning!("{}: it cannot be queued: {why}", path.display());
                Ok(Done::Refused)
            }
        }
    }
}
