//! What several commands print in the same way.

pub mod entry;
pub mod listing;
pub mod reading;
pub mod run_status;
pub mod stop_row;
pub mod table;
