//! Jobs: many entries that appear together, as a [`batch`], a list [`post`] or a [merge](super::merge), in a folder of
//! their own. They are worked off like any others; as a whole they are paused, let go on and cancelled ([`Standing`]), and end.

pub mod batch;
pub mod draft;
pub(super) mod ending;
mod file;
pub mod merge_file;
pub mod newer;
pub mod post;
mod post_file;
mod progress;
mod standing;
mod untouched;

pub use self::file::{JobFault, JobFile, JobKind};
pub use self::merge_file::{MergeFile, MergeKey};
pub use self::post_file::PostFile;
pub use self::progress::JobProgress;
pub use self::standing::Standing;

/// The most entries in one folder of a job.
pub const FOLDER_MAX: u32 = 1_000;
