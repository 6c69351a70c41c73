//! What `job.json` has of a list of recipients, who are spread over entries of one size.

use serde::{Deserialize, Serialize};

use super::FOLDER_MAX;
use crate::model::{EntryId, Micros};

/// What is known of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostFile {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// "" is the null sender.
    pub sender: String,
    /// The real user id of who submitted it.
    pub uid: u32,
    pub recipients: u64,
    /// How many recipients each entry has but the last, which may have fewer.
    pub per_entry: u64,
    /// Recipients that were named again.
    pub duplicates: u64,
    /// Recipients that the suppression list has.
    pub suppressed: u64,
    /// Bytes of the message.
    pub bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_before: Option<Micros>,
}

impl PostFile {
    /// How many recipients the last of its `entries` has.
    pub(super) fn last_entry(&self, entries: u64) -> u64 {
        self.recipients.saturating_sub(entries.saturating_sub(1).saturating_mul(self.per_entry))
    }

    /// How many recipients entry `id` of the job has, which has `entries` entries.
    pub(super) fn recipients_of(&self, id: &EntryId, entries: u64) -> u64 {
        match id.number_in_job() {
            Some((n, k)) if u64::from(n) * u64::from(FOLDER_MAX) + u64::from(k) + 1 >= entries => {
                self.last_entry(entries)
            }
            Some(_) | None => self.per_entry,
        }
    }
}
