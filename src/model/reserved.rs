//! Names that no queue can have: the spool has them for itself, or may come to have them.

/// The folder that other users hand mail in through.
pub const DROP: &str = "drop";
/// The folder of the event files.
pub const EVENTS: &str = "events";
/// The folder of what rates and sessions have left.
pub const PACE: &str = "pace";
/// The folder of what is not there yet.
pub const TMP: &str = "tmp";
/// The folder of what is known of other users.
pub const USERS: &str = "users";
/// The file with the number of the spool's format.
pub const VERSION: &str = "version";

/// All of them, in the order of the alphabet.
pub const RESERVED: [&str; 10] = ["all", "auto", DROP, EVENTS, "jobs", PACE, "state", TMP, USERS, VERSION];
