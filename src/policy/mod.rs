//! Pure functions: the clock is an argument, and nothing here does I/O.

pub mod blame;
pub mod notice;
pub mod rate;
pub mod reminder;
pub mod retry;
pub mod score;
pub mod told;
pub mod units;
pub mod window;
