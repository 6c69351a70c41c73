//! The hours in which a merge is handed over, as a person writes them: `08:00-20:00[,mon-fri][,ZONE]`.
//!
//! Kept true: it is open at an instant if the wall clock of its zone then shows a time of day from the first, up to and without
//! the second, on one of its days. Over midnight (`22:00-06:00`) the day is that of the opening. So an hour that the clock
//! leaves out opens at the instant after the leap, and one that it shows twice is open twice. Without a zone it is this
//! host's. A window that never opens, which no zone makes, opens at the end of time.
//!
//! Between two changes of a zone's offset all of this is arithmetic on whole days; the offsets alone are the library's.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::Micros;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1_440 * MINUTE;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Changes of a zone's offset that a search for the opening passes at most.
const CHANGES: usize = 64;
/// What lies longer ago counts as open: no honest age is longer.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// What is said of a window, as `job.json` has it. Its zone may be unknown here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minutes of the day. The second may be 1,440, and the smaller one: it is on the next day then.
    from: u16,
    to: u16,
    /// The first and the last day, from Monday on; all if it names none. The last may come first.
    days: Option<(u8, u8)>,
    zone: Option<String>,
}

/// A window whose zone is known.
#[derive(Clone, Debug)]
pub struct Window {
    hours: Hours,
    zone: TimeZone,
}

/// Text that is no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHours {
    #[error("write the hours from and to, such as 08:00-20:00")]
    Times,
    #[error("behind the hours come days, such as mon-fri, and a time zone, such as Europe/Berlin")]
    Rest,
}

/// A time zone that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this host does not know the time zone {0}: install tzdata, or name one of /usr/share/zoneinfo")]
pub struct NoZone(pub String);

/// Text that is no window here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWindow {
    #[error(transparent)]
    Hours(#[from] BadHours),
    #[error(transparent)]
    Zone(#[from] NoZone),
}

impl FromStr for Hours {
    type Err = BadHours;

    fn from_str(text: &str) -> Result<Hours, BadHours> {
        let mut parts = text.split(',').map(str::trim);
        let times = parts.next().and_then(|hours| hours.split_once('-'));
        let times = times.and_then(|(from, to)| Some((time(from)?, time(to)?)));
        let (from, to) = times.filter(|(from, to)| from != to && *from < 1_440).ok_or(BadHours::Times)?;
        let rest: Vec<&str> = parts.collect();
        let (days, zone) = match rest.as_slice() {
            [] => (None, None),
            [one] => days(one)
                .map_or_else(|| is_zone(one).then_some((None, Some(*one))), |days| Some((Some(days), None)))
                .ok_or(BadHours::Rest)?,
            [named, zone] if is_zone(zone) => (Some(days(named).ok_or(BadHours::Rest)?), Some(*zone)),
            _ => return Err(BadHours::Rest),
        };
        Ok(Hours { from, to, days, zone: zone.map(str::to_owned) })
    }
}

/// Minutes of the day.
fn time(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let is_number = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| is_number(text));
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60 && (hours < 24 || hours == 24 && minutes == 0)).then_some(hours * 60 + minutes)
}

fn days(text: &str) -> Option<(u8, u8)> {
    let day = |day: &str| (0..).zip(DAYS).find(|(_, each)| each.eq_ignore_ascii_case(day)).map(|(number, _)| number);
    match text.split_once('-') {
        None => day(text).map(|day| (day, day)),
        Some((from, to)) => Some((day(from)?, day(to)?)),
    }
}

