//! Durations, sizes and rates as a person writes them: `90s`, `1h30m`, `64M`, `2000/min`.
//!
//! Kept true: text that is taken has one exact meaning (no fractions, no unit twice), and what [`duration_text`],
//! [`size_text`] and [`rate_text`] print reads back as the same value. Anything else is a [`BadUnit`] that says what is
//! accepted.

use std::time::Duration;

use crate::model::Micros;

/// The longest duration that is taken: a hundred years, so that sums of a few never overflow.
pub const LONGEST: Duration = Duration::from_secs(36_500 * DAY);

const DAY: u64 = 24 * 3600;

/// Seconds by unit, the largest first.
const DURATIONS: [(u64, char); 5] = [(7 * DAY, 'w'), (DAY, 'd'), (3600, 'h'), (60, 'm'), (1, 's')];

/// Bytes by unit, the largest first.
const SIZES: [(u64, char); 4] = [(1 << 40, 'T'), (1 << 30, 'G'), (1 << 20, 'M'), (1 << 10, 'K')];

/// Seconds by a rate's unit, with its names; the first is the one that is printed.
const RATES: [(u64, &[&str]); 4] = [(1, &["s", "sec"]), (60, &["min"]), (3600, &["h", "hour"]), (DAY, &["d"])];

/// The highest rate that is taken, a second: nothing is handed over faster.
pub const FASTEST: u64 = 1_000_000;

/// Text that is no duration, size or rate, with what would be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUnit {
    #[error(
        "{0:?} is no duration: write whole numbers with the units w, d, h, m, s, the largest first, \
         such as \"90s\", \"5m\" or \"1h30m\""
    )]
    Duration(String),
    #[error("{0:?} is too long a duration: at most 36500d")]
    TooLong(String),
    #[error(
        "{0:?} is no time: write a date and a time of day, such as \"2026-11-26 08:00\" (here) or \
         \"2026-11-26T08:00:00+01:00\", or how long from now, such as \"+2h\""
    )]
    Instant(String),
    #[error("{0:?} is no size: write a whole number of bytes, or one with K, M, G or T, such as \"256K\" or \"64M\"")]
    Size(String),
    #[error("{0:?} is too large a size: at most 8388607T")]
    TooLarge(String),
    #[error("{0:?} is no rate: write a whole number, a slash and s, min, h or d, such as \"20/s\" or \"2000/min\"")]
    Rate(String),
    #[error("{0:?} would let nothing leave: 'bulkmailer stop' does that")]
    TooSlow(String),
    #[error("{0:?} is too high a rate: at most {FASTEST}/s; leave it out for no limit")]
    TooFast(String),
}

/// Reads a duration such as `90s`, `5d` or `1h30m`; a bare `0` is none at all.
///
/// Errors: anything else, also a number without its unit, a fraction, or more than [`LONGEST`].
pub fn parse_duration(text: &str) -> Result<Duration, BadUnit> {
    let no_duration = || BadUnit::Duration(shown(text));
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(no_duration());
    }
    let mut seconds: u64 = 0;
    let mut units = DURATIONS.iter();
    while !rest.is_empty() {
        let (number, after) = leading_number(rest).ok_or_else(no_duration)?;
        let unit = after.chars().next().ok_or_else(no_duration)?;
        // Searching on from the unit before it keeps the order, and each unit to one use.
        let (factor, _) = units.find(|(_, name)| *name == unit).ok_or_else(no_duration)?;
        let part = number.and_then(|number| number.checked_mul(*factor));
        seconds = part.and_then(|part| seconds.checked_add(part)).ok_or_else(|| BadUnit::TooLong(shown(text)))?;
        rest = &after[1..];
    }
    let duration = Duration::from_secs(seconds);
    if duration > LONGEST { Err(BadUnit::TooLong(shown(text))) } else { Ok(duration) }
}

/// Reads a time: a date with a time of day, in this host's zone or another, or `+` and a duration from `now` on.
///
/// Errors: anything else.
pub fn parse_instant(text: &str, now: Micros) -> Result<Micros, BadUnit> {
    match text.strip_prefix('+') {
        Some(from_now) => Ok(now.plus(parse_duration(from_now)?)),
        None => Micros::parse(text).ok_or_else(|| BadUnit::Instant(shown(text))),
    }
}

