//! Jobs: many entries that appear together, as a [`batch`] or a list [`post`], in a folder of their own. They are worked off
//! like any others; as a whole they are paused, let go on and cancelled ([`Standing`]), and end.

pub mod batch;
pub mod draft;
mod ending;
mod file;
pub mod newer;
pub mod post;
mod progress;
mod standing;
mod untouched;

pub use self::file::{JobFault, JobFile, JobKind, PostFile};
pub use self::progress::JobProgress;
pub use self::standing::Standing;
