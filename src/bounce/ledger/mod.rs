//! The ledger: who bounced, when and why, what that weighs, and who gets no more mail. It is the spool's `state.db`.
//!
//! Kept true:
//! - What [`Ledger::record`] returned without an error survives a power cut (WAL, synced at each commit).
//! - A report counts once, however often it is recorded: it is known by the entry that it came in, and its place there.
//! - An address is one whatever the case of its letters.
//! - Whoever finds the file finds a whole ledger: it is made without a name, synced, and linked, never over another, by
//!   `file`. So a file that is empty or has no layout is damage, and so is a `state.db-wal` without it. What is damaged is
//!   reported with what to do, and says nothing of anybody: mail waits. Only where there is neither is nobody suppressed.
//! - Bounce workers and commands write; workers that deliver only read, and hold no lock between two questions. But an older
//!   layout is brought up to date by whoever opens it first.
//!
//! SQLite's locks belong to a process: nobody opens it before he forks.

mod ask;
mod database;
mod error;
mod file;
mod layout;
mod record;
mod row;
mod suppression;

pub use self::ask::{AddressStatus, RecordedReport, ReportCount, ReportFilter};
pub use self::database::Ledger;
pub use self::error::LedgerError;
pub use self::layout::FILE;
pub use self::record::{Item, ReportOutcome};
pub use self::suppression::Suppression;
