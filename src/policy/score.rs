//! How much bounces weigh against an address: a sum that fades.

use std::time::Duration;

use crate::model::Micros;

const DAY: u64 = 24 * 3_600 * 1_000_000;

/// When an address gets no more mail.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// At this score, above 0; default 3: four days on which mail to it failed for good, for each has faded a little
    /// when the next comes.
    pub threshold: f64,
    /// The weight of a failure that may pass, such as a full mailbox, from 0 to 1; default 0.25.
    pub soft: f64,
    /// A score is half of what it was after this time, above zero; default 60 days, so that a monthly newsletter counts, too.
    pub half_life: Duration,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { threshold: 3.0, soft: 0.25, half_life: Duration::from_secs(60 * 24 * 3_600) }
    }
}

/// What an address has to its account. A day counts once, by the heaviest bounce on it: a campaign that is sent twice, or a
/// server that answers thrice, says no more than one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// As it was at `at`.
    pub value: f64,
    pub at: Micros,
    /// The last day, counted in UTC from 1970, and what it weighs.
    pub day: u64,
    pub of_day: f64,
}

impl Score {
    /// The score at `now`. A clock that was set back makes nothing older.
    pub fn faded(&self, now: Micros, rules: &Rules) -> f64 {
        let halves = now.since(self.at).as_secs_f64() / rules.half_life.as_secs_f64().max(1.0);
        self.value * (-halves).exp2()
    }

    /// The score after one more bounce of `weight`.
    pub fn with(&self, weight: f64, now: Micros, rules: &Rules) -> Score {
        let day = now.0 / DAY;
        let counted = if self.day == day && self.value > 0.0 { self.of_day } else { 0.0 };
        let value = self.faded(now, rules) + (weight - counted).max(0.0);
        Score { value, at: now.max(self.at), day, of_day: counted.max(weight) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(weights: &[(u64, f64)]) -> f64 {
        let rules = Rules::default();
        let score = weights.iter().fold(Score::default(), |score, &(hours, weight)| {
            score.with(weight, Micros(hours * DAY / 24 + DAY * 20_000), &rules)
        });
        score.value
    }

    #[test]
    fn a_day_counts_once_and_by_its_heaviest() {
        assert!((after(&[(0, 1.0), (1, 1.0), (2, 1.0)]) - 1.0).abs() < 0.001);
        assert!((after(&[(0, 0.25), (1, 1.0)]) - 1.0).abs() < 0.001);
        assert!((after(&[(0, 1.0), (1, 0.25)]) - 1.0).abs() < 0.001);
    }

    #[test]
    fn who_fails_month_after_month_reaches_the_threshold_and_who_failed_long_ago_does_not() {
        let month = |n: u64| (n * 24 * 30, 1.0);
        assert!(after(&(0..8).map(month).collect::<Vec<_>>()) >= 3.0);
        assert!(after(&(0..3).map(month).collect::<Vec<_>>()) < 3.0);
        assert!(after(&[(0, 1.0), (24, 1.0), (24 * 365, 1.0)]) < 1.1);
    }

    #[test]
    fn four_days_or_weeks_of_failures_are_enough_and_three_are_not() {
        for hours in [24, 24 * 7] {
            let score = |times: u64| after(&(0..times).map(|n| (n * hours, 1.0)).collect::<Vec<_>>());
            assert!(score(3) < 3.0 && score(4) >= 3.0, "{hours}: {} {}", score(3), score(4));
        }
    }

    proptest! {
        #[test]
        fn a_score_is_never_negative_and_no_day_adds_more_than_its_heaviest(
            bounces in proptest::collection::vec((0_u64..10_000, 0.0_f64..1.0), 0..50),
        ) {
            let rules = Rules::default();
            let score = bounces.iter().fold(Score::default(), |score, &(hour, weight)| {
                score.with(weight, Micros(hour * DAY / 24), &rules)
            });
            prop_assert!(score.value >= 0.0 && score.value <= bounces.len() as f64);
        }
    }
}
