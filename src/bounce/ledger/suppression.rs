//! Who gets no more mail: the list that deliveries look at, and that reports and people change.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::database::Ledger;
use super::error::LedgerError;
use super::row::{key, keys, micros, whole};
use crate::model::format::Age;
use crate::model::{Address, Micros};

/// Asks for one address that is suppressed; the index holds these alone.
const BY_INDEX: &str = "SELECT address, suppressed, why FROM address INDEXED BY suppressed \
                        WHERE address = ?1 AND suppressed IS NOT NULL";
/// The same of a ledger of layout 1, which has no such index.
const BY_ADDRESS: &str = "SELECT address, suppressed, why FROM address WHERE address = ?1 AND suppressed IS NOT NULL";

/// Who gets no more mail, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    pub address: String,
    pub since: Micros,
    pub why: String,
}

impl Ledger {
    /// Shows everybody who gets no more mail, in the order of the addresses.
    pub fn suppressions(&self, each: &mut dyn FnMut(Suppression) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let mut ask = self
            .db
            .prepare("SELECT address, suppressed, why FROM address WHERE suppressed IS NOT NULL ORDER BY address")
            .map_err(self.failed())?;
        let mut rows = ask.query([]).map_err(self.failed())?;
        while let Some(row) = rows.next().map_err(self.failed())? {
            if !each(suppression(row).map_err(self.failed())?)? {
                break;
            }
        }
        Ok(())
    }

    /// Since when `address` gets no more mail, and why.
    pub fn suppression(&self, address: &Address) -> Result<Option<Suppression>, LedgerError> {
        Ok(self.suppressed_among([(0, address)])?.pop().map(|(_, found)| found))
    }

    /// Those of `addresses`, each with its place, who get no more mail: one look at the ledger for all.
    pub fn suppressed_among<'a>(
        &self,
        addresses: impl IntoIterator<Item = (usize, &'a Address)>,
    ) -> Result<Vec<(usize, Suppression)>, LedgerError> {
        let look = || -> rusqlite::Result<Vec<(usize, Suppression)>> {
            // The lock is taken once.
            let look = self.db.unchecked_transaction()?;
            let mut ask = look.prepare_cached(match self.age {
                Age::Current => BY_INDEX,
                Age::Older => BY_ADDRESS,
            })?;
            let mut found = Vec::new();
            for (place, address) in addresses {
                for key in keys(address) {
                    if let Some(one) = ask.query_row([key], suppression).optional()? {
                        found.push((place, one));
                        break;
                    }
                }
            }
            Ok(found)
        };
        look().map_err(self.failed())
    }

    /// Sets `addresses` on the list; those that are on it stay as they are. Returns how many are new.
    pub fn suppress(&mut self, addresses: &[(Address, Micros, String)]) -> Result<u64, LedgerError> {
        self.change(|db| {
            let mut new = 0;
            for (address, since, why) in addresses {
                new += suppress(db, &key(address), *since, why)?;
            }
            Ok(new)
        })
    }

    /// Takes `addresses` off the list, and begins their accounts anew. Returns how many were on it.
    pub fn release(&mut self, addresses: &[Address]) -> Result<u64, LedgerError> {
        self.change(|db| {
            let mut released = 0;
            let mut put = db.prepare_cached(
                "UPDATE address SET suppressed = NULL, why = NULL, score = 0, of_day = 0 \
                 WHERE address = ?1 AND suppressed IS NOT NULL",
            )?;
            for address in addresses {
                let mut was_on = false;
                for key in keys(address) {
                    was_on |= put.execute([key])? > 0;
                }
                released += u64::from(was_on);
            }
            Ok(released)
        })
    }
}

fn suppression(row: &Row<'_>) -> rusqlite::Result<Suppression> {
    let why: Option<String> = row.get(2)?;
    Ok(Suppression { address: row.get(0)?, since: micros(row.get(1)?), why: why.unwrap_or_default() })
}

/// Sets an address on the list, if it is not there; 1 if it is new.
pub(super) fn suppress(db: &Transaction<'_>, address: &str, since: Micros, why: &str) -> rusqlite::Result<u64> {
    let changed = db
        .prepare_cached(
            "INSERT INTO address (address, score, at, day, of_day, bounces, suppressed, why) \
             VALUES (?1, 0, 0, 0, 0, 0, ?2, ?3) \
             ON CONFLICT (address) DO UPDATE SET suppressed = ?2, why = ?3 WHERE suppressed IS NULL",
        )?
        .execute(params![address, whole(since), why])?;
    Ok(changed as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_suppressed_is_found_and_released_by_any_spelling() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let mut ledger = Ledger::open(temp.path()).expect("a ledger");
        let address = |text: &str| text.parse::<Address>().expect("an address");
        let one = |text: &str| [(address(text), Micros(1), "asked".to_owned())];
        assert_eq!(ledger.suppress(&one("\"Bob\"@B\u{fc}cher.example.")).expect("noted"), 1);
        assert_eq!(ledger.suppress(&one("bob@xn--bcher-kva.example")).expect("noted"), 0);
        let found = ledger.suppression(&address("bob@b\u{fc}cher.example")).expect("a look").expect("it is there");
        assert_eq!(found.address, "bob@xn--bcher-kva.example");
        // What was noted before spellings were one, in its own.
        let old = address("\"ann\"@x.org");
        ledger.change(|db| suppress(db, "\"ann\"@x.org", Micros(1), "asked")).expect("noted");
        assert!(ledger.suppression(&old).expect("a look").is_some());
        let both = [old.clone(), address("BOB@B\u{dc}CHER.example")];
        assert_eq!(ledger.release(&both).expect("released"), 2);
        assert_eq!(ledger.suppressed_among(both.iter().enumerate()).expect("a look"), []);
    }
}
