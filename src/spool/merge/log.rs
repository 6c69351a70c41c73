//! The log of one merge entry, `log/<n>/<k>`: what came of its rows. It is the only truth about them; there is no journal.
//!
//! It is made with the job, never replaced, and only added to. [`record`] has the records, [`chain`] their form on disk,
//! [`replay`] what they tell of each row, [`mod@file`] the open log. Only the last does I/O. `model` tries the rules out against
//! kills, power cuts, failed writes and syncs, and shows what each of them prevents.
//!
//! # What holds
//! - **Its lock is the claim** of the entry. It is taken after the lock of the head, whose name is then looked at again.
//!   Every writer holds it, also where there is no head.
//! - **Each record's CRC-32 covers the one before it**, and the first record has the entry's id. The first bad record ends the log
//!   and is overwritten. What lies behind it is older; it must never chain on to what is written now. So a claim begins
//!   with a random number, and so does a claim whose write failed: what of it is in the file is not known.
//! - **A row is begun before it is handed over**, and the record has room for a full answer behind it, or nothing is handed
//!   over. The room is zeros that were written before: overwriting them needs no space where the file system does not
//!   copy on write. With `on_crash = "hold"` the record is synced first ([`file::Log::sync`]).
//! - **Pause and `want/` are looked at before each hand-over.** A row that was begun is taken back then. A lock on
//!   `want/<entry>` is what keeps workers away; a file that nobody has locked is stale.
//! - **The log is synced before its head goes or moves.** The head's name notes the length that is valid and synced
//!   ([`file::Log::durable`]). Pages whose sync failed are clean and yet not on disk, and the next sync succeeds without
//!   them. So a claim writes records later than that length again before its first sync, and after a sync that failed,
//!   its own or that of the file system. Without a head it writes all again. If that fails too, the claim sticks: nothing
//!   more is written. A finished head may wait for a sync that begins later, under both locks
//!   ([`file::Log::expect_sync`]): else it would be unlinked after a row was made due again.
//! - **A log that is missing or shorter than noted** has lost what came of its rows. Its open rows are held
//!   ([`file::Log::is_short`]).
//! - **A head may be early, never late.** A command that makes a row due sooner locks the log, publishes or renames the head,
//!   syncs the folder, and then writes here. A new head's content is synced before it has its name.
//! - **A row without a time of its own is due with its head**; where that is gone, when its job begins. A command that makes a
//!   head sooner for some rows writes the time that the others wait for here first, and syncs.
//! - **A job ends after all its logs were read**: a power cut may keep only the removal of a name, and then an open row has
//!   no head until it gets a new one. A held row keeps the job. A job in which a place was made while it ended is brought
//!   back.
//! - **A command** writes, and syncs before it exits with 0. A sync that failed leaves the record in the file: the next
//!   claim of the entry acts on it and makes it durable.
//!
//! # On disk after a kill
//! At `merge.append` nothing was written. At `merge.appended` the record is in the file, which survives the kill; a row that is
//! begun and not answered was in flight. At `merge.sync`, `merge.synced` and `merge.rewrite` the same bytes are in the file.

pub mod chain;
pub mod file;
pub mod record;
pub mod replay;
mod varint;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
