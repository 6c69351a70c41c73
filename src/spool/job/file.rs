//! `job.json`: what is known of a job since it was submitted. It never changes.
//!
//! Kept true: a job of a newer format, or of a kind that this program does not know, is read as such and never as damaged.

use serde::{Deserialize, Serialize, Serializer};

use crate::model::format::{Format, Newer};
use crate::model::{EntryId, Micros};

/// The most entries in one folder of a job.
pub const FOLDER_MAX: u32 = 1_000;

/// What is known of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFile {
    pub v: u32,
    pub entries: u64,
    /// When it was submitted.
    pub at: Micros,
    pub kind: JobKind,
}

/// Which kind of job it is, and what is known of that kind alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Entries with a message each, which were submitted together.
    Batch,
    /// One message to many recipients.
    Post(PostFile),
}

/// The names of the kinds, as `kind` has them.
const BATCH: &str = "batch";
const POST: &str = "post";

/// What is known of a post.
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

/// Why a `job.json` tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum JobFault {
    #[error(transparent)]
    Newer(#[from] Newer),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl JobKind {
    pub fn name(&self) -> &'static str {
        match self {
            JobKind::Batch => BATCH,
            JobKind::Post(_) => POST,
        }
    }

    /// What is counted of it.
    pub fn counts(&self) -> &'static str {
        match self {
            JobKind::Batch => "entries",
            JobKind::Post(_) => "recipients",
        }
    }

    /// Whether journals tell how far its entries are. Those of a batch count as wholes.
    pub fn counts_recipients(&self) -> bool {
        match self {
            JobKind::Batch => false,
            JobKind::Post(_) => true,
        }
    }

    /// Bytes of the message that its entries share, if they do.
    pub fn shared_message(&self) -> Option<u64> {
        match self {
            JobKind::Batch => None,
            JobKind::Post(post) => Some(post.bytes),
        }
    }
}

impl JobFile {
    /// What is known of a job that this program makes.
    pub fn new(kind: JobKind, entries: u64, at: Micros) -> JobFile {
        JobFile { v: Format::Job.number(), kind, entries, at }
    }

    /// Reads the text of a `job.json`. The number and the kind are looked at first: of a newer one nothing else is known.
    pub fn parse(text: &str) -> Result<JobFile, JobFault> {
        #[derive(Deserialize)]
        struct About<'a> {
            v: u64,
            #[serde(borrow)]
            kind: std::borrow::Cow<'a, str>,
        }
        #[derive(Deserialize)]
        struct Known {
            v: u32,
            entries: u64,
            at: Micros,
        }
        let About { v, kind } = serde_json::from_str(text)?;
        Format::Job.age(v)?;
        let kind = match kind.as_ref() {
            BATCH => JobKind::Batch,
            POST => JobKind::Post(serde_json::from_str(text)?),
            unknown => return Err(Format::Job.unknown(unknown).into()),
        };
        let Known { v, entries, at } = serde_json::from_str(text)?;
        Ok(JobFile { v, entries, at, kind })
    }

    /// How many it has of what [`JobKind::counts`] says.
    pub fn count(&self) -> u64 {
        match &self.kind {
            JobKind::Batch => self.entries,
            JobKind::Post(post) => post.recipients,
        }
    }

    /// How many recipients entry `id` of this job has; 1 of a batch, which does not note it.
    pub fn recipients_of(&self, id: &EntryId) -> u64 {
        match &self.kind {
            JobKind::Batch => 1,
            JobKind::Post(post) => post.recipients_of(id, self.entries),
        }
    }

    /// How many recipients the part `n` of this job has, all of whose `entries` are there; of a batch, entries.
    pub fn recipients_of_part(&self, n: &str, entries: u64) -> u64 {
        let JobKind::Post(post) = &self.kind else { return entries };
        let before = n.parse::<u64>().unwrap_or(0).saturating_mul(u64::from(FOLDER_MAX));
        let all = entries.saturating_mul(post.per_entry);
        let has_last = before.saturating_add(entries) >= self.entries;
        if has_last { all.saturating_sub(post.per_entry).saturating_add(post.last_entry(self.entries)) } else { all }
    }
}

impl PostFile {
    /// How many recipients the last of its `entries` has.
    fn last_entry(&self, entries: u64) -> u64 {
        self.recipients.saturating_sub(entries.saturating_sub(1).saturating_mul(self.per_entry))
    }

    fn recipients_of(&self, id: &EntryId, entries: u64) -> u64 {
        match id.number_in_job() {
            Some((n, k)) if u64::from(n) * u64::from(FOLDER_MAX) + u64::from(k) + 1 >= entries => {
                self.last_entry(entries)
            }
            Some(_) | None => self.per_entry,
        }
    }
}

impl Serialize for JobFile {
    /// What all kinds have comes first.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            v: u32,
            kind: &'static str,
            entries: u64,
            at: Micros,
            #[serde(flatten)]
            post: Option<&'a PostFile>,
        }
        let post = match &self.kind {
            JobKind::Batch => None,
            JobKind::Post(post) => Some(post),
        };
        Fields { v: self.v, kind: self.kind.name(), entries: self.entries, at: self.at, post }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_job_is_told_from_a_damaged_one() {
        let newer = |text: &str| match JobFile::parse(text) {
            Err(JobFault::Newer(newer)) => newer.to_string(),
            other => panic!("{other:?}"),
        };
        let kind = newer(r#"{"v":1,"kind":"merge","template":{"a":[1]}}"#);
        assert!(kind.starts_with("this job is of kind 'merge', which"), "{kind}");
        let number = newer(r#"{"v":7,"kind":"batch","entries":"many"}"#);
        assert!(number.starts_with("this job has format 7, and"), "{number}");
        for damaged in ["", "{}", "[]", r#"{"v":1,"kind":"batch"}"#, r#"{"v":1,"kind":"post","entries":2,"at":5}"#] {
            assert!(matches!(JobFile::parse(damaged), Err(JobFault::Json(_))), "{damaged}");
        }
    }
}
