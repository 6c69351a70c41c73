//! What a merge has besides its heads in `ready/`: its rows.

pub mod rows;
