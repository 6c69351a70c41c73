//! The way in of a merge: rows of a person's data, from which messages are rendered.

pub mod source;
