//! `job.json`: what is known of a job since it was submitted. It never changes.
//!
//! Kept true: a job of a newer format, or of a kind that this program does not know, is read as such and never as damaged.

use serde::{Deserialize, Serialize, Serializer};

use super::FOLDER_MAX;
use super::merge_file::MergeFile;
use super::post_file::PostFile;
use crate::model::format::{Format, Newer};
use crate::model::{EntryId, Micros};

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
    /// A mail of its own to each recipient, rendered when it is sent.
    Merge(Box<MergeFile>),
}

/// The names of the kinds, as `kind` has them.
const BATCH: &str = "batch";
const POST: &str = "post";
const MERGE: &str = "merge";

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
            JobKind::Merge(_) => MERGE,
        }
    }

    /// What is counted of it.
    pub fn counts(&self) -> &'static str {
        match self {
            JobKind::Batch => "entries",
            JobKind::Post(_) | JobKind::Merge(_) => "recipients",
        }
    }

    /// What is known of its recipients, if they are one list.
    pub fn list(&self) -> Option<&PostFile> {
        match self {
            JobKind::Batch => None,
            JobKind::Post(list) => Some(list),
            JobKind::Merge(merge) => Some(&merge.list),
        }
    }

    /// What is known of it as a merge, if it is one.
    pub fn merge(&self) -> Option<&MergeFile> {
        match self {
            JobKind::Batch | JobKind::Post(_) => None,
            JobKind::Merge(merge) => Some(merge),
        }
    }

    /// Bytes of the message that its entries share, if they do.
    pub fn shared_message(&self) -> Option<u64> {
        match self {
            JobKind::Batch | JobKind::Merge(_) => None,
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
            MERGE => JobKind::Merge(serde_json::from_str(text)?),
            unknown => return Err(Format::Job.unknown(unknown).into()),
        };
        let Known { v, entries, at } = serde_json::from_str(text)?;
        Ok(JobFile { v, entries, at, kind })
    }

    /// How many it has of what [`JobKind::counts`] says.
    pub fn count(&self) -> u64 {
        self.kind.list().map_or(self.entries, |list| list.recipients)
    }

    /// The ids of all its entries, as they were submitted.
    pub fn entry_ids(&self, job: &EntryId) -> impl Iterator<Item = EntryId> {
        let number = |part: u64| u32::try_from(part).unwrap_or(u32::MAX);
        let most = u64::from(FOLDER_MAX);
        (0..self.entries).map(move |at| job.of_job(number(at / most), number(at % most)))
    }

    /// How many recipients entry `id` of this job has; 1 of a batch, which does not note it.
    pub fn recipients_of(&self, id: &EntryId) -> u64 {
        self.kind.list().map_or(1, |list| list.recipients_of(id, self.entries))
    }

    /// How many recipients the part `n` of this job has, all of whose `entries` are there; of a batch, entries.
    pub fn recipients_of_part(&self, n: &str, entries: u64) -> u64 {
        let Some(post) = self.kind.list() else { return entries };
        let before = n.parse::<u64>().unwrap_or(0).saturating_mul(u64::from(FOLDER_MAX));
        let all = entries.saturating_mul(post.per_entry);
        let has_last = before.saturating_add(entries) >= self.entries;
        if has_last { all.saturating_sub(post.per_entry).saturating_add(post.last_entry(self.entries)) } else { all }
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
            #[serde(flatten)]
            merge: Option<&'a MergeFile>,
        }
        let (post, merge) = match &self.kind {
            JobKind::Batch => (None, None),
            JobKind::Post(post) => (Some(post), None),
            JobKind::Merge(merge) => (None, Some(&**merge)),
        };
        let JobFile { v, entries, at, .. } = *self;
        Fields { v, kind: self.kind.name(), entries, at, post, merge }.serialize(serializer)
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
        let kind = newer(r#"{"v":1,"kind":"stream","source":{"a":[1]}}"#);
        assert!(kind.starts_with("this job is of kind 'stream', which"), "{kind}");
        let number = newer(r#"{"v":7,"kind":"batch","entries":"many"}"#);
        assert!(number.starts_with("this job has format 7, and"), "{number}");
        for damaged in ["", "{}", "[]", r#"{"v":1,"kind":"batch"}"#, r#"{"v":1,"kind":"post","entries":2,"at":5}"#] {
            assert!(matches!(JobFile::parse(damaged), Err(JobFault::Json(_))), "{damaged}");
        }
    }
}
