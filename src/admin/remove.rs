//! `bulkmailer remove`: removes entries for good; no notice is sent.

use super::acting::decide::{self, Choice, Where};
use super::acting::verb::{Done, Verb};
use super::selecting::place::Place;
use crate::config::Site;
use crate::events;
use crate::intake::withdraw;
use crate::model::Exit;
use crate::queue::QueueError;
use crate::spool::corrupt::Corrupt;
use crate::spool::decision::Decision;
use crate::spool::merge::claim::MergeClaim;
use crate::spool::{SpoolClaim, SpoolQueue};

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub(super) choice: Choice,
    #[command(flatten)]
    pub(super) places: Where,
}

struct Remove;

/// `bulkmailer remove`. `by` is the real user who decides so.
pub fn run(site: &Site, args: &Args, by: u32) -> anyhow::Result<Exit> {
    decide::run(site, &Remove, &args.choice, &args.places.places, by)
}

impl Verb for Remove {
    const NAME: &'static str = "remove";
    const DONE: &'static str = "removed";
    const MAKES_DUE: bool = false;
    const PLACES: &'static [Place] = &Place::ENTRIES;
    const PLACES_BY_ID: &'static [Place] = &Place::IN_QUEUE;

    fn entry(
        &self,
        queue: &SpoolQueue,
        claim: SpoolClaim<'_>,
        decision: Decision,
        events: &mut events::Log,
    ) -> Result<(), QueueError> {
        withdraw::remove(queue, claim, decision, events)
    }

    fn rows(
        &self,
        queue: &SpoolQueue,
        claim: MergeClaim<'_>,
        rows: &[u16],
        decision: Decision,
        events: &mut events::Log,
    ) -> Result<(), QueueError> {
        withdraw::remove_rows(queue, claim, rows, decision, events)
    }

    fn corrupt(
        &self,
        queue: &SpoolQueue,
        file: &Corrupt,
        decision: Decision,
        events: &mut events::Log,
    ) -> Result<Done, QueueError> {
        if !queue.remove_corrupt(&file.name, decision)? {
            return Ok(Done::No);
        }
        withdraw::removed_file(queue, file.label(), &file.name, decision, events);
        Ok(Done::Yes)
    }

    /// The last entries of a job may have gone.
    fn finish(&self, queue: &SpoolQueue) {
        queue.finish_jobs();
    }
}