/// Reads a size in bytes such as `65536`, `256K` or `64M`; the units are powers of 1,024.
///
/// Errors: anything else, also a fraction, or more than fits into 63 bits.
pub fn parse_size(text: &str) -> Result<u64, BadUnit> {
    let no_size = || BadUnit::Size(shown(text));
    let (number, after) = leading_number(text.trim()).ok_or_else(no_size)?;
    let mut units = after.chars();
    let factor = match (units.next(), units.next()) {
        (None, _) => 1,
        (Some(unit), None) => {
            let unit = unit.to_ascii_uppercase();
            SIZES.iter().find(|(_, name)| *name == unit).ok_or_else(no_size)?.0
        }
        (Some(_), Some(_)) => return Err(no_size()),
    };
    let bytes = number.and_then(|number| number.checked_mul(factor)).filter(|bytes| i64::try_from(*bytes).is_ok());
    bytes.ok_or_else(|| BadUnit::TooLarge(shown(text)))
}

/// Reads a rate such as `20/s`, `2000/min` or `500/h`: how many in which time.
///
/// Errors: anything else, also 0, and more than [`FASTEST`] a second.
pub fn parse_rate(text: &str) -> Result<(u64, Duration), BadUnit> {
    let no_rate = || BadUnit::Rate(shown(text));
    let (number, after) = leading_number(text.trim()).ok_or_else(no_rate)?;
    let unit = after.strip_prefix('/').ok_or_else(no_rate)?;
    let (seconds, _) = RATES.into_iter().find(|(_, names)| names.contains(&unit)).ok_or_else(no_rate)?;
    match number {
        Some(0) => Err(BadUnit::TooSlow(shown(text))),
        Some(count) if count <= FASTEST * seconds => Ok((count, Duration::from_secs(seconds))),
        Some(_) | None => Err(BadUnit::TooFast(shown(text))),
    }
}

/// The text of a rate that [`parse_rate`] has read.
pub fn rate_text(count: u64, per: Duration) -> String {
    let unit = RATES.iter().find(|(seconds, _)| *seconds == per.as_secs()).map_or("s", |(_, names)| names[0]);
    format!("{count}/{unit}")
}

