//! Whose hand is at work, where a person changes what becomes of mail.

use crate::model::Micros;

/// Who acts, and when.
#[derive(Clone, Copy, Debug)]
pub struct Hand {
    pub at: Micros,
    /// The real user id.
    pub by: u32,
}
