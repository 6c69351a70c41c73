//! A merge in the spool: a [job](super::job) whose entries have rows in place of a message. A worker renders each mail when it
//! sends it, from the job's template and the row; no mail is stored.
//!
//! | file | what it does |
//! |---|---|
//! | `attachment` | the file that a row attaches |
//! | `rows`, `log`, `template` | what lies in the job's folder: rows, what came of them, what they are rendered with |
//! | `draft` | queueing: all of it becomes visible by one rename |
//! | `act`, `wanted` | what a person does with rows, and how he reaches for their entry |
//! | `ending`, `told` | the end of the job, and heads for rows that have none; merges whose sender is to be notified |
//! | `made_count` | how many of its mails could not be made |
//! | `pacing` | its window and its rate |
//! | `progress`, `view`, `tally`, `counts` | what an onlooker sees of the logs; their counts, and how these are kept |
//! | `claim`, `as_claim`, `mail`, `summary`, `settle` | an entry in a worker's hand; its rows' mails; how it leaves |
//!
//! The rules are at the head of [`log`].

mod act;
mod as_claim;
pub mod attachment;
pub mod claim;
mod counts;
pub mod draft;
pub(super) mod ending;
pub mod log;
pub mod made_count;
mod mail;
pub mod pacing;
pub(super) mod progress;
pub mod rows;
mod settle;
mod summary;
mod tally;
pub mod template;
#[cfg(test)]
mod tests;
pub mod told;
pub(super) mod view;
pub mod waiting;
pub mod wanted;
