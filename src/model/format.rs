//! The numbers of our formats on disk, and what this program does with one that another version wrote. Nothing else compares
//! them.
//!
//! | found | what happens |
//! |---|---|
//! | the number that this program writes | it is read and written |
//! | an older one | it is read; a spool is upgraded as a whole, once, by the next run or `check --repair` |
//! | a newer one | it is refused in one line, and left as it is |
//!
//! A change that an older program would misread gets the next number here. One that it passes over, such as a new field of a
//! JSON line, needs none.

use std::fmt;

/// What has a number on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The spool as a whole: `SPOOL/version`. 2 may have entries of format 2.
    Spool,
    /// The head of an entry: `v` of its first line. 2 is one whose recipients have fields.
    Entry,
    /// `job.json`: its `v`.
    Job,
    /// An entry's journal: `journal` of its first line.
    Journal,
    /// The log of a merge's entry: in its first record.
    MergeLog,
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Newer {
    #[error("this {format} has format {found}, and this bulkmailer knows formats up to {}; use the newer one", format.number())]
    Number { format: Format, found: u64 },
    /// The number is known, and what it is a number of is not.
    #[error("this {format} is of kind '{kind}', which this bulkmailer does not know; use the newer one")]
    Kind { format: Format, kind: String },
    /// A job's window is in a time zone that this host does not know, so nobody knows when it is open.
    #[error("its window cannot be told without the time zone {zone}: install tzdata, or cancel it")]
    Zone { zone: String },
}

/// The most characters of an unknown kind that are shown.
const KIND_MAX: usize = 40;

impl Format {
    /// The number that this program writes.
    pub const fn number(self) -> u32 {
        match self {
            Format::Job | Format::Journal | Format::MergeLog => 1,
            Format::Spool | Format::Entry | Format::Ledger | Format::Events => 2,
        }
    }

    /// What may be done with the number that was found.
    ///
    /// Errors: it is newer than this program.
    pub fn age(self, found: impl Into<u64>) -> Result<Age, Newer> {
        let found = found.into();
        match found.cmp(&u64::from(self.number())) {
            std::cmp::Ordering::Less => Ok(Age::Older),
            std::cmp::Ordering::Equal => Ok(Age::Current),
            std::cmp::Ordering::Greater => Err(Newer::Number { format: self, found }),
        }
    }

    /// What a kind is that this program has no name for.
    pub fn unknown(self, kind: &str) -> Newer {
        Newer::Kind { format: self, kind: kind.chars().filter(|c| !c.is_control()).take(KIND_MAX).collect() }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Spool => "spool",
            Format::Entry => "entry",
            Format::Job => "job",
            Format::Journal => "journal",
            Format::MergeLog => "merge's log",
            Format::Ledger => "ledger",
            Format::Events => "events file",
        })
    }
}
