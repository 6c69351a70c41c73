//! When a deferred entry is tried again.

use std::time::Duration;

/// The furthest that jitter puts a retry beyond its delay: a quarter.
const JITTER: f64 = 0.25;

/// The delay after attempt number `attempt` (from 1): `first`, doubled with each attempt up to `max`, and then moved by
/// up to a quarter either way by `chance` (0 to below 1), so that entries that failed together do not come back together.
pub fn delay(attempt: u32, first: Duration, max: Duration, chance: f64) -> Duration {
    let doubled = first.saturating_mul(1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let plain = doubled.min(max);
    plain.mul_f64(1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0))
}

/// No honest due time lies further off than this: `max` and its jitter. A due time beyond it is of a clock that was wrong.
pub fn horizon(max: Duration) -> Duration {
    max.saturating_add(max.mul_f64(JITTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(300);
    const MAX: Duration = Duration::from_secs(14_400);

    #[test]
    fn delays_double_up_to_the_most() {
        let middle = |attempt| delay(attempt, FIRST, MAX, 0.5).as_secs();
        assert_eq!([1, 2, 3, 6, 7, 40, u32::MAX].map(middle), [300, 600, 1_200, 9_600, 14_400, 14_400, 14_400]);
    }

    #[test]
    fn jitter_spreads_within_a_quarter_and_inside_the_horizon() {
        assert_eq!(delay(1, FIRST, MAX, 0.0).as_secs(), 225);
        assert!(delay(1, FIRST, MAX, 0.999_999) < Duration::from_secs(375));
        assert!(delay(99, FIRST, MAX, 1.0) <= horizon(MAX));
    }
}