/// The shortest text that is exactly `duration` in whole seconds; a fraction of a second is cut off.
pub fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 {
        return "0s".to_owned();
    }
    let exact = DURATIONS.iter().find(|(factor, _)| seconds.is_multiple_of(*factor));
    let single = exact.map_or_else(|| format!("{seconds}s"), |(factor, unit)| format!("{}{unit}", seconds / factor));
    let mut rest = seconds;
    let mut compound = String::new();
    for (factor, unit) in DURATIONS {
        if rest >= factor {
            compound.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    if compound.len() < single.len() { compound } else { single }
}

/// The shortest text that is exactly `bytes`.
pub fn size_text(bytes: u64) -> String {
    let exact = SIZES.iter().find(|(factor, _)| bytes > 0 && bytes.is_multiple_of(*factor));
    exact.map_or_else(|| bytes.to_string(), |(factor, unit)| format!("{}{unit}", bytes / factor))
}

/// A size for a person: exact where it has a short form, else rounded.
pub fn rough_size(bytes: u64) -> String {
    let exact = size_text(bytes);
    if exact.len() <= 5 && !exact.bytes().all(|b| b.is_ascii_digit()) {
        return exact;
    }
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["K", "M", "G", "T"] {
        if value < 1_024.0 {
            break;
        }
        (value, unit) = (value / 1_024.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1}{unit}") }
}

/// The number at the front, `None` inside if it is too large, and what follows it; `None` if there is no digit.
fn leading_number(text: &str) -> Option<(Option<u64>, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, after) = text.split_at(digits);
    (digits > 0).then(|| (number.parse().ok(), after))
}

/// What was written, short enough for one line.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> u64 {
        parse_duration(text).unwrap_or_else(|error| panic!("{error}")).as_secs()
    }

    #[test]
    fn durations_are_read_and_printed() {
        let cases = [("90s", 90), ("5m", 300), ("4h", 14_400), ("5d", 432_000), ("2w", 1_209_600), ("1h30m", 5_400)];
        for (text, expected) in cases {
            assert_eq!(seconds(text), expected, "{text}");
        }
        assert_eq!(seconds("0"), 0);
        assert_eq!(seconds(" 0s "), 0);
        for (value, expected) in [(5_400, "90m"), (86_401, "1d1s"), (3_661, "3661s"), (0, "0s"), (604_800, "1w")] {
            assert_eq!(duration_text(Duration::from_secs(value)), expected);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_what_is_one() {
        for bad in ["", " ", "5", "s", "1.5h", "-1s", "1h 30m", "1m1h", "1s1s", "5x", "5M", "1h30", "٣s", "5é"] {
            assert!(matches!(parse_duration(bad), Err(BadUnit::Duration(_))), "{bad:?}");
        }
        for long in ["36501d", "99999999999999999999s", "999999999999999999w"] {
            assert!(matches!(parse_duration(long), Err(BadUnit::TooLong(_))), "{long:?}");
        }
        let said = parse_duration("soon").map_err(|error| error.to_string());
        assert!(said.is_err_and(|text| text.contains("\"1h30m\"")));
    }

    #[test]
    fn a_time_is_a_date_or_a_while_from_now() {
        assert_eq!(parse_instant("+1h30m", Micros(5)), Ok(Micros(5_400_000_005)));
        assert_eq!(parse_instant("1970-01-01T00:00:01Z", Micros(5)), Ok(Micros(1_000_000)));
        assert!(matches!(parse_instant("soon", Micros(5)), Err(BadUnit::Instant(_))));
        assert!(matches!(parse_instant("+soon", Micros(5)), Err(BadUnit::Duration(_))));
    }

    #[test]
    fn sizes_are_read_and_printed() {
        for (text, expected) in [("0", 0), ("65536", 65_536), ("256K", 256 << 10), ("64M", 64 << 20), ("1g", 1 << 30)] {
            assert_eq!(parse_size(text), Ok(expected), "{text}");
        }
        for (value, expected) in [(0, "0"), (1_000, "1000"), (1_536, "1536"), (64 << 20, "64M"), (3 << 40, "3T")] {
            assert_eq!(size_text(value), expected);
        }
        for bad in ["", "M", "1.5M", "-1", "64 M", "64MB", "1P", "1é"] {
            assert!(matches!(parse_size(bad), Err(BadUnit::Size(_))), "{bad:?}");
        }
        for large in ["8388608T", "9223372036854775808", "99999999999999999999"] {
            assert!(matches!(parse_size(large), Err(BadUnit::TooLarge(_))), "{large:?}");
        }
    }

    #[test]
    fn rates_are_read_and_printed() {
        let cases = [
            ("20/s", 20, 1),
            ("20/sec", 20, 1),
            (" 2000/min ", 2_000, 60),
            ("1/h", 1, 3_600),
            ("7/hour", 7, 3_600),
            ("1000000/s", 1_000_000, 1),
            ("50000/d", 50_000, 86_400),
        ];
        for (text, count, seconds) in cases {
            assert_eq!(parse_rate(text), Ok((count, Duration::from_secs(seconds))), "{text}");
        }
        assert_eq!(rate_text(7, Duration::from_secs(3_600)), "7/h");
        for bad in ["", "5", "/s", "5/", "5/m", "5 /s", "5/ s", "1.5/s", "-1/s", "5/S", "5s", "5/s/s", "5/é"] {
            assert!(matches!(parse_rate(bad), Err(BadUnit::Rate(_))), "{bad:?}");
        }
        assert!(matches!(parse_rate("0/d"), Err(BadUnit::TooSlow(_))));
        for fast in ["1000001/s", "60000001/min", "99999999999999999999/d"] {
            assert!(matches!(parse_rate(fast), Err(BadUnit::TooFast(_))), "{fast}");
        }
    }

    proptest! {
        #[test]
        fn a_rate_survives_its_text(count in 1..=FASTEST, unit in 0..RATES.len()) {
            let per = Duration::from_secs(RATES[unit].0);
            prop_assert_eq!(parse_rate(&rate_text(count, per)), Ok((count, per)));
        }

        #[test]
        fn a_duration_survives_its_text(value in 0..=LONGEST.as_secs()) {
            let duration = Duration::from_secs(value);
            prop_assert_eq!(parse_duration(&duration_text(duration)), Ok(duration));
        }

        #[test]
        fn a_size_survives_its_text(value in 0..=i64::MAX as u64, shift in 0u32..40) {
            let bytes = value >> shift << shift;
            prop_assert_eq!(parse_size(&size_text(bytes)), Ok(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,12}", mixed in "[0-9wdhmsinkMGT/ ]{0,12}") {
            for text in [text, mixed] {
                if let Ok(duration) = parse_duration(&text) {
                    prop_assert!(duration <= LONGEST);
                }
                if let Ok(bytes) = parse_size(&text) {
                    prop_assert!(i64::try_from(bytes).is_ok());
                }
                if let Ok((count, per)) = parse_rate(&text) {
                    prop_assert!(count > 0 && count <= FASTEST * per.as_secs());
                }
            }
        }
    }
}
