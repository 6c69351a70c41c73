//! Which entries a command is about: by id, sender, recipient pattern, age, job, reason.

use std::time::Duration;

use anyhow::Context;

use super::filter::Filter;
use super::place::Place;
use crate::model::{Address, EntryId};
use crate::policy::units;
use crate::sys::clock;

// What an entry must match; an empty selection matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Selection {
    /// Entries with these ids only, as 'bulkmailer list' prints them
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// This queue only
    #[arg(long, short = 'Q', value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Entries from this envelope sender only ("<>" is the null sender)
    #[arg(long, value_name = "ADDRESS")]
    pub sender: Option<String>,
    /// Entries with a recipient that matches this pattern: * stands for anything, ? for one character, case is ignored
    #[arg(long, value_name = "PATTERN")]
    pub recipient: Option<String>,
    /// Entries of this job only: the part of an id before its first dot
    #[arg(long, value_name = "JOB")]
    pub job: Option<String>,
    /// Entries whose last attempt has this text in a reason; case is ignored
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Entries that were queued longer ago (for example 2d)
    #[arg(long, value_name = "AGE", value_parser = units::parse_duration)]
    pub older_than: Option<Duration>,
    /// Entries that were queued since (for example 1h30m)
    #[arg(long, value_name = "AGE", value_parser = units::parse_duration)]
    pub newer_than: Option<Duration>,
}

impl Selection {
    /// Reads the selection, for entries that lie in `places`.
    ///
    /// Errors: a sender that is no address; something that is no id, where it cannot be a file in corrupt/.
    pub fn filter(&self, places: &[Place]) -> anyhow::Result<Filter> {
        let mut ids = Vec::new();
        for text in &self.ids {
            match text.parse::<EntryId>() {
                Ok(id) => ids.push(id),
                Err(_) if places.contains(&Place::Corrupt) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let sender = self.sender.as_deref().map(Address::sender).transpose().context("--sender")?;
        let now = clock::now();
        let ago = |age: Duration| now.minus(age);
        Ok(Filter {
            names: self.ids.clone(),
            ids,
            job: self.job.clone(),
            sender,
            recipient: self.recipient.as_ref().map(|pattern| pattern.to_lowercase()),
            reason: self.reason.as_ref().map(|text| text.to_lowercase()),
            since: self.newer_than.map(ago),
            until: self.older_than.map(ago),
        })
    }

    /// Whether it matches everything.
    pub fn is_empty(&self) -> bool {
        let Selection { ids, queue, sender, recipient, job, reason, older_than, newer_than } = self;
        ids.is_empty()
            && [queue, sender, recipient, job, reason].iter().all(|part| part.is_none())
            && older_than.is_none()
            && newer_than.is_none()
    }
}
