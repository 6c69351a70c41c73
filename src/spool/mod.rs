//! The spool: mail kept safe in a directory tree. `bulkmailer-spool(5)` describes the format for administrators.
//!
//! ```text
//! SPOOL/version                        the number of its format, see `upgrade` and [`Format`](crate::model::Format)
//! SPOOL/.version-next                  the next one while it is written
//! SPOOL/events/<date>.jsonl            see `events`
//! SPOOL/drop/<queue>.<unique>          handed in by users who may not write here, see [`drop`]
//! SPOOL/drop/<queue>.remove-<id>      a user takes mail of his back, see [`drop::request`]
//! SPOOL/users/<queue>.<uid>           what waits of a user who may not look here, see [`own_lists`]
//! SPOOL/users/<queue>.seen            when these lists were written last, or why they could not be
//! SPOOL/.drop.new/                     drop/ while it is made, see [`host`]
//! SPOOL/.refusing, .unrun              when it was last said what keeps mail from coming in, or from leaving
//! SPOOL/pace/queue.<queue>             how far its rate is used up, a word that workers map; likewise transport.<name>
//! SPOOL/pace/transport.<name>.<n>      locked by whoever has one of its sessions; .turn by who is the next
//! SPOOL/<queue>/lock                   the run's lock: flock held, never unlinked
//! SPOOL/<queue>/run.json               the heartbeat of the run at work
//! SPOOL/<queue>/sink                   since when the sink is down, and what it refused
//! SPOOL/<queue>/overdue                when it was last said that mail is due for too long
//! SPOOL/<queue>/newer                  what a run met that a newer program made, and when that was last said
//! SPOOL/<queue>/unsent                 when it was last said that the queue has no way out
//! SPOOL/<queue>/wake                   its time is set after every publish and flush: "look again"
//! SPOOL/<queue>/quiet                  which folders held nothing due, for the next run; a hint, see `quiet`
//! SPOOL/<queue>/stopped                a person stopped the queue: nothing more is handed over
//! SPOOL/<queue>/tmp/                   being written
//! SPOOL/<queue>/ready/<hh>/<due>-<id>  due or waiting; 256 hash buckets by id
//! SPOOL/<queue>/hold/<hh>/<due>-<id>   set aside
//! SPOOL/<queue>/failed/<hh>/<due>-<id> given up, kept for inspection
//! SPOOL/<queue>/corrupt/<name>         could not be parsed; never deleted by the program
//! SPOOL/<queue>/journal/<hh>/<id>.log  the journal of an entry that needs one
//! SPOOL/<queue>/keys/<hh>/<id>         ids that must count once; empty files
//! SPOOL/<queue>/users/<uid>            how much another user has waiting here, at most, see [`users`]
//! SPOOL/<queue>/left                   what lies in drop/ and cannot be adopted, and what was said of it
//! SPOOL/<queue>/storm/<id>             notices of the last hour to one sender, and what was held back
//! SPOOL/<queue>/jobs/<job>/            many entries that appeared together: job.json and its own
//!                                      ready/<n>/, hold/, failed/, journal/; a merge's has more, see [`merge::draft`]
//! SPOOL/<queue>/want/<id>              a person acts on rows of this entry, see [`merge::wanted`]
//! SPOOL/<queue>/done/<job>/            an ended one, about to be removed; a post's or a merge's is kept for a time
//! ```
//!
//! # States of an entry
//!
//! | state | what exists | it begins at | cleaned up by |
//! |---|---|---|---|
//! | being written | a file without a name (or one in `tmp/`), locked | open | the kernel; the sweep, an hour later |
//! | ready | the name in `ready/` | `linkat`; of a batch, the `renameat2` of its folder | its settling |
//! | claimed | the same, flock held by a worker | flock, then the name still leads to this inode | the kernel, with the worker |
//! | handed over | the same, and for several recipients or with "hold" `begun` in the journal | the journal's append | the answer, written in place |
//! | deferred | the name in `ready/` with a later due time, and a journal | `renameat2` | its settling |
//! | delivered | nothing, or a journal that closes every recipient | `unlink` | `tidy` after a sync; the sweep |
//! | failed, held | the name in `failed/` or `hold/`, and its journal | `renameat2` | `failed_keep`; a person ([`amend`]) |
//!
//! # What holds
//!
//! - **An entry file never changes after it is published.** It is the envelope as one JSON line, the recipients as JSON
//!   lines where there are several, an empty line, and the message's bytes. Recipients may have fields.
//! - **Publish** is one function for single entries ([`publish`]) and one for jobs ([`job::draft`]); each documents its
//!   steps. The publisher holds the entry's lock until it is durable, so nothing is handed over that a power cut could
//!   still take back from the submitter.
//! - **Claimed is a lock, not a place** ([`claim`]): a killed worker's claim is free at once, with nothing to recover.
//! - **At worst**: after `kill -9` of a worker, the group that it had in flight is delivered twice; after a power cut,
//!   what was settled since the last sync (about a second) is. A queue that announces every hand-over on disk
//!   (`on_crash = "hold"`) holds it instead.
//! - **Formats have numbers** ([`Format`](crate::model::Format)). What a newer program wrote is left as it is. An older spool is
//!   upgraded as a whole by the next run or `check --repair` (`upgrade`), and what is written until then is of its format.
//! - **A merge's entry** has a head in `ready/`, which names how much of its log is on disk, and a log, which is the truth about
//!   its rows ([`merge::log`]).
//! - **First in, first out** (`order`). Nothing but order depends on it.
//! - Memory does not grow with the number of entries: names are read a buffer at a time, and a bounded number is kept.

pub mod amend;
mod as_queue;
pub mod brief;
pub mod by_due;
pub mod check;
pub mod claim;
mod claimed;
pub mod corrupt;
pub mod decision;
pub mod drop;
pub mod entry;
mod entry_file;
pub mod error;
pub mod find;
pub mod folders;
mod freshness;
pub mod glimpse;
pub mod history;
mod home;
pub mod host;
mod inspect;
pub mod job;
mod journal;
pub mod journals;
pub mod keys;
pub mod lists;
mod lock;
mod lone;
pub mod merge;
pub mod names;
pub mod notes;
mod open_job;
mod order;
mod orphans;
pub mod own_lists;
pub mod publish;
pub mod queue;
mod quiet;
mod recipient_line;
pub mod root;
mod roster;
pub mod row;
pub mod scan;
pub mod sorter;
mod speed;
pub mod stop;
mod storm;
pub mod survey;
pub mod sweep;
pub mod syncs;
mod tidy;
mod upgrade;
pub mod users;
mod version;
mod wake;

pub use claim::SpoolClaim;
pub use claimed::Claimed;
pub use job::batch::{Batch, BatchDraft};
pub use publish::{Draft, Published};
pub use queue::SpoolQueue;
pub use root::Spool;
