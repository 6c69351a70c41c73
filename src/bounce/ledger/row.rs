//! How addresses, times and scores stand in a row.

use rusqlite::Row;

use crate::model::{Address, Micros, spelling};
use crate::policy::score::Score;

/// An address as the ledger has it: in lower case, and one for all of its spellings.
pub(super) fn key(address: &Address) -> String {
    let local = address.local().to_lowercase();
    match address.domain() {
        "" => spelling::local(&local).into_owned(),
        domain => format!("{}@{}", spelling::local(&local), spelling::domain(domain)),
    }
}

/// The keys by which the ledger may have an address: one that was noted before spellings were one has its own.
pub(super) fn keys(address: &Address) -> impl Iterator<Item = String> {
    let (key, old) = (key(address), address.as_str().to_lowercase());
    let old = (old != key).then_some(old);
    [key].into_iter().chain(old)
}

pub(super) fn whole(micros: Micros) -> i64 {
    i64::try_from(micros.0).unwrap_or(i64::MAX)
}

pub(super) fn micros(whole: i64) -> Micros {
    Micros(u64::try_from(whole).unwrap_or(0))
}

pub(super) fn score(row: &Row<'_>) -> rusqlite::Result<Score> {
    let day: i64 = row.get(2)?;
    Ok(Score { value: row.get(0)?, at: micros(row.get(1)?), day: u64::try_from(day).unwrap_or(0), of_day: row.get(3)? })
}
