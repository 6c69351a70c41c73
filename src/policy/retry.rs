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
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn a_delay_is_bounded_grows_and_never_passes_the_horizon(
            attempt in 1..u32::MAX,
            first in 1..100_000_000u64,
            more in 0..100_000_000u64,
            chance in 0.0..1.0f64,
        ) {
            let (first, max) = (Duration::from_secs(first), Duration::from_secs(first + more));
            let here = delay(attempt, first, max, chance);
            let plain = delay(attempt, first, max, 0.5);
            prop_assert!(first <= plain && plain <= max);
            prop_assert!(plain.mul_f64(0.749_999) <= here && here <= plain.mul_f64(1.250_001), "{here:?} of {plain:?}");
            prop_assert!(here <= horizon(max), "{here:?} above {:?}", horizon(max));
            for later in [attempt + 1, attempt.saturating_mul(2), u32::MAX] {
                prop_assert!(delay(later, first, max, chance) >= here, "attempt {later}");
            }
            prop_assert!(delay(attempt, first, max, chance / 2.0) <= here);
        }

        #[test]
        fn the_longest_times_overflow_nothing(attempt in any::<u32>(), chance in -1.0..2.0f64, longest in 0..3u8) {
            let max = [Duration::ZERO, Duration::from_micros(1), crate::policy::units::LONGEST][longest as usize];
            prop_assert!(delay(attempt, max, max, chance) <= horizon(max));
        }
    }
}
