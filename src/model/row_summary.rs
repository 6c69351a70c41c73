//! What came of the rows of one merge entry since it was submitted, in numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The most domains that are named.
pub const DOMAINS_MAX: usize = 50;

/// Up to how many seconds a row of each step waited.
const STEPS: [u64; 7] = [0, 60, 300, 900, 3_600, 14_400, 86_400];

/// The rows of an entry by where they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowSummary {
    pub delivered: u64,
    pub failed: u64,
    pub suppressed: u64,
    pub held: u64,
    /// By a person.
    pub removed: u64,
    /// To be sent, now or later.
    pub open: u64,
    /// Steps in seconds, each with the number of delivered rows that waited no longer than it, and longer than the step before,
    /// from their first attempt on; `None`: longer than all steps. Steps without rows are left out.
    pub latency: Vec<(Option<u64>, u64)>,
    /// The delivered by domain: those with the most.
    pub domains: BTreeMap<String, u64>,
    /// The delivered in domains that are not named.
    pub other_domains: u64,
}

/// The delivered rows of an entry while they are counted.
#[derive(Debug, Default)]
pub struct DeliveredRows {
    steps: [u64; STEPS.len() + 1],
    domains: BTreeMap<String, u64>,
}

impl DeliveredRows {
    /// Counts one that went to `domain` and waited so many seconds, begun ones as whole.
    pub fn add(&mut self, domain: &str, seconds: u64) {
        self.steps[STEPS.partition_point(|&step| step < seconds)] += 1;
        let domain = domain.to_ascii_lowercase();
        *self.domains.entry(domain).or_default() += 1;
    }

    /// Puts what was counted into `summary`.
    pub fn put_into(self, summary: &mut RowSummary) {
        let steps = STEPS.into_iter().map(Some).chain([None]).zip(self.steps);
        summary.latency = steps.filter(|&(_, count)| count > 0).collect();
        summary.delivered = self.steps.iter().sum();
        let mut domains: Vec<(String, u64)> = self.domains.into_iter().collect();
        // Of those with as many the first by name.
        domains.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        summary.other_domains = domains.iter().skip(DOMAINS_MAX).map(|&(_, count)| count).sum();
        summary.domains = domains.into_iter().take(DOMAINS_MAX).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_counts_in_one_step_and_one_domain() {
        let mut rows = DeliveredRows::default();
        for (domain, seconds) in [("X.org", 0), ("x.org", 1), ("y.org", 60), ("z.org", 61), ("x.org", 86_401)] {
            rows.add(domain, seconds);
        }
        let mut summary = RowSummary::default();
        rows.put_into(&mut summary);
        assert_eq!(summary.latency, [(Some(0), 1), (Some(60), 2), (Some(300), 1), (None, 1)]);
        let domains = [("x.org", 3), ("y.org", 1), ("z.org", 1)].map(|(domain, count)| (domain.to_owned(), count));
        assert_eq!((summary.domains, summary.other_domains, summary.delivered), (domains.into(), 0, 5));
    }

    #[test]
    fn many_domains_take_no_more_room_and_no_row_is_lost() {
        let mut rows = DeliveredRows::default();
        for n in 0..DOMAINS_MAX + 7 {
            rows.add(&format!("d{n:03}.example"), 0);
        }
        rows.add("last.example", 0);
        rows.add("last.example", 0);
        let mut summary = RowSummary::default();
        rows.put_into(&mut summary);
        assert_eq!((summary.domains.len(), summary.domains.get("last.example")), (DOMAINS_MAX, Some(&2)));
        assert_eq!((summary.other_domains, summary.delivered), (8, DOMAINS_MAX as u64 + 9));
    }
}
