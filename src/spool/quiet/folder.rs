//! What is known of one folder in which nothing was due.

use std::time::Duration;

use crate::model::Micros;
use crate::sys::dir::Print;

/// A folder's time is trusted when it lies so far back: several ticks of the slowest kernel, or more than the second of a
/// file system that keeps whole ones.
const SETTLED: Duration = Duration::from_millis(50);
const SETTLED_COARSE: Duration = Duration::from_secs(3);

/// A folder whose names all wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QuietFolder {
    /// Its state before its names were read.
    pub print: Print,
    /// When. A clock that was set back since says nothing.
    pub at: Micros,
    /// The first of its names to be due.
    pub next: Option<Micros>,
    /// The last of those whose time nobody asked for: beyond the horizon it is due, too.
    pub furthest: Option<Micros>,
}

impl QuietFolder {
    pub fn new(print: Print, at: Micros) -> QuietFolder {
        QuietFolder { print, at, next: None, furthest: None }
    }

    /// Takes note of a name that waits for `due`, a time that a person set if it is `at`.
    pub fn waits(&mut self, due: Micros, at: bool) {
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
        if !at {
            self.furthest = self.furthest.max(Some(due));
        }
    }

    /// Whether nothing is due at `now`, if the folder is as it was: what `is_due` (in `names`) says of each name.
    pub fn waits_at(&self, now: Micros, horizon: Duration) -> bool {
        now >= self.at
            && self.next.is_none_or(|next| next > now)
            && self.furthest.is_none_or(|furthest| furthest.since(now) <= horizon)
    }
}

/// Whether a change that comes from `now` on gives the folder another time than this one.
pub(in crate::spool) fn is_settled(print: &Print, now: Micros) -> bool {
    let changed = Micros(u64::try_from(print.changed / 1_000).unwrap_or(0));
    let is_fine = print.changed % 1_000_000_000 != 0;
    now.since(changed) > if is_fine { SETTLED } else { SETTLED_COARSE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_trusted_when_no_later_change_can_bear_it() {
        let settled = |changed, now| is_settled(&Print { changed, ..Print::default() }, Micros(now));
        assert!(!settled(5_000_000_001, 5_000_000));
        assert!(!settled(5_000_000_001, 5_050_000));
        assert!(settled(5_000_000_001, 5_050_001));
        // Whole seconds: what comes within this one could not be told from what was there.
        assert!(!settled(5_000_000_000, 8_000_000));
        assert!(settled(5_000_000_000, 8_000_001));
        // It is still to come.
        assert!(!settled(9_000_000_001, 5_000_000));
    }

    #[test]
    fn what_is_due_by_its_time_or_by_the_horizon_is_due_at_once() {
        let (now, hour) = (Micros(1_000_000_000), Duration::from_secs(3_600));
        let mut folder = QuietFolder::new(Print::default(), now);
        assert!(folder.waits_at(now, Duration::ZERO));
        let mut waits = |after: u64, at| folder.waits(now.plus(Duration::from_secs(after)), at);
        waits(600, false);
        waits(300, true);
        waits(900, false);
        waits(100_000, true);
        assert!(folder.waits_at(now, hour));
        assert!(folder.waits_at(now.plus(Duration::from_secs(299)), hour));
        assert!(!folder.waits_at(now.plus(Duration::from_secs(300)), hour));
        // Another horizon, by which the one after 900 seconds is the work of a wrong clock.
        assert!(folder.waits_at(now, Duration::from_secs(900)));
        assert!(!folder.waits_at(now, Duration::from_secs(899)));
        // A clock that was set back.
        assert!(!folder.waits_at(now.minus(Duration::from_secs(1)), hour));
    }
}
