//! What a message may say to one recipient alone: JSON values by their names, for messages that differ by recipient.
//!
//! Kept true: where nobody has fields nothing is allocated, and no position is kept without fields.

use std::collections::BTreeMap;

/// The fields of one recipient.
pub type OneFields = serde_json::Map<String, serde_json::Value>;

/// The fields of an envelope's recipients, by their positions in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<usize, OneFields>);

impl Fields {
    /// Whether nobody has any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of the recipient at `position`, if he has some.
    pub fn of(&self, position: usize) -> Option<&OneFields> {
        self.0.get(&position)
    }

    /// Gives the recipient at `position` these, in place of those that he had.
    pub fn set(&mut self, position: usize, fields: OneFields) {
        if fields.is_empty() {
            self.0.remove(&position);
        } else {
            self.0.insert(position, fields);
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}
