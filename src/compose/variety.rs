//! Whether the texts of a merge's rows differ, as those of personal mail do.

/// What was seen of the texts of some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variety {
    first: Option<u32>,
    differs: bool,
}

impl Variety {
    /// Whether two rows had different texts.
    pub fn differs(&self) -> bool {
        self.differs
    }

    /// Adds what was seen of other rows of the same template.
    pub fn add(&mut self, other: Variety) {
        let are_two = matches!((self.first, other.first), (Some(one), Some(two)) if one != two);
        self.differs |= other.differs || are_two;
        self.first = self.first.or(other.first);
    }

    /// Adds a row by the checksum of its texts.
    pub(super) fn see(&mut self, checksum: u32) {
        self.differs |= self.first.is_some_and(|first| first != checksum);
        self.first = self.first.or(Some(checksum));
    }
}
