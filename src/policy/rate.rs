//! A rate limit: a token bucket whose whole state is one number.
//!
//! The state is the *theoretical arrival time* of the generic cell rate algorithm (ITU-T I.371): when the bucket will be
//! full again, in nanoseconds since 1970; 0 is a full one. Each token moves it on by one interval, and there is none while
//! it lies a whole burst off.
//!
//! Kept true, as long as the clock goes on: of any stretch of time `t`, at most `burst + t / interval` tokens are taken, in
//! whatever order and from however many processes, if each changes the state in one step. A clock that is set forward fills
//! the bucket, and so gives one burst at the most. One that is set back, or a state that nobody wrote, counts as an empty
//! bucket: the wait for a token is never longer than one interval.

use std::time::Duration;

use super::units::rate_text;
use crate::model::Micros;

/// The largest burst: even at one a day it ends long before a state overflows.
pub const BURST_MAX: u64 = 100_000;

/// So many in such a time, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u64,
    per: Duration,
    burst: u64,
}

/// What came of asking for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// What the state becomes.
    pub state: u64,
    /// Zero: there is a token, and `state` has it taken. Otherwise, how long until there is one.
    pub wait: Duration,
}

impl Rate {
    /// `count` in the time `per`, as [`super::units::parse_rate`] reads them. A burst that is not said is what one second
    /// lets through.
    pub fn new(count: u64, per: Duration, burst: Option<u64>) -> Rate {
        let burst = burst.unwrap_or_else(|| count / per.as_secs().max(1));
        Rate { count: count.max(1), per, burst: burst.clamp(1, BURST_MAX) }
    }

    /// The same with this burst.
    #[must_use]
    pub fn with_burst(self, burst: u64) -> Rate {
        Rate { burst: burst.clamp(1, BURST_MAX), ..self }
    }

    /// How many may follow one another at once after a rest.
    pub fn burst(&self) -> u64 {
        self.burst
    }

    /// As the configuration writes it, without the burst.
    pub fn text(&self) -> String {
        rate_text(self.count, self.per)
    }

    /// Nanoseconds from one token to the next, rounded up: at the highest rate a thousandth too slow, and never too fast.
    pub fn interval(&self) -> u64 {
        u64::try_from(self.per.as_nanos().div_ceil(u128::from(self.count))).unwrap_or(u64::MAX)
    }

