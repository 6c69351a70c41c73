//! What came of an entry's rows, in numbers: made from its log alone, so that each holder of the entry comes to the same.

use super::claim::MergeClaim;
use super::log::replay::{RowState, Standing};
use crate::model::row_summary::DeliveredRows;
use crate::model::{Address, RowSummary};

impl MergeClaim<'_> {
    /// How many bytes its log has, and what these tell.
    pub(super) fn summary(&self) -> (u64, RowSummary) {
        let (mut summary, mut delivered) = (RowSummary::default(), DeliveredRows::default());
        for (number, row) in self.log.rows().iter() {
            match row.standing {
                Standing::Delivered => delivered.add(self.domain(number), seconds(row)),
                Standing::Open => summary.open += 1,
                Standing::Failed => summary.failed += 1,
                Standing::Suppressed => summary.suppressed += 1,
                Standing::Held => summary.held += 1,
                Standing::Removed => summary.removed += 1,
            }
        }
        delivered.put_into(&mut summary);
        (self.log.end(), summary)
    }

    fn domain(&self, row: u16) -> &str {
        self.envelope.recipients.get(usize::from(row)).map_or("", Address::domain)
    }
}

/// How long a delivered row waited.
fn seconds(row: &RowState) -> u64 {
    let waited = row.waited(row.at);
    waited.as_secs() + u64::from(waited.subsec_nanos() > 0)
}
