//! The rows of a merge on disk.
//!
//! ```text
//! JOB/rows/<n>/<k>     the rows of entry <job>.<n>.<k>: a line each, then an index
//! JOB/rows/columns     the columns' names, one JSON line, and its checksum
//! ```
//!
//! A line is a JSON array: the row's number in its source, then its cells ([`mod@line`]). The index has 8 bytes a row, where its
//! line ends and the CRC-32 of the line, and then the number of rows, all little-endian in 4 bytes each. The head notes the
//! file's length and the CRC-32 of the index ([`Noted`]), so with the head at hand one row is read by one pread(2), and each
//! byte of it is checked: a broken line is the fault of that row alone.
//!
//! What holds: a file of rows never changes after its job was published. Its rows are in the source's order, as is the job.
//! One line is in memory. Overhead: 9 bytes a row and its number, beside the JSON of its values.
//!
//! Before a job is made its rows are spooled ([`spooled`]), since how many go into an entry follows from how many there are;
//! and whom the source names twice is found ([`duplicates`]), or a list that gets no mail ([`listed`]).

use serde::{Deserialize, Serialize};

pub mod columns;
pub mod draft;
pub mod duplicates;
pub mod error;
pub mod line;
pub mod listed;
pub mod reader;
pub mod spooled;

/// The fewest and the most rows of one entry.
const FEWEST: u64 = 50;
const MOST: u64 = 1_000;

/// What the head of an entry notes of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    pub rows: u32,
    /// Bytes of the file.
    pub length: u64,
    /// The CRC-32 of its index.
    pub checksum: u32,
}

impl Noted {
    /// Bytes of its index.
    fn index_length(self) -> u64 {
        u64::from(self.rows) * ROW_INDEX as u64 + COUNT as u64
    }
}

/// Bytes of the index for each row, and of the number of rows behind them.
const ROW_INDEX: usize = 8;
const COUNT: usize = 4;

/// How many rows each entry of a merge has but the last, which may have fewer: rows ÷ (8 × workers), from 50 to 1,000. So
/// each worker takes several, a kill has few rows to look through, and a large merge has few files.
pub fn rows_an_entry(rows: u64, workers: u64) -> u32 {
    let share = rows / workers.max(1).saturating_mul(8);
    // It is at most MOST.
    share.clamp(FEWEST, MOST) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_grow_with_the_merge_within_bounds() {
        for (rows, workers, expected) in [
            (0, 4, 50),
            (1_600, 4, 50),
            (3_200, 4, 100),
            (32_031, 4, 1_000),
            (10_000_000, 8, 1_000),
            (u64::MAX, 0, 1_000),
            (5, u64::MAX, 50),
        ] {
            assert_eq!(rows_an_entry(rows, workers), expected);
        }
    }
}