    /// Asks for a token at `now`, which must have been read after `state`.
    pub fn ask(&self, state: u64, now: Micros) -> Allowance {
        let now = now.0.saturating_mul(1_000);
        let interval = self.interval();
        let empty = now.saturating_add(interval.saturating_mul(self.burst));
        let next = state.max(now).saturating_add(interval);
        if next <= empty {
            return Allowance { state: next, wait: Duration::ZERO };
        }
        let state = state.min(empty);
        Allowance { state, wait: Duration::from_nanos(state.saturating_add(interval).saturating_sub(empty)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const DAY: Duration = Duration::from_secs(86_400);
    /// Some day in 2026.
    const NOW: u64 = 1_795_000_000_000_000;

    fn later(by: Duration) -> Micros {
        Micros(NOW).plus(by)
    }

    /// How many tokens there are at once; the state after them.
    fn drain(rate: Rate, mut state: u64, now: Micros) -> (u64, u64) {
        for taken in 0.. {
            let allowance = rate.ask(state, now);
            state = allowance.state;
            if !allowance.wait.is_zero() {
                return (taken, state);
            }
        }
        unreachable!()
    }

    #[test]
    fn a_burst_and_then_one_an_interval() {
        let rate = Rate::new(1, Duration::from_secs(3_600), Some(3));
        let (taken, state) = drain(rate, 0, Micros(NOW));
        assert_eq!((taken, rate.ask(state, Micros(NOW)).wait), (3, Duration::from_secs(3_600)));
        assert_eq!(drain(rate, state, later(Duration::from_secs(3_599))).0, 0);
        assert_eq!(drain(rate, state, later(Duration::from_secs(3_600))).0, 1);
        assert_eq!(drain(rate, state, later(DAY)).0, 3);
    }

    #[test]
    fn what_is_not_said_is_one_seconds_worth() {
        assert_eq!(Rate::new(2_000, Duration::from_secs(60), None).burst(), 33);
        assert_eq!((Rate::new(1, DAY, None).burst(), Rate::new(20, SECOND, None).burst()), (1, 20));
        assert_eq!(Rate::new(2_000, Duration::from_secs(60), None).interval(), 30_000_000);
        assert_eq!(Rate::new(7, SECOND, None).text(), "7/s");
    }

    #[test]
    fn a_clock_that_was_set_keeps_nobody_waiting_and_gives_no_second_burst() {
        let rate = Rate::new(10, SECOND, Some(5));
        let (_, state) = drain(rate, 0, later(DAY));
        let back = rate.ask(state, Micros(NOW));
        assert_eq!(back.wait, Duration::from_millis(100));
        assert_eq!(drain(rate, back.state, later(back.wait)).0, 1);
        for strange in [u64::MAX, u64::MAX - 1, NOW * 2_000] {
            let allowance = rate.ask(strange, Micros(NOW));
            assert_eq!(drain(rate, allowance.state, later(allowance.wait)).0, 1, "{strange}");
        }
    }

    fn any_rate() -> impl Strategy<Value = Rate> {
        let per = prop_oneof![Just(1u64), Just(60), Just(3_600), Just(86_400)];
        let count = prop_oneof![1..100u64, 1..1_000_000u64];
        let burst = prop_oneof![1..10u64, 1..=BURST_MAX];
        (count, per, proptest::option::of(burst))
            .prop_map(|(count, per, burst)| Rate::new(count, Duration::from_secs(per), burst))
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_has_more_than_a_burst_and_the_rate(
            rate in any_rate(),
            first in any::<u64>(),
            gaps in prop::collection::vec((0..4u8, 0.0..3.0f64), 1..300),
        ) {
            let (mut state, mut now) = (first, Micros(NOW));
            let mut taken: Vec<u64> = Vec::new();
            for (kind, intervals) in gaps {
                if kind > 0 {
                    now = now.plus(Duration::from_nanos(rate.interval()).mul_f64(intervals));
                }
                let allowance = rate.ask(state, now);
                prop_assert!(allowance.wait.as_nanos() <= u128::from(rate.interval()));
                if allowance.wait.is_zero() {
                    taken.push(now.0 * 1_000);
                } else {
                    let then = now.plus(allowance.wait + Duration::from_micros(1));
                    prop_assert!(rate.ask(allowance.state, then).wait.is_zero());
                }
                state = allowance.state;
            }
            for (i, from) in taken.iter().enumerate() {
                for (more, to) in taken[i..].iter().enumerate() {
                    prop_assert!((more as u64) < rate.burst() + (to - from) / rate.interval());
                }
            }
        }

        #[test]
        fn whoever_waits_as_told_loses_nothing_of_the_rate(rate in any_rate()) {
            let (begun, mut now) = (Micros(NOW), Micros(NOW));
            // No honest state lies so far off: the bucket is empty.
            let mut state = rate.ask(u64::MAX, now).state;
            for _ in 0..50 {
                let wait = rate.ask(state, now);
                now = now.plus(wait.wait + Duration::from_nanos(999));
                let allowance = rate.ask(wait.state, now);
                prop_assert!(allowance.wait.is_zero());
                state = allowance.state;
            }
            let took = u64::try_from(now.since(begun).as_nanos()).expect("a time");
            prop_assert!(took <= 50 * rate.interval() + 50 * 1_000, "{took}");
        }

        #[test]
        fn no_clock_and_no_state_keeps_anybody_longer_than_an_interval(
            rate in any_rate(), state in any::<u64>(), now in 0..=Micros::MAX.0,
        ) {
            let allowance = rate.ask(state, Micros(now));
            prop_assert!(allowance.wait.as_nanos() <= u128::from(rate.interval()));
            let then = Micros(now).plus(allowance.wait + Duration::from_micros(1));
            prop_assert!(allowance.wait.is_zero() || then == Micros::MAX || rate.ask(allowance.state, then).wait.is_zero());
        }
    }
}
