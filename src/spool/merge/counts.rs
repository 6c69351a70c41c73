//! Rows counted by where they stand.

use super::log::replay::{Rows, Standing};
use crate::model::Micros;
use crate::policy::notice::MergeCounts;

/// What was seen of the rows of a merge that may have ended.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::spool) struct SeenRows {
    pub counts: MergeCounts,
    /// When the last of the failed ones did.
    pub failed: Micros,
}

impl SeenRows {
    pub fn add(&mut self, rows: &Rows) {
        for (_, row) in rows.iter() {
            self.counts.rows += 1;
            *count_of(&mut self.counts, row.standing) += 1;
            if row.standing == Standing::Failed {
                self.failed = self.failed.max(row.at);
            }
        }
    }
}

/// The count of the rows that stand there.
pub(super) fn count_of(counts: &mut MergeCounts, standing: Standing) -> &mut u64 {
    match standing {
        Standing::Open => &mut counts.open,
        Standing::Delivered => &mut counts.delivered,
        Standing::Failed => &mut counts.failed,
        Standing::Suppressed => &mut counts.suppressed,
        Standing::Held => &mut counts.held,
        Standing::Removed => &mut counts.removed,
    }
}
