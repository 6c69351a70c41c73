//! What is asked of the ledger by people and other programs.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row};

use super::database::Ledger;
use super::error::LedgerError;
use super::row::{key, micros, score, whole};
use crate::model::{Address, Micros};
use crate::policy::score::Rules;

/// What the ledger knows of an address.
#[derive(Clone, Debug, PartialEq)]
pub struct AddressStatus {
    pub address: String,
    /// At the time that was asked for.
    pub score: f64,
    /// Reports of failures and complaints, those that are not kept any more among them.
    pub bounces: u64,
    /// Since when it gets no more mail, and why.
    pub suppressed: Option<(Micros, String)>,
}

/// One report as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedReport {
    pub entry: String,
    pub at: Micros,
    pub address: String,
    pub action: String,
    pub class: String,
    pub status: Option<String>,
    pub reply: Option<u16>,
    pub remote: Option<String>,
    pub text: String,
    pub message_id: Option<String>,
}

/// Reports of one action and class on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportCount {
    pub day: String,
    pub action: String,
    pub class: String,
    pub count: u64,
}

/// Which reports are asked for; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct ReportFilter {
    /// A pattern of addresses, `*` for any number of characters.
    pub address: Option<String>,
    pub class: Option<String>,
    pub action: Option<String>,
    pub since: Option<Micros>,
    /// The most that are told, the newest first.
    pub limit: Option<u64>,
}

impl Ledger {
    /// What is known of `address`.
    pub fn status(&self, address: &Address, now: Micros, rules: &Rules) -> Result<Option<AddressStatus>, LedgerError> {
        let ask = || {
            let mut ask = self.db.prepare_cached(
                "SELECT score, at, day, of_day, bounces, suppressed, why FROM address WHERE address = ?1",
            )?;
            ask.query_row([key(address)], |row| {
                Ok(AddressStatus {
                    address: key(address),
                    score: score(row)?.faded(now, rules),
                    bounces: natural(row, 4)?,
                    suppressed: row
                        .get::<_, Option<i64>>(5)?
                        .map(|since| {
                            Ok::<_, rusqlite::Error>((
                                micros(since),
                                row.get::<_, Option<String>>(6)?.unwrap_or_default(),
                            ))
                        })
                        .transpose()?,
                })
            })
            .optional()
        };
        ask().map_err(self.failed())
    }

    /// Shows the reports that `filter` asks for, the newest first, until `each` says that it is enough.
    pub fn reports(
        &self,
        filter: &ReportFilter,
        each: &mut dyn FnMut(RecordedReport) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let (clause, mut values) = filter.clause();
        values.push(Value::Integer(filter.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(-1))));
        let text = format!(
            "SELECT entry, at, address, action, class, status, reply, remote, text, message_id FROM bounce {clause} \
             ORDER BY at DESC LIMIT ?"
        );
        let mut ask = self.db.prepare(&text).map_err(self.failed())?;
        let mut rows = ask.query(rusqlite::params_from_iter(values)).map_err(self.failed())?;
        while let Some(row) = rows.next().map_err(self.failed())? {
            if !each(recorded(row).map_err(self.failed())?)? {
                break;
            }
        }
        Ok(())
    }

    /// How many reports there are by day, action and class, since `since`.
    pub fn counts(&self, since: Micros) -> Result<Vec<ReportCount>, LedgerError> {
        let ask = || {
            let mut ask = self.db.prepare(
                "SELECT date(at / 1000000, 'unixepoch'), action, class, count(*) FROM bounce WHERE at >= ?1 \
                 GROUP BY 1, 2, 3 ORDER BY 1 DESC, 4 DESC",
            )?;
            let rows = ask.query_map([whole(since)], |row| {
                Ok(ReportCount { day: row.get(0)?, action: row.get(1)?, class: row.get(2)?, count: natural(row, 3)? })
            })?;
            rows.collect::<rusqlite::Result<Vec<ReportCount>>>()
        };
        ask().map_err(self.failed())
    }

    /// How many addresses have an account, and how many of them get no more mail.
    pub fn size(&self) -> Result<(u64, u64), LedgerError> {
        let ask = || {
            let count = |text| self.db.query_row(text, [], |row| natural(row, 0));
            Ok((
                count("SELECT count(*) FROM address")?,
                count("SELECT count(*) FROM address WHERE suppressed IS NOT NULL")?,
            ))
        };
        ask().map_err(self.failed())
    }
}

impl ReportFilter {
    fn clause(&self) -> (String, Vec<Value>) {
        let mut terms: Vec<&str> = Vec::new();
        let mut values = Vec::new();
        if let Some(pattern) = &self.address {
            // Of GLOB's signs only the star is one here.
            let pattern: String = pattern
                .to_lowercase()
                .chars()
                .map(|c| if matches!(c, '?' | '[') { format!("[{c}]") } else { c.to_string() })
                .collect();
            match pattern.contains('*') {
                true => terms.push("address GLOB ?"),
                false => terms.push("address = ?"),
            }
            values.push(Value::Text(pattern));
        }
        for (term, value) in [("class = ?", &self.class), ("action = ?", &self.action)] {
            if let Some(value) = value {
                terms.push(term);
                values.push(Value::Text(value.clone()));
            }
        }
        if let Some(since) = self.since {
            terms.push("at >= ?");
            values.push(Value::Integer(whole(since)));
        }
        let clause = if terms.is_empty() { String::new() } else { format!("WHERE {}", terms.join(" AND ")) };
        (clause, values)
    }
}

/// A count, which is never negative.
fn natural(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<RecordedReport> {
    Ok(RecordedReport {
        entry: row.get(0)?,
        at: micros(row.get(1)?),
        address: row.get(2)?,
        action: row.get(3)?,
        class: row.get(4)?,
        status: row.get(5)?,
        reply: row.get(6)?,
        remote: row.get(7)?,
        text: row.get(8)?,
        message_id: row.get(9)?,
    })
}
