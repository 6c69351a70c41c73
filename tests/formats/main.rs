//! What was written is read.

mod round_trips;
