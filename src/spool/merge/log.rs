//! The log of one merge entry, `log/<n>/<k>`: what came of its rows. It is the only truth about them; there is no journal.
//!
//! It is made with the job, never replaced, and only added to. [`record`] has the records, [`chain`] their form on disk,
//! [`replay`] what they tell of each row.
//!
//! # What holds
//! - **Each record's CRC-32 covers the one before it**, and the first record has the entry's id. The first bad record ends the log
//!   and is overwritten. What lies behind it is older; it must never chain on to what is written now. So a claim begins
//!   with a random number.

pub mod chain;
pub mod record;
pub mod replay;
mod varint;

#[cfg(test)]
mod tests;