/// Whether it may be the name of a zone, and is no path out of the folder of zones.
fn is_zone(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+');
    text.bytes().next().is_some_and(|first| first.is_ascii_uppercase()) && text.bytes().all(is_fine)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hours { from, to, days, zone } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)?;
        let name = |day: u8| DAYS.get(usize::from(day)).copied().unwrap_or_default();
        match *days {
            None => {}
            Some((first, last)) if first == last => write!(f, ",{}", name(first))?,
            Some((first, last)) => write!(f, ",{}-{}", name(first), name(last))?,
        }
        zone.iter().try_for_each(|zone| write!(f, ",{zone}"))
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hours, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Hours {
    /// The window, with the rules of its zone, which `find` finds: of a name, or of this host.
    ///
    /// Errors: it does not.
    pub fn window(&self, find: impl FnOnce(Option<&str>) -> Option<TimeZone>) -> Result<Window, NoZone> {
        let unknown = || NoZone(self.zone.clone().unwrap_or_else(|| "that it is in".to_owned()));
        Ok(Window { hours: self.clone(), zone: find(self.zone.as_deref()).ok_or_else(unknown)? })
    }

    fn has_day(&self, day: i64) -> bool {
        // The first of January 1970 was a Thursday.
        let day = (day + 3).rem_euclid(7);
        self.days.is_none_or(|(first, last)| {
            let (first, last) = (i64::from(first), i64::from(last));
            if first <= last { (first..=last).contains(&day) } else { day >= first || day <= last }
        })
    }

    /// From when to when it is open next, or is open already, on the wall clock in microseconds since 1970; without a look at
    /// changes of that clock.
    fn next(&self, clock: i64) -> Option<(i64, i64)> {
        let (from, to) = (i64::from(self.from) * MINUTE, i64::from(self.to) * MINUTE);
        let to = if to > from { to } else { to + DAY };
        let today = clock.div_euclid(DAY);
        let all = (today - 1..=today + 7).filter(|day| self.has_day(*day));
        all.map(|day| (day * DAY + from, day * DAY + to)).find(|(_, to)| clock < *to)
    }
}

impl Window {
    /// Reads what a person writes; see [`Hours::window`].
    pub fn parse(text: &str, find: impl FnOnce(Option<&str>) -> Option<TimeZone>) -> Result<Window, BadWindow> {
        Ok(text.parse::<Hours>()?.window(find)?)
    }

    pub fn hours(&self) -> &Hours {
        &self.hours
    }

    /// When it opens, from `now` on: `now` if it is open.
    pub fn opens_at(&self, now: Micros) -> Micros {
        let mut at = signed(now);
        for _ in 0..CHANGES {
            let (offset, change) = self.offset(at);
            if let Some((from, _)) = self.hours.next(at + offset)
                && let opens = (from - offset).max(at)
                && opens < change
            {
                return unsigned(opens);
            }
            at = change;
        }
        Micros::MAX
    }

    /// Until when it stays open, at least; `None` if it is closed at `now`.
    pub fn open_until(&self, now: Micros) -> Option<Micros> {
        let at = signed(now);
        let (offset, change) = self.offset(at);
        let (from, to) = self.hours.next(at + offset)?;
        (from <= at + offset).then(|| unsigned((to - offset).min(change)))
    }

    /// How long it is open from `from` to `to`.
    pub fn open_between(&self, from: Micros, to: Micros) -> Duration {
        let earliest = to.minus(LONGEST);
        let (mut at, mut sum) = (from.max(earliest), earliest.since(from));
        while at < to {
            let opens = self.opens_at(at);
            let Some(closes) = self.open_until(opens).filter(|_| opens < to) else { break };
            sum += closes.min(to).since(opens);
            at = closes;
        }
        sum
    }

    /// When something is due, at `now`, that is due at `due` by itself; `None`: at `due`.
    pub fn defers(&self, due: Micros, now: Micros) -> Option<Micros> {
        let at = due.max(now);
        Some(self.opens_at(at)).filter(|opens| *opens > at)
    }

    /// By how much the wall clock is ahead of UTC, and when that changes next, in microseconds.
    fn offset(&self, at: i64) -> (i64, i64) {
        let at = Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX);
        let change = self.zone.following(at).next().map_or(i64::MAX, |change| change.timestamp().as_microsecond());
        (i64::from(self.zone.to_offset(at).seconds()) * 1_000_000, change)
    }
}

fn signed(at: Micros) -> i64 {
    at.min(Micros::MAX).0.cast_signed()
}

fn unsigned(at: i64) -> Micros {
    Micros(u64::try_from(at).unwrap_or(0)).min(Micros::MAX)
}

#[cfg(test)]
mod tests;
