//! Instants as microseconds since 1970-01-01T00:00:00Z, the unit of every time in the spool.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::sys::named::{self, Zone};

/// Microseconds since 1970, never negative. Sixteen decimal digits hold it until the year 2286.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub u64);

impl Micros {
    /// The largest instant that a file name can carry: sixteen nines.
    pub const MAX: Micros = Micros(9_999_999_999_999_999);

    /// This instant later by `by`, at most [`Micros::MAX`].
    pub fn plus(self, by: Duration) -> Micros {
        let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        Micros(self.0.saturating_add(by).min(Micros::MAX.0))
    }

    /// This instant earlier by `by`, at least the first there is.
    pub fn minus(self, by: Duration) -> Micros {
        Micros(self.0.saturating_sub(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` to this instant; zero if `earlier` is the later one.
    pub fn since(self, earlier: Micros) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    fn timestamp(self) -> jiff::Timestamp {
        i64::try_from(self.0)
            .ok()
            .and_then(|us| jiff::Timestamp::from_microsecond(us).ok())
            .unwrap_or(jiff::Timestamp::MAX)
    }

    /// RFC 3339 in UTC with microseconds: `2026-11-24T13:27:04.000001Z`.
    pub fn rfc3339(self) -> String {
        DateTimePrinter::new().precision(Some(6)).timestamp_to_string(&self.timestamp())
    }

    /// The day in UTC: `2026-11-24`.
    pub fn day(self) -> String {
        self.timestamp().strftime("%Y-%m-%d").to_string()
    }

    /// The moment in this host's time zone, to the second: `2026-11-24 14:27:04`.
    pub fn local(self) -> String {
        self.zoned().strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// As a message's Date field has it (RFC 5322 section 3.3): `Tue, 24 Nov 2026 14:27:04 +0100`.
    pub fn rfc5322(self) -> String {
        self.zoned().strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
    }

    /// Reads what [`Micros::local`] or [`Micros::rfc3339`] prints, and other forms of ISO 8601: a date, with or without a
    /// time of day, in this host's time zone unless it says another. `None` if it is none of these, or before 1970.
    pub fn parse(text: &str) -> Option<Micros> {
        let elsewhere = text.parse::<jiff::Timestamp>().ok();
        let here = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned_datetime(local_zone()).ok();
        let instant = elsewhere.or_else(|| here().map(|here| here.timestamp()))?;
        u64::try_from(instant.as_microsecond()).ok().map(|us| Micros(us.min(Micros::MAX.0)))
    }

    fn zoned(self) -> jiff::ZonedDateTime {
        self.timestamp().to_zoned_datetime(local_zone())
    }
}

/// The time zone of `TZ`, else this host's; UTC where neither says one.
fn local_zone() -> TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    let read = || match named::zone() {
        Zone::Rules(rules) => TimeZone::tzif("local", &rules).unwrap_or(TimeZone::UTC),
        Zone::Said(text) => TimeZone::posix(&text).unwrap_or(TimeZone::UTC),
        Zone::Utc => TimeZone::UTC,
    };
    ZONE.get_or_init(read).clone()
}

/// The time zone `name`, else that of [`Micros::local`]; `None` where its rules cannot be read.
pub fn zone(name: Option<&str>) -> Option<TimeZone> {
    if let Some(name) = name {
        return TimeZone::tzif(name, &named::zone_called(name)?).ok();
    }
    match named::zone() {
        Zone::Rules(rules) => TimeZone::tzif("local", &rules).ok(),
        Zone::Said(text) if text.is_empty() => Some(TimeZone::UTC),
        Zone::Said(text) => TimeZone::posix(&text).ok(),
        Zone::Utc => Some(TimeZone::UTC),
    }
}

impl fmt::Display for Micros {
    /// Sixteen digits, as in a file name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_prints_in_each_form() {
        let t = Micros(1_795_526_824_000_001);
        assert_eq!(t.rfc3339(), "2026-11-24T13:27:04.000001Z");
        assert_eq!(t.day(), "2026-11-24");
        assert_eq!(Micros(7).to_string(), "0000000000000007");
    }

    #[test]
    fn an_instant_is_read_in_each_form() {
        let t = Micros(1_795_526_824_000_000);
        for text in ["2026-11-24T13:27:04Z", "2026-11-24 14:27:04+01:00", &t.local(), &t.rfc3339()] {
            assert_eq!(Micros::parse(text), Some(t), "{text}");
        }
        assert_eq!(Micros::parse("2026-11-24"), Micros::parse("2026-11-24 00:00"));
        for bad in ["", "13:27", "tomorrow", "2026-13-24", "1969-01-01T00:00:00Z", "2026-11-24T25:00", "17955"] {
            assert_eq!(Micros::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn no_instant_passes_the_bound_of_a_name() {
        assert_eq!(Micros(1).plus(Duration::MAX), Micros::MAX);
        assert_eq!(Micros(1).minus(Duration::MAX), Micros(0));
        assert_eq!(Micros(1).since(Micros(5)), Duration::ZERO);
        assert_eq!(Micros::MAX.to_string().len(), 16);
    }
}
