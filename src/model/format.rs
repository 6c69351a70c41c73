//! The numbers of our formats on disk, and what this program does with one that another version wrote. Nothing else compares
//! them.
//!
//! | found | what happens |
//! |---|---|
//! | the number that this program writes | it is read and written |
//! | an older one | it is read; a spool is upgraded as a whole, once, by the next command that writes to it |
//! | a newer one | it is refused in one line, and left as it is |
//!
//! A change that an older program would misread gets the next number here. One that it passes over, such as a new field of a
//! JSON line, needs none.

use std::fmt;

/// What has a number on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The tree of folders and their names: `SPOOL/version`.
    Spool,
    /// The head of an entry: `v` of its first line.
    Entry,
    /// `job.json`: its `v`.
    Job,
    /// An entry's journal: `journal` of its first line.
    Journal,
    /// `state.db`: SQLite's user_version.
    Ledger,
    /// A line of `events/<date>.jsonl`: its `v`; the first format has none.
    Events,
}

/// How a format that was found compares to the one that this program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    Current,
    Older,
}

/// What a newer program wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this {format} has format {found}, and this bulkmailer knows formats up to {}; use the newer one", format.number())]
pub struct Newer {
    pub format: Format,
    pub found: u32,
}

impl Format {
    /// The number that this program writes.
    pub const fn number(self) -> u32 {
        match self {
            Format::Spool | Format::Entry | Format::Job | Format::Journal => 1,
            Format::Ledger | Format::Events => 2,
        }
    }

    /// What may be done with the number that was found.
    ///
    /// Errors: it is newer than this program.
    pub fn age(self, found: u32) -> Result<Age, Newer> {
        match found.cmp(&self.number()) {
            std::cmp::Ordering::Less => Ok(Age::Older),
            std::cmp::Ordering::Equal => Ok(Age::Current),
            std::cmp::Ordering::Greater => Err(Newer { format: self, found }),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Spool => "spool",
            Format::Entry => "entry",
            Format::Job => "job",
            Format::Journal => "journal",
            Format::Ledger => "ledger",
            Format::Events => "events file",
        })
    }
}
