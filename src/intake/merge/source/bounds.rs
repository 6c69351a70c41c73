//! How large the parts of a source may be. They keep memory bounded; no sensible data comes near them.

/// The most bytes of a row's values together.
pub const ROW: usize = 1 << 20;
/// The most columns, which is SQLite's own limit.
pub const COLUMNS: usize = 2_000;
/// The most bytes of a line of JSON: its escapes make it longer than its values.
pub const LINE: usize = 4 << 20;
/// How much of a source is read at once, in bytes.
pub const BUFFER: usize = 64 << 10;
