//! `job.json`: what is known of a job since it was submitted.

use serde::{Deserialize, Serialize};

use crate::model::{EntryId, Micros};

/// The most entries in one folder of a job.
pub const FOLDER_MAX: u32 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Entries with a message each, which were submitted together.
    Batch,
    /// One message to many recipients.
    Post,
}

/// `job.json`: what is known of a job since it was submitted. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFile {
    pub v: u32,
    pub kind: Kind,
    pub entries: u64,
    /// When it was submitted.
    pub at: Micros,
    /// What a post has besides.
    #[serde(flatten)]
    pub post: Option<PostFile>,
}

/// What `job.json` says of a post.
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

impl JobFile {
    /// How many recipients entry `id` of this job has; 1 of a batch, which does not note it.
    pub fn recipients_of(&self, id: &EntryId) -> u64 {
        let Some(post) = &self.post else { return 1 };
        let last = post.recipients.saturating_sub(self.entries.saturating_sub(1).saturating_mul(post.per_entry));
        match id.number_in_job() {
            Some((n, k)) if u64::from(n) * u64::from(FOLDER_MAX) + u64::from(k) + 1 >= self.entries => last,
            Some(_) | None => post.per_entry,
        }
    }
}
