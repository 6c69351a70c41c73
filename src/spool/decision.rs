//! A person's decision about mail that is queued: what a command does to an entry bears it.

use crate::model::Micros;

/// Who decided, and when.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    pub at: Micros,
    /// The real user id.
    pub by: u32,
}
